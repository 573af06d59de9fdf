"""What levels change, against rates worked out with and without the change."""

import pytest
import torch

from hetgraph.radio.handover import ResourceModel, resource_rates
from hetgraph.solvers.level_changes import level_changes


@pytest.mark.parametrize("model", ["shared", "paper"])
def test_changes_are_those_of_the_rates(model: ResourceModel) -> None:
    """Of the sum of log rates, of the sum of rates and of their squares."""
    generator = torch.Generator().manual_seed(0)
    cell = torch.randint(3, (1, 20), generator=generator)
    rate = 5 + 200 * torch.rand(1, 20, generator=generator, dtype=torch.float64)
    shared = torch.full((20,), model == "shared")
    changes = level_changes(cell[0], rate[0], shared, 3, 5)
    usual = torch.full((1, 20), 3)
    before = resource_rates(cell, usual, rate, 3, model=model)
    for user in range(20):
        for level in range(5):
            other = usual.clone()
            other[0, user] = level
            after = resource_rates(cell, other, rate, 3, model=model)
            change = [(after.log() - before.log()).sum(), (after - before).sum(), (after**2 - before**2).sum()]
            assert changes[user, level].tolist() == pytest.approx(
                [float(value) for value in change], rel=1e-5, abs=1e-5
            )
    assert bool((changes[:, 3] == 0).all()) or float(changes[:, 3].abs().max()) < 1e-9
    if model == "shared":
        assert bool((changes[:, :, 0] < 1e-12).all())


def test_one_who_is_alone_keeps_the_level_of_the_others() -> None:
    cell, shared = torch.tensor([0, 1, 1]), torch.ones(3, dtype=torch.bool)
    changes = level_changes(cell, torch.tensor([9.0, 5.0, 70.0]), shared, 2, 5)
    assert changes[..., 0].argmax(1).tolist() == [3, 3, 3]
    assert float(changes[0, :, 1].abs().max()) == 0
