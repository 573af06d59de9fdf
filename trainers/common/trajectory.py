"""Replay of parallel networks that keeps each slot once: the state after a slot is the row of the next slot."""

import torch
from torch import Generator, Tensor

from hetgraph.trainers.common.replay import ReplayBuffer, Sample


class TrajectoryBuffer(ReplayBuffer):
    """The last slots of ``B`` networks, added ``B`` rows at a time; a draw is a row and, as ``next_*``, that of a slot later.

    A row with ``ended`` is the last of its episode, and its ``next_*`` those of another one: its weight is zero.

    Args:
        capacity: largest number of rows; rounded down to whole slots.
        networks: rows B of a slot.
        after: names of the values that are wanted of the next slot, too.
        device: where rows are.

    Raises:
        ValueError: room for less than two slots.
    """

    def __init__(
        self, capacity: int, networks: int, after: tuple[str, ...], device: torch.device | str = "cpu"
    ) -> None:
        if capacity < 2 * networks:
            raise ValueError(f"capacity: got {capacity}, expected two slots of {networks} networks at least")
        super().__init__(capacity // networks * networks, device=device)
        self.networks, self.after = networks, after

    def __len__(self) -> int:
        """Rows that can be drawn: all but the last slot's."""
        return max(self.size - self.networks, 0)

    def sample(self, count: int, generator: Generator | None = None) -> Sample:
        """Draw rows, with replacement.

        Raises:
            ValueError: less than two slots.
        """
        if not len(self):
            raise ValueError("sample: got less than two slots, expected rows to draw from")
        age = torch.randint(len(self), (count,), generator=generator)
        index = (self.place - self.size + age) % self.capacity
        later = (index + self.networks) % self.capacity
        rows: dict[str, Tensor] = {name: store[index] for name, store in self.rows.items()}
        rows |= {f"next_{name}": self.rows[name][later] for name in self.after}
        return Sample(rows, index, (~rows["ended"]).float())
