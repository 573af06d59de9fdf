"""Means of decisions over channel draws."""

import math

import pytest
import torch

from hetgraph.trainers.judge.draws import mean_decisions
from hetgraph.trainers.task import Decisions

NAN = math.nan


def draw(serving: list[int], rate: list[float], power: float, user: list[int] | None = None) -> Decisions:
    cells = {"users": torch.bincount(torch.tensor([each for each in serving if each >= 0]), minlength=2)}
    who = None if user is None else torch.tensor(user)
    return Decisions(torch.tensor(serving), {"rate_bps": torch.tensor(rate)}, cells, torch.full((2, 3), power), who)


def test_means_and_the_most_frequent_cells() -> None:
    found = mean_decisions([
        draw([0, 1, -1], [1.0, NAN, 0.0], 1.0),
        draw([0, 0, -1], [3.0, 4.0, 0.0], 2.0),
        draw([1, 1, 0], [5.0, 6.0, 9.0], 6.0),
    ])  # fmt: skip
    assert found.serving.tolist() == [0, 1, -1]
    assert found.users["serving_share"].tolist() == pytest.approx([2 / 3] * 3)
    assert found.users["rate_bps"].tolist() == pytest.approx([3.0, 5.0, 3.0])  # a draw that says nothing does not count
    assert found.cells["users"].tolist() == pytest.approx([4 / 3, 1.0])
    assert found.power_w is not None and found.power_w.flatten().tolist() == pytest.approx([3.0] * 6)


def test_arriving_users_are_those_of_the_first_draw() -> None:
    """Rows of two draws are about other users, in other numbers; cells have means all the same."""
    first, second = draw([0, 1], [1.0, 2.0], 1.0, [7, 3]), draw([1, 1, 0], [5.0, 6.0, 7.0], 3.0, [3, 7, 2])
    found = mean_decisions([first, second])
    assert found.user is first.user and found.serving is first.serving
    assert found.users["rate_bps"].tolist() == [1.0, 2.0] and "serving_share" not in found.users
    assert found.cells["users"].tolist() == [1.0, 1.5]
