"""MADDQN-DMADDPG: targets by hand, the stopping rule, training and resuming, rivals and ablations."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.models import HybridMADDPG, load, save
from hetgraph.models.iot.priors import equal_parts
from hetgraph.trainers import MADDQNDMADDPG, BestCheckpoint, IoTDataModule
from hetgraph.trainers.cli import config_path, quiet
from hetgraph.trainers.iot.experience import IoTExperience, settled
from hetgraph.trainers.iot.maddqn import twin_target


def test_twin_target_by_hand() -> None:
    reward = torch.tensor([[1.0, 2.0]])
    first, second = torch.tensor([[4.0, 6.0]]), torch.tensor([[5.0, 2.0]])
    assert twin_target(reward, [first, second], 0.5).tolist() == [[3.0, 3.0]]
    assert twin_target(reward, [first], 0.5).tolist() == [[3.0, 5.0]]


@pytest.mark.parametrize("double", [True, False])
def test_joint_target_by_hand(sampled: Callable[..., tuple[IoTExperience, dict[str, Tensor]]], double: bool) -> None:
    """The online agents pick, the target agents judge, the target mixer mixes: agent by agent."""
    torch.manual_seed(0)
    module = MADDQNDMADDPG(hidden=8, double=double, prior=False)
    with torch.no_grad():
        for parameter in module.model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        experience, rows = sampled(module)
        after, target, picker = (
            experience.later(rows),
            module.target["model"],
            module.model if double else module.target["model"],
        )
        assert isinstance(target, HybridMADDPG) and isinstance(picker, HybridMADDPG)
        value, agents, action, reference = module.next_choice(after)
        pick = picker.choose(after, picker.encode(after))
        assert torch.equal(action.station, pick.station) and torch.equal(action.user, pick.user)
        other = (target if double else module.model).decide(after)
        assert not torch.equal(other.station, pick.station) or not torch.equal(other.user, pick.user)
        judged = target.taken(after, agents, pick.station, pick.user)
        assert torch.equal(reference, equal_parts(action.user))
        torch.testing.assert_close(value, target.discrete_value(after, agents, judged))
        found = module.joint_target(rows["reward"], value, agents)
        mixer = module.target["mix"].mixer
        for i in range(4):
            state = agents.station[i].mean(0)
            layer = mixer.first_bias(state)
            for n in range(3):
                weight = mixer.first(torch.cat([agents.station[i, n], state])).abs()
                layer = layer + weight * value[i, n] / 3
            joint = (torch.nn.functional.elu(layer) * mixer.second(state).abs()).sum() + mixer.value(state)[0]
            torch.testing.assert_close(found[i], rows["reward"][i].mean() + 0.9 * joint)


def test_the_joint_value_never_falls_when_an_agents_rises(
    sampled: Callable[..., tuple[IoTExperience, dict[str, Tensor]]],
) -> None:
    module = MADDQNDMADDPG(hidden=8)
    experience, rows = sampled(module)
    agents = module.model.encode(experience.present(rows)[0])
    value = torch.randn(4, 3, requires_grad=True)
    slope = torch.autograd.grad(module.mix(value, agents.station).sum(), value)[0]
    assert bool((slope >= 0).all()) and bool((slope > 0).any())
    mean = MADDQNDMADDPG(hidden=8, mixing="mean").mix(value, agents.station)
    torch.testing.assert_close(mean, value.mean(1))


def test_the_stopping_rule() -> None:
    assert settled([1.0] * 4, 2, 0.01) and settled([1.0, 1.0, 1.009, 1.0], 2, 0.01)
    assert not settled([1.0, 1.0, 1.1, 1.1], 2, 0.01) and not settled([1.0] * 3, 2, 0.01)
    assert not settled([1.0] * 9, 0, 0.01) and not settled([-2.0, -2.0, -1.0, -1.0], 2, 0.01)


def test_a_resumed_run_ends_bit_equal(
    fit: Callable[..., tuple[Any, lightning.Trainer]], same_weights: Callable[..., bool], tmp_path: Path
) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    # Episodes of seven slots: checkpoints come in the middle of one. Two epochs to go: the rule is judged in another order.
    whole, trainer = fit(tmp_path / "whole", 3, episode_slots=7)
    assert {"val/score", "val/bit_per_j"} <= set(trainer.callback_metrics)
    first, _ = fit(tmp_path / "parts", 1, episode_slots=7)
    assert not same_weights(whole, first)
    parts, _ = fit(tmp_path / "parts", 3, resume=tmp_path / "parts/last.ckpt", episode_slots=7)
    assert same_weights(whole, parts)
    policy = load(save(parts.model, tmp_path / "best.ckpt"))
    assert same_weights(policy, parts.model)
    for other in ("iot-noma:users=9,small_cells=3,subchannels=5", "iot-oma:users=3,small_cells=1,subchannels=2"):
        found = rollout(IoTEnv(other, 2, episode_slots=3), {"agents": policy}, seed=1).values["agents"]
        assert found["return"].shape == (1, 2) and bool((found["served_bits"] > 0).all())


@pytest.mark.parametrize("later_score", [0.5, 2.0])
def test_the_weights_kept_are_never_worse_than_the_start(
    make_data: Callable[..., IoTDataModule], same_weights: Callable[..., bool], tmp_path: Path, later_score: float
) -> None:
    quiet()
    module, found, scores = MADDQNDMADDPG(hidden=4, warmup=0, stop_window=0), make_data(), iter([1.0, later_score])
    judge = found.judge
    found.judge = lambda *args: judge(*args) | {"score": torch.tensor(next(scores))}  # type: ignore[method-assign]
    best = BestCheckpoint(tmp_path)
    trainer = lightning.Trainer(
        max_epochs=1, logger=False, num_sanity_val_steps=-1, enable_progress_bar=False, enable_model_summary=False,
        accelerator="cpu", callbacks=[best],
    )  # fmt: skip
    trainer.fit(module, found)
    kept = load(tmp_path / "best.ckpt")
    assert best.best_model_score == max(1.0, later_score) and module.model.bids.edge.out.weight.any()
    assert same_weights(kept, module.model) == (later_score > 1)
    assert bool(kept.bids.edge.out.weight.any()) == (later_score > 1)


def test_trained_agents_decide_by_the_encoder(
    fit: Callable[..., tuple[Any, lightning.Trainer]], tmp_path: Path
) -> None:
    """Without the states of stations and users the same weights choose other clusters and powers."""
    module, _ = fit(tmp_path, 2, lambda: MADDQNDMADDPG(hidden=4, warmup=0, stop_window=0, lr=0.02), draws=16)
    policy, env = module.model, IoTEnv("iot-noma:users=40,small_cells=4,subchannels=6,load=4", 4, seed=9)
    places, powers = 0, []
    for _ in range(5):
        obs = env.observe(policy.level)
        plain, _ = policy.act(obs, None, None)
        hook = policy.encoder.graph.register_forward_hook(
            lambda *args: {store: torch.zeros_like(state) for store, state in args[-1].items()}
        )
        blind, _ = policy.act(obs, None, None)
        hook.remove()
        places += int((plain.user != blind.user).sum())
        powers.append(float((plain.power - blind.power).abs().amax()))
        env.step(plain)
    assert places > 10 and max(powers) > 0.01


RIVALS: dict[str, dict[str, Any]] = {
    "central": {"scope": "central", "mixing": "mean"},
    "maddpg": {"discrete": "greedy", "twin": False},
    "qmix": {"power": "equal"},
    "powers": {"discrete": "rule", "twin": False},
    "bids": {"power": "rule"},
    "team": {"own": False, "streams": 0.0},
    "paper": {"prior": False, "reports": False, "dueling": False},
}


@pytest.mark.parametrize("kind", RIVALS)
def test_rivals_learn_what_is_theirs(
    fit: Callable[..., tuple[Any, lightning.Trainer]], same_weights: Callable[..., bool], tmp_path: Path, kind: str
) -> None:
    module, _ = fit(tmp_path, 1, lambda: MADDQNDMADDPG(hidden=4, warmup=0, stop_window=0, **RIVALS[kind]))
    heads = {"edge": module.model.bids.edge.out.weight, "layer": module.model.powers.layer.weights.out.weight}
    learned = {name: bool(weight.any()) for name, weight in heads.items()}
    assert learned == {"edge": kind not in ("maddpg", "powers"), "layer": kind not in ("qmix", "bids")}
    assert len(module.critics) == (1 if kind in ("maddpg", "powers") else 2)
    policy = load(save(module.model, tmp_path / "best.ckpt"))
    assert policy.level == "global"
    assert policy.reports == policy.dueling == (kind != "paper")
    assert same_weights(policy, module.model)


def test_ablations_change_what_they_should(
    make_data: Callable[..., IoTDataModule],
    make_experience: Callable[..., IoTExperience],
    sampled: Callable[..., tuple[IoTExperience, dict[str, Tensor]]],
    fit: Callable[..., tuple[Any, lightning.Trainer]],
    tmp_path: Path,
) -> None:
    assert [len(MADDQNDMADDPG(hidden=4, twin=on).critics) for on in (True, False)] == [2, 1]
    module = MADDQNDMADDPG(hidden=4, attention=False)
    experience, rows = sampled(module)
    views = experience.present(rows)[0]
    torch.manual_seed(0)
    on, off = HybridMADDPG(4), HybridMADDPG(4, attention=False)
    off.load_state_dict(on.state_dict())
    assert not torch.allclose(on.encode(views).context, off.encode(views).context)
    weights, rewards = (1.0, 0.0, 0.0, 0.0, 0.0), []
    for kind in (weights, (1.0, 1.0, 1.0, 0.1, 0.1)):
        experience = make_experience(HybridMADDPG(4), epsilon=0.0, sigma=0.0, weights=kind)
        experience.collect(3)
        rewards.append(experience.buffer.rows)
    assert torch.equal(rewards[0]["reward"][:6], rewards[0]["continuous_reward"][:6])
    assert not torch.equal(rewards[1]["reward"][:6], rewards[1]["continuous_reward"][:6])
    full, trainer = fit(tmp_path, 1, lambda: MADDQNDMADDPG(hidden=4, stop_window=0, critic_lr=0.0), weights=weights)
    assert full.critics[0].first.tolist() == [1.0, 0.0, 0.0] and trainer.global_step > 0
    with pytest.raises(ValueError, match="weights: got 2"):
        make_data(weights=(1.0, 1.0))
    with pytest.raises(ValueError, match="discrete, power: got 'greedy' and 'equal'"):
        MADDQNDMADDPG(discrete="greedy", power="equal")


@pytest.mark.parametrize("name", ["iot-noma", "iot-oma", "iot-small"])
def test_shipped_configurations_fit_their_classes(name: str) -> None:
    import yaml

    content = yaml.safe_load(Path(config_path(name)).read_text())
    module = MADDQNDMADDPG(**content["model"]["init_args"])
    found = IoTDataModule(**content["data"]["init_args"])
    assert IoTEnv(found.scenario, 1).layers == (1 if name == "iot-oma" else 2)
    assert found.options["least"] <= found.options["capacity"] and module.model.prior
