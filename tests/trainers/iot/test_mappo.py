"""MAPPO for IoT networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from hetgraph.models import load, save
from hetgraph.trainers import IoTMAPPO
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.iot import station_mappo


def test_mappo_learns_and_resumes(
    fit: Callable[..., tuple[Any, lightning.Trainer]], same_weights: Callable[..., bool], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    make, short = (lambda: IoTMAPPO(hidden=4, epochs=1, minibatches=1)), {"slots": 4, "draws": 2}
    runs = [fit(tmp_path / "whole", 2, make, **short)[0]]
    fit(tmp_path / "parts", 1, make, **short)
    runs.append(fit(tmp_path / "parts", 2, make, tmp_path / "parts/last.ckpt", **short)[0])
    assert same_weights(*runs)
    policy = runs[0].model
    heads = (policy.bids.edge, policy.bids.pair.weights, policy.powers.layer.weights)
    assert all(bool(head.out.weight.any()) for head in heads)
    assert same_weights(load(save(runs[1].model, tmp_path / "best.ckpt")), runs[1].model)


@pytest.mark.parametrize("own", [False, True])
def test_stations_of_mappo_share_the_reward_or_have_their_own(
    fit: Callable[..., tuple[Any, lightning.Trainer]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    rewards: list[torch.Tensor] = []

    def watched(reward: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        rewards.append(reward)
        return gae(reward, *rest, **options)

    monkeypatch.setattr(station_mappo, "gae", watched)
    fit(tmp_path, 1, lambda: IoTMAPPO(hidden=4, epochs=1, minibatches=1, own=own), slots=4, draws=2)
    assert len(rewards) == 2 and all((float(reward.std(2).max()) > 1e-6) == own for reward in rewards)
