"""Optimisers of IoT agents."""

import pytest

from hetgraph.trainers import MADDQNDMADDPG


def test_bids_learn_at_their_own_rate() -> None:
    module = MADDQNDMADDPG(hidden=4, lr=1e-3, bid_lr=0.1)
    groups = module.configure_optimizers()[0].param_groups
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-4])
    rest, bids = ([id(p) for p in group["params"]] for group in groups)
    assert sorted(bids) == sorted(id(p) for p in module.model.bids.parameters())
    assert sorted(rest + bids) == sorted(id(p) for p in (*module.model.parameters(), *module.mix.parameters()))
