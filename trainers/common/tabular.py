"""Values of a table that move toward what was met (Watkins 1989)."""

import torch
from torch import Tensor

DECAY = 0.7  # of the learning rate with visits: between 1/2 and 1, so that values converge (Even-Dar and Mansour 2003)


class QValues:
    """Values of entries, such as pairs of state and action, and how often each was met.

    Args:
        entries: their number S.
        rate: learning rate; 0 for one over the visits to the power of 0.7.
        least_rate: below which it does not fall.
    """

    def __init__(self, entries: int, rate: float, least_rate: float = 0.0) -> None:
        self.value, self.visits = torch.zeros(entries), torch.zeros(entries)
        self.rate, self.least_rate = rate, least_rate

    def learn(self, entry: Tensor, goal: Tensor) -> None:
        """Move entries ``[n]`` toward goals; of several for one entry, toward their mean."""
        unique, inverse, count = torch.unique(entry, return_inverse=True, return_counts=True)
        mean = torch.zeros(len(unique)).index_add_(0, inverse, goal) / count
        self.visits[unique] += count
        rate = self.rate or self.visits[unique].pow(-DECAY).clamp_min(self.least_rate)
        self.value[unique] += rate * (mean - self.value[unique])


def random_choice(allowed: Tensor, generator: torch.Generator) -> Tensor:
    """One of the allowed choices of each row ``[*, C] -> [*]``, all as likely."""
    return torch.rand(allowed.shape, generator=generator).masked_fill(~allowed, -1).argmax(-1)
