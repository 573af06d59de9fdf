"""Optimisers of IoT agents."""

import pytest

from hetgraph.trainers import MADDQNDMADDPG, IoTMAPPO


def test_bids_learn_at_their_own_rate() -> None:
    for module in (MADDQNDMADDPG(hidden=4, lr=1e-3, bid_lr=0.1), IoTMAPPO(hidden=4, lr=1e-3, bid_lr=0.1)):
        found = module.configure_optimizers()
        groups = (found[0] if isinstance(found, list) else found).param_groups
        assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-4])
        rest, bids = ([id(p) for p in group["params"]] for group in groups)
        assert sorted(bids) == sorted(id(p) for p in module.model.bids.parameters())
        others = module.mix.parameters() if isinstance(module, MADDQNDMADDPG) else [module.log_deviation]
        assert sorted(rest + bids) == sorted(id(p) for p in (*module.model.parameters(), *others))
