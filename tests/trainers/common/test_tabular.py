"""Tables of values."""

import pytest
import torch

from hetgraph.trainers.common.tabular import QValues, random_choice


def test_entries_move_toward_the_means_of_their_goals() -> None:
    table = QValues(9, rate=0.5)
    table.learn(torch.tensor([3, 3, 7]), torch.tensor([1.0, 3.0, 5.0]))
    assert (table.value[3].item(), table.value[7].item()) == (1.0, 2.5)
    assert table.visits.tolist() == [0, 0, 0, 2, 0, 0, 0, 1, 0]
    assert not table.value[[0, 1, 2, 4, 5, 6, 8]].any()


def test_the_rate_falls_with_the_visits() -> None:
    """By the loop that the definition is: one over the visits to the power of 0.7, not below the least rate."""
    table, value = QValues(1, rate=0.0, least_rate=0.3), 0.0
    for visit, goal in enumerate((4.0, -2.0, 1.0, 8.0, 3.0, 5.0, 7.0), 1):
        table.learn(torch.tensor([0]), torch.tensor([goal]))
        value += max(visit**-0.7, 0.3) * (goal - value)
        assert table.value.item() == pytest.approx(value, rel=1e-5)


def test_random_choices_are_allowed_and_as_likely() -> None:
    allowed = torch.tensor([True, False, True, True]).expand(30_000, 4)
    count = torch.bincount(random_choice(allowed, torch.Generator().manual_seed(0)), minlength=4)
    assert count[1] == 0 and count[[0, 2, 3]].tolist() == pytest.approx([10_000] * 3, rel=0.03)
