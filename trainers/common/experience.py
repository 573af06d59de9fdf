"""Experience: an exploring agent's steps in a replay memory, and draws from it."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import IterableDataset

T = TypeVar("T", covariant=True)


class Experience(IterableDataset[T], Generic[T]):
    """Draws from a replay memory, which an exploring agent fills between them.

    A subclass says how the agent explores (:meth:`step`) and what is drawn (:meth:`draw`).

    Args:
        env: environment.
        policy: the agent.
        buffer: replay memory.
        batch_size: rows of a draw.
        slots: slots of all networks before each draw.
        draws: draws in an epoch.
        least: rows before the first draw.

    Raises:
        ValueError: more rows before the first draw than the replay memory keeps.
    """

    def __init__(
        self, env: Any, policy: Any, buffer: Any, *, batch_size: int, slots: int, draws: int, least: int
    ) -> None:
        self.env, self.policy, self.buffer = env, policy, buffer
        self.batch_size, self.slots, self.draws, self.least = batch_size, slots, draws, least
        if not 0 < least <= self.most_rows:
            raise ValueError(f"least: got {least} rows, expected 1 to {self.most_rows}, which the replay memory keeps")
        self.drawn = 0

    @property
    def most_rows(self) -> int:
        """Largest number of rows that can be drawn from."""
        return int(self.buffer.capacity)

    def __len__(self) -> int:
        """Draws in an epoch."""
        return self.draws

    def __iter__(self) -> Iterator[T]:
        """Draws of an epoch."""
        for _ in range(self.draws):
            self.collect(self.slots)
            while len(self.buffer) < self.least:
                self.collect(1)
            self.drawn += 1
            yield self.draw()

    @torch.no_grad()
    def collect(self, slots: int) -> None:
        """Go on for some slots."""
        for _ in range(slots):
            self.step()

    def step(self) -> None:
        """Explore for a slot and keep what came of it."""
        raise NotImplementedError

    def draw(self) -> T:
        """A draw from the replay memory."""
        out: T = self.buffer.sample(self.batch_size)
        return out

    def state_dict(self) -> dict[str, Any]:
        """How far it is; the replay memory keeps its own state."""
        return {"drawn": self.drawn, "env": self.env.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.drawn = state["drawn"]
        self.env.load_state_dict(state["env"])
