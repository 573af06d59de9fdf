"""Replay of parallel networks that keeps each slot once: the state after a slot is the row of the next slot."""

import torch
from torch import Generator, Tensor

from hetgraph.trainers.common.replay import ReplayBuffer, Sample


class TrajectoryBuffer(ReplayBuffer):
    """The last slots of ``B`` networks, added ``B`` rows at a time; a draw is a row and, as ``next_*``, that of ``steps`` slots later.

    A row with ``ended`` is the last of its episode, and what follows is another one's: a draw across it has a weight of zero.

    Args:
        capacity: largest number of rows; rounded down to whole slots.
        networks: rows B of a slot.
        after: names of the values that are wanted of the later slot, too.
        device: where rows are.
        steps: slots from a row to the later one.
        along: names of the values of which a draw has those of all these slots, as ``along_*`` ``[n, steps, *]``.

    Raises:
        ValueError: no step, or room for no more slots than these.
    """

    def __init__(
        self,
        capacity: int,
        networks: int,
        after: tuple[str, ...],
        device: torch.device | str = "cpu",
        steps: int = 1,
        along: tuple[str, ...] = (),
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps: got {steps}, expected 1 or more")
        if capacity < (steps + 1) * networks:
            slots = "two slots" if steps == 1 else f"{steps + 1} slots"
            raise ValueError(f"capacity: got {capacity}, expected {slots} of {networks} networks at least")
        super().__init__(capacity // networks * networks, device=device)
        self.networks, self.after, self.steps, self.along = networks, after, steps, along

    def __len__(self) -> int:
        """Rows that can be drawn: all but those of the last ``steps`` slots."""
        return max(self.size - self.steps * self.networks, 0)

    def sample(self, count: int, generator: Generator | None = None) -> Sample:
        """Draw rows, with replacement.

        Raises:
            ValueError: too few slots.
        """
        if not len(self):
            slots = "two" if self.steps == 1 else str(self.steps + 1)
            raise ValueError(f"sample: got less than {slots} slots, expected rows to draw from")
        age = torch.randint(len(self), (count,), generator=generator)
        index = (self.place - self.size + age) % self.capacity
        path = (index.unsqueeze(1) + self.networks * torch.arange(self.steps + 1)) % self.capacity  # [n, steps + 1]
        path, later = path[:, :-1], path[:, -1]
        rows: dict[str, Tensor] = {name: store[index] for name, store in self.rows.items()}
        rows |= {f"next_{name}": self.rows[name][later] for name in self.after}
        rows |= {f"along_{name}": self.rows[name][path] for name in self.along}
        return Sample(rows, index, (~self.rows["ended"][path].any(1)).float())
