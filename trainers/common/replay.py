"""Replay memory: preallocated tensors, uniform or prioritised draws (Schaul et al. 2016)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Sample:
    """Rows of a replay memory.

    Args:
        rows: name -> values ``[n, *]``.
        index: where they are ``[n]``.
        weight: their weight in the loss ``[n]``, at most 1; all 1 for uniform draws.
    """

    rows: dict[str, Tensor]
    index: Tensor
    weight: Tensor


class ReplayBuffer:
    """The last rows that were added, up to a capacity; a row is a few named tensors.

    Room is reserved when the first rows come, whose shapes and dtypes all later ones share.

    Args:
        capacity: largest number of rows.
        alpha: priorities count by this power; 0 for uniform draws.
        beta: power of the correction of prioritised draws.
        device: where rows are; priorities are on the processor.

    Raises:
        ValueError: a number out of its range.
    """

    def __init__(
        self, capacity: int, *, alpha: float = 0.0, beta: float = 0.4, device: torch.device | str = "cpu"
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: got {capacity}, expected at least 1")
        if not 0 <= alpha <= 1 or not 0 <= beta <= 1:
            raise ValueError(f"alpha, beta: got {alpha}, {beta}, expected numbers from 0 to 1")
        self.capacity, self.alpha, self.beta, self.device = capacity, alpha, beta, device
        self.rows: dict[str, Tensor] = {}
        self.priority = torch.zeros(capacity)
        self.size = self.place = 0

    def __len__(self) -> int:
        """Rows that it has."""
        return self.size

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Add rows ``[n, *]``; the oldest ones make room. New rows have the largest priority.

        Raises:
            ValueError: names, shapes or dtypes that differ from earlier ones, or more rows than fit.
        """
        count = len(next(iter(rows.values())))
        if count > self.capacity:
            raise ValueError(f"rows: got {count} at once, expected at most the capacity, {self.capacity}")
        if not self.rows:
            self.rows = {name: self._store(value) for name, value in rows.items()}
        where = (self.place + torch.arange(count)) % self.capacity
        for name, store in self.rows.items():
            value = rows.get(name)
            if value is None or value.shape[1:] != store.shape[1:] or value.dtype != store.dtype:
                got = None if value is None else (tuple(value.shape), value.dtype)
                raise ValueError(f"rows[{name!r}]: got {got}, expected {(count, *store.shape[1:])}, {store.dtype}")
            store[where] = value
        self.priority[where] = float(self.priority.max()) or 1.0
        self.place = (self.place + count) % self.capacity
        self.size = min(self.size + count, self.capacity)

    def sample(self, count: int, generator: Generator | None = None) -> Sample:
        """Draw rows, with replacement.

        Raises:
            ValueError: an empty memory.
        """
        if not self.size:
            raise ValueError("sample: got an empty memory, expected rows to draw from")
        if not self.alpha:
            index = torch.randint(self.size, (count,), generator=generator)
            weight = torch.ones(count)
        else:
            mass = self.priority[: self.size].double().pow(self.alpha).cumsum(0)
            point = torch.rand(count, generator=generator, dtype=torch.float64) * mass[-1]
            index = torch.searchsorted(mass, point, right=True).clamp_max(self.size - 1)
            chance = self.priority[index].double().pow(self.alpha) / mass[-1]
            weight = (self.size * chance).pow(-self.beta)
            weight = (weight / weight.max()).float()
        return Sample({name: store[index] for name, store in self.rows.items()}, index, weight.to(self.device))

    def update(self, index: Tensor, priority: Tensor) -> None:
        """Set priorities, not negative ``[n]``; nothing for uniform draws."""
        if self.alpha:
            self.priority[index] = priority.to(self.priority) + 1e-6

    def state_dict(self) -> dict[str, Any]:
        """All rows and priorities."""
        rows = {f"rows.{name}": store[: self.size].clone() for name, store in self.rows.items()}
        where = {"place": torch.tensor(self.place), "priority": self.priority[: self.size].clone()}
        return rows | where

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state_dict`.

        Raises:
            ValueError: more rows than fit.
        """
        self.size, self.place = len(state["priority"]), int(state["place"])
        if self.size > self.capacity:
            raise ValueError(f"replay: got {self.size} rows, expected at most the capacity, {self.capacity}")
        shift = 0
        if (
            self.size < self.capacity
        ):  # of a full, smaller memory the oldest row comes first: new rows follow the last one
            shift = self.place % max(self.size, 1)
            self.place = self.size
        self.priority = torch.zeros(self.capacity)
        self.priority[: self.size] = state["priority"].roll(-shift)
        self.rows = {}
        for name, value in state.items():
            if name.startswith("rows."):
                store = self._store(value)
                store[: self.size] = value.roll(-shift, 0)
                self.rows[name.removeprefix("rows.")] = store

    def _store(self, like: Tensor) -> Tensor:
        """Zeros for all rows; on a processor their memory is taken page by page, when rows come."""
        shape = (self.capacity, *like.shape[1:])
        if torch.device(self.device).type != "cpu" or not math.prod(shape):
            return torch.zeros(shape, dtype=like.dtype, device=self.device)
        raw = np.zeros(math.prod(shape) * like.element_size(), np.uint8)  # torch.zeros would write to all of it
        return torch.from_numpy(raw).view(like.dtype).reshape(shape)
