"""Training of agents on one trunk: targets by hand, what explores, that it learns, resumes and is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.models import UnrolledScheduler, load, save
from hetgraph.radio import Schedule
from hetgraph.trainers import IoTDataModule, TrunkModule
from hetgraph.trainers.cli import config_path
from hetgraph.trainers.iot.experience import later_of
from hetgraph.trainers.iot.trunk import discounted
from hetgraph.trainers.iot.trunk_experience import TrunkExperience

SMALL = "iot-noma:users=8,small_cells=2,subchannels=4,load=4"


def module(**options: Any) -> TrunkModule:
    torch.manual_seed(0)
    return TrunkModule(
        **{"hidden": 8, "width": 4, "critic_hidden": 8, "warmup": 0, "gumbel": 0.0, "lr_end": 1.0} | options
    )


def sampled(data: IoTDataModule, learner: TrunkModule, slots: int = 8) -> tuple[TrunkExperience, dict[str, Tensor]]:
    data.explore = 4
    experience = data.experience(learner)
    assert isinstance(experience, TrunkExperience)
    experience.collect(slots)
    return experience, experience.buffer.sample(6).rows


def test_returns_are_discounted_by_hand() -> None:
    reward = torch.tensor([[[1.0, 2.0], [4.0, 8.0], [16.0, 0.0]]])
    assert discounted(reward, 0.5).tolist() == [[7.0, 6.0]]


@pytest.mark.parametrize("double", [True, False])
def test_targets_by_hand(make_data: Callable[..., IoTDataModule], double: bool) -> None:
    """Online agents pick clusters, target agents powers; the target networks judge both."""
    learner = module(double=double, gamma=0.5)
    with torch.no_grad():
        for weight in learner.model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    memory, rows = sampled(make_data(steps=2), learner)
    own, joint = learner.targets(rows, memory)
    target, later = learner.target_model, later_of(rows)
    reward = rows["along_continuous_reward"]
    learner.centre.fill_(reward.mean())  # of the first draw
    reward = 0.5 * (reward[:, 0] + 0.5 * reward[:, 1] - 1.5 * learner.centre)
    views = memory.stations(later)
    with torch.no_grad():
        picked, judged = (learner.model if double else target).decide(views), target.shares(views)
        action = Schedule(picked.station, picked.user, target.powers(views, judged, picked.user))
        values = [critic(memory.everything(later), action) for critic in learner.target["critics"]]
        torch.testing.assert_close(own, reward + 0.25 * torch.minimum(*values))
        after = target.station_values(views, judged, action).mean(1)
        torch.testing.assert_close(joint, reward.mean(1) + 0.25 * after)


def test_critics_see_the_gains_that_the_action_met(make_data: Callable[..., IoTDataModule]) -> None:
    learner = module()
    data = make_data(num_envs=1)
    data.explore = 4
    memory = data.experience(learner)
    assert isinstance(memory, TrunkExperience)
    memory.collect(1)
    met = memory.env.channels.gain.clone()
    memory.collect(1)
    rows = {name: store[1:2] for name, store in memory.buffer.rows.items()}
    torch.testing.assert_close(memory.everything(rows).spectrum.gain, met, rtol=2e-2, atol=0.0)
    seen = memory.stations(rows).spectrum.gain
    assert not torch.allclose(seen, met, rtol=2e-2, atol=0.0)


def test_stations_explore_by_chance(make_data: Callable[..., IoTDataModule]) -> None:
    same = {}
    for chance in (0.0, 1.0):
        data = make_data(scenario=SMALL, epsilon_start=chance, epsilon_end=chance, spread=3.0, sigma=0.0, num_envs=8)
        learner = module()
        memory, _ = sampled(data, learner, slots=2)
        plain, found = learner.model.decide(memory.views), memory.explore()
        same[chance] = torch.equal(plain.user, found.user)
        assert chance or torch.equal(plain.power, found.power)
    assert same == {0.0: True, 1.0: False}


@pytest.mark.parametrize("options", [{}, {"prices": True, "mixing": "monotonic", "dueling": False, "twin": False}])
def test_it_learns_resumes_and_is_kept(
    fit: Callable[..., tuple[Any, lightning.Trainer]],
    same_weights: Callable[..., bool],
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    make = lambda: module(**options)  # noqa: E731
    whole, run = fit(tmp_path / "whole", 2, make, steps=2, episode_slots=7)
    fit(tmp_path / "parts", 1, make, steps=2, episode_slots=7)
    again, _ = fit(tmp_path / "parts", 2, make, tmp_path / "parts/last.ckpt", steps=2, episode_slots=7)
    assert same_weights(whole, again) and not same_weights(whole.model, make().model)
    assert {"val/throughput_bps", "val/bit_per_j", "val/score"} <= set(run.callback_metrics)
    assert same_weights(load(save(whole.model, tmp_path / "best.ckpt")), whole.model)


def test_a_short_training_raises_the_return(fit: Callable[..., tuple[Any, lightning.Trainer]], tmp_path: Path) -> None:
    make = lambda: module(hidden=16, width=8, critic_hidden=32, lr=4e-3, critic_lr=4e-3, rounds=1)  # noqa: E731
    data = {
        "scenario": SMALL,
        "num_envs": 8,
        "batch_size": 16,
        "draws": 120,
        "capacity": 1600,
        "least": 64,
        "explore": 100,
    }
    learner, _ = fit(tmp_path, 1, make, **data, episode_slots=40)
    env = IoTEnv(SMALL, 8, episode_slots=40)
    found = rollout(env, {"before": make().model, "after": learner.model}, seed=7).values
    before, after = (float(found[name]["return"].mean()) for name in ("before", "after"))
    assert after > before + 0.1 * abs(before)


def test_agents_start_from_an_unrolled_scheduler(tmp_path: Path) -> None:
    start = UnrolledScheduler(8, 4)
    path = str(save(start, tmp_path / "best.ckpt"))
    found = module(init_from=path).model
    obs = IoTEnv(SMALL, 2).observe("local")
    assert torch.equal(found.act(obs, None, None)[0].power, start.act(obs, None, None)[0].power)
    with pytest.raises(ValueError, match="init_from: got other sizes of"):
        module(init_from=path, hidden=12)
    with pytest.raises(ValueError, match="init_from: got UnrolledScheduler"):
        module(init_from=path, prices=True)


def test_the_shipped_configuration_fits_its_classes() -> None:
    import yaml

    content = yaml.safe_load(Path(config_path("iot-trunk")).read_text())
    learner, data = TrunkModule(**content["model"]["init_args"]), IoTDataModule(**content["data"]["init_args"])
    assert learner.model.level == "local" and data.options["least"] <= data.options["capacity"]
    with pytest.raises(ValueError, match="gamma: got 1"):
        module(gamma=1.0)
