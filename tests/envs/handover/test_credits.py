"""Difference rewards of users against what the others have without them."""

import pytest
import torch

from hetgraph.envs.handover.reward import HandoverWeights, Served, credits
from hetgraph.radio.handover import ResourceModel, resource_rates

CELLS, USERS = 3, 14


@pytest.mark.parametrize("model", ["shared", "paper"])
def test_credit_is_what_would_be_missing_without_the_user(model: ResourceModel) -> None:
    """Of the sum rate and of squares exactly; of the utility to first order in the others' shares, here to a few hundredths."""
    generator = torch.Generator().manual_seed(1)
    cell = torch.randint(CELLS, (1, USERS), generator=generator)
    level = torch.randint(5, (1, USERS), generator=generator)
    alone = 40 + 300 * torch.rand(1, USERS, generator=generator, dtype=torch.float64)

    def rates(keep: torch.Tensor) -> torch.Tensor:
        return resource_rates(cell[:, keep], level[:, keep], alone[:, keep], CELLS, model=model)[0]

    everybody = torch.ones(USERS, dtype=torch.bool)
    rate, none = rates(everybody), torch.zeros_like(cell, dtype=torch.bool)
    served = Served(cell, cell, none, level, alone, rate[None], alone, rate[None].log1p(), none)
    utility = credits(served, CELLS, HandoverWeights(utility=1.0), model)[0]
    sum_rate = credits(served, CELLS, HandoverWeights(sum_rate=2.0), model)[0]
    spread = credits(served, CELLS, HandoverWeights(spread=3.0), model)[0]
    for user in range(USERS):
        keep = everybody.clone()
        keep[user] = False
        without = rates(keep)
        assert float(sum_rate[user]) == pytest.approx(2 * float(rate.sum() - without.sum()), rel=1e-5, abs=1e-5)
        squares = float(rate.square().sum() - without.square().sum())
        assert float(spread[user]) == pytest.approx(-3 * squares, rel=1e-5, abs=1e-5)
        assert float(utility[user]) == pytest.approx(float(rate.log1p().sum() - without.log1p().sum()), abs=0.05)


def test_one_who_is_alone_is_worth_its_own_rate() -> None:
    cell, none = torch.tensor([[0, 1]]), torch.zeros(1, 2, dtype=torch.bool)
    rate = torch.tensor([[3.0, 8.0]])
    served = Served(cell, cell, none, torch.full((1, 2), 4), rate, rate, rate, rate.log1p(), none)
    found = credits(served, 2, HandoverWeights(utility=1.0, sum_rate=1.0, spread=0.5), "shared")
    torch.testing.assert_close(found, rate.log1p() + rate - 0.5 * rate.square())
