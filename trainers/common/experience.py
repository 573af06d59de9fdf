"""What trainings learn from: batches that a policy makes in an environment, drawn from a replay memory or rollouts."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import IterableDataset

T = TypeVar("T", covariant=True)


class Batches(IterableDataset[T], ABC, Generic[T]):
    """Batches that a policy makes in an environment, one after the other; its networks go on where the last batch left them.

    Args:
        env: environment.
        policy: whose decisions are made.
        slots: slots of all networks for each batch.
        draws: batches in an epoch.
    """

    def __init__(self, env: Any, policy: Any, *, slots: int, draws: int) -> None:
        self.env, self.policy, self.slots, self.draws = env, policy, slots, draws
        self.drawn = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.draws

    def __iter__(self) -> Iterator[T]:
        """Batches of an epoch."""
        for _ in range(self.draws):
            batch = self.batch()
            self.drawn += 1
            yield batch

    @abstractmethod
    def batch(self) -> T:
        """The next batch."""

    def state_dict(self) -> dict[str, Any]:
        """What the next batches depend on, apart from torch's random numbers and a replay memory, which has a state of its own."""
        return {"drawn": self.drawn, "env": self.env.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.drawn = state["drawn"]
        self.env.load_state_dict(state["env"])


class Experience(Batches[T]):
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
        super().__init__(env, policy, slots=slots, draws=draws)
        self.buffer, self.batch_size, self.least = buffer, batch_size, least
        if not 0 < least <= self.most_rows:
            raise ValueError(f"least: got {least} rows, expected 1 to {self.most_rows}, which the replay memory keeps")

    @property
    def most_rows(self) -> int:
        """Largest number of rows that can be drawn from."""
        return int(self.buffer.capacity)

    def batch(self) -> T:
        """Explore, longer as long as there are too few rows, and draw."""
        self.collect(self.slots)
        while len(self.buffer) < self.least:
            self.collect(1)
        return self.draw()

    @torch.no_grad()
    def collect(self, slots: int) -> None:
        """Go on for some slots."""
        for _ in range(slots):
            self.step()

    @abstractmethod
    def step(self) -> None:
        """Explore for a slot and keep what came of it."""

    def draw(self) -> T:
        """A draw from the replay memory."""
        out: T = self.buffer.sample(self.batch_size)
        return out
