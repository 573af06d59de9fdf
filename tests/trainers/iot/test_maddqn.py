"""MADDQN-DMADDPG: targets by hand, exploration, replay of slots, ablations, resuming, configurations."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.models import HybridMADDPG, load, save
from hetgraph.models.iot.priors import equal_parts
from hetgraph.trainers import (
    MADDQNDMADDPG,
    BestCheckpoint,
    IoTDataModule,
    IoTMAPPO,
    decision_cost,
)
from hetgraph.trainers.cli import config_path, quiet
from hetgraph.trainers.common.exploration import ActionNoise, linear_epsilon
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.random_state import RandomState
from hetgraph.trainers.common.trajectory import TrajectoryBuffer
from hetgraph.trainers.iot import mappo
from hetgraph.trainers.iot.experience import IoTExperience, settled
from hetgraph.trainers.iot.maddqn import twin_target

TINY = "iot-noma:users=5,small_cells=2,subchannels=3,load=4"


def data(**options: Any) -> IoTDataModule:
    kind = {"scenario": TINY, "num_envs": 2, "episode_slots": 6, "batch_size": 8, "draws": 4, "least": 4, "explore": 4}
    return IoTDataModule(**kind | {"capacity": 64, "val_envs": 2, "eval_slots": 3} | options)


def experience(policy: HybridMADDPG, epsilon: float = 0.5, **options: Any) -> IoTExperience:
    found = data(**options)
    noise = ActionNoise(*found.noise)
    env = found.environment(policy.level)
    return IoTExperience(env, policy, noise=noise, epsilon=lambda _: epsilon, **found.options)


def drawn(module: MADDQNDMADDPG) -> tuple[IoTExperience, dict[str, Tensor]]:
    seen = experience(module.model)
    seen.collect(8)
    rows: dict[str, Tensor] = seen.buffer.sample(4).rows
    return seen, rows


def test_twin_target_by_hand() -> None:
    reward = torch.tensor([[1.0, 2.0]])
    first, second = torch.tensor([[4.0, 6.0]]), torch.tensor([[5.0, 2.0]])
    assert twin_target(reward, [first, second], 0.5).tolist() == [[3.0, 3.0]]
    assert twin_target(reward, [first], 0.5).tolist() == [[3.0, 5.0]]


@pytest.mark.parametrize("double", [True, False])
def test_joint_target_by_hand(double: bool) -> None:
    """The online agents pick, the target agents judge, the target mixer mixes: agent by agent."""
    torch.manual_seed(0)
    module = MADDQNDMADDPG(hidden=8, double=double, prior=False)
    with torch.no_grad():
        for parameter in module.model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        seen, rows = drawn(module)
        after, target, picker = (
            seen.later(rows),
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


def test_the_joint_value_never_falls_when_an_agents_rises() -> None:
    module = MADDQNDMADDPG(hidden=8)
    seen, rows = drawn(module)
    agents = module.model.encode(seen.present(rows)[0])
    value = torch.randn(4, 3, requires_grad=True)
    slope = torch.autograd.grad(module.mix(value, agents).sum(), value)[0]
    assert bool((slope >= 0).all()) and bool((slope > 0).any())
    mean = MADDQNDMADDPG(hidden=8, mixing="mean").mix(value, agents)
    torch.testing.assert_close(mean, value.mean(1))


def test_epsilon_falls_linearly_over_four_fifths_of_the_draws() -> None:
    found = data(explore=None, draws=10)
    found.trainer = lightning.Trainer(max_epochs=5, logger=False, enable_checkpointing=False)
    assert found.exploration() == 40
    values = [found.epsilon(step) for step in (0, 20, 40, 50)]
    assert values == pytest.approx([0.9, 0.475, 0.05, 0.05])
    assert linear_epsilon(3, 0) == pytest.approx(0.05)


@pytest.mark.parametrize("kind", ["ou", "gaussian"])
def test_noise_has_its_deviation_and_correlation(kind: Any) -> None:
    noise, g = ActionNoise(0.3, 0.2, kind), torch.Generator().manual_seed(0)
    path = torch.stack([noise.draw(200, generator=g) for _ in range(400)])
    assert float(path.std()) == pytest.approx(0.3, rel=0.03) and abs(float(path.mean())) < 0.01
    for lag in (1, 3):
        correlation = float((path[lag:] * path[:-lag]).mean() / path.var())
        assert correlation == pytest.approx(0.8**lag if kind == "ou" else 0.0, abs=0.03)
    assert noise.draw(5, generator=g).shape == (5,)
    with pytest.raises(ValueError, match="sigma, theta: got -1"):
        ActionNoise(-1)


def test_replay_gives_a_slot_and_the_one_after() -> None:
    buffer = TrajectoryBuffer(11, 3, ("x",))
    for slot in range(6):
        rows = {"x": 10 * slot + torch.arange(3), "ended": torch.full((3,), slot == 3)}
        buffer.add(rows)
    assert buffer.capacity == 9 and len(buffer) == 6
    sample = buffer.sample(300, torch.Generator().manual_seed(0))
    assert sample.rows["x"].unique().tolist() == [30, 31, 32, 40, 41, 42]
    assert torch.equal(sample.rows["next_x"], sample.rows["x"] + 10)
    assert torch.equal(sample.weight, (sample.rows["x"] >= 40).float())
    with pytest.raises(ValueError, match="capacity: got 5"):
        TrajectoryBuffer(5, 3, ())


def test_experience_is_what_the_environment_does() -> None:
    policy = HybridMADDPG(hidden=4)
    seen = experience(policy, epsilon=0.0, sigma=0.0, num_envs=1)
    seen.collect(8)
    env = data(num_envs=1).environment("global")
    obs, _ = env.reset()
    for slot in range(8):
        rows = {name: store[slot : slot + 1] for name, store in seen.buffer.rows.items()}
        action, _ = policy.act(obs, None, None)
        views, taken = seen.present(rows)
        assert torch.equal(taken.station, action.station) and torch.equal(taken.user, action.user)
        torch.testing.assert_close(taken.power, action.power, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(views.spectrum.queue_bits, policy.views(obs).spectrum.queue_bits)
        step = env.step(action)
        torch.testing.assert_close(rows["reward"], step.reward)
        torch.testing.assert_close(rows["further"], step.info["continuous_reward"])
        assert bool(rows["ended"]) == (slot == 5)
        obs = step.obs
    assert len(seen.returns) == 1


def test_uniform_choices_forget_the_bids() -> None:
    policy = HybridMADDPG(hidden=4)
    share = {}
    for random in ("near", "uniform"):
        seen = experience(policy, epsilon=1.0, random=random, num_envs=40, capacity=80)
        first = policy.decide(seen.views).station
        share[random] = float((seen._explore().station == first).float().mean())
    assert share["uniform"] == pytest.approx(1 / 3, abs=0.12) and share["near"] > 0.55


def test_the_stopping_rule() -> None:
    assert settled([1.0] * 4, 2, 0.01) and settled([1.0, 1.0, 1.009, 1.0], 2, 0.01)
    assert not settled([1.0, 1.0, 1.1, 1.1], 2, 0.01) and not settled([1.0] * 3, 2, 0.01)
    assert not settled([1.0] * 9, 0, 0.01) and not settled([-2.0, -2.0, -1.0, -1.0], 2, 0.01)


def fit(
    folder: Path, epochs: int, module: Any = None, resume: Path | None = None, **options: Any
) -> tuple[Any, lightning.Trainer]:
    quiet()
    torch.manual_seed(0)
    module = MADDQNDMADDPG(hidden=4, warmup=1, stop_window=0) if module is None else module()
    trainer = lightning.Trainer(
        max_epochs=epochs, default_root_dir=folder, logger=False, num_sanity_val_steps=-1, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
        callbacks=[RandomState(), ModelCheckpoint(folder, filename="last", save_last=False, enable_version_counter=False)],
    )  # fmt: skip
    found = data(**options)
    trainer.fit(module, found, ckpt_path=resume, weights_only=True)
    return module, trainer


def same(a: Any, b: Any) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_a_resumed_run_ends_bit_equal(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    # Episodes of seven slots: checkpoints come in the middle of one. Two epochs to go: the rule is judged in another order.
    whole, trainer = fit(tmp_path / "whole", 3, episode_slots=7)
    assert {"val/score", "val/bit_per_j"} <= set(trainer.callback_metrics)
    first, _ = fit(tmp_path / "parts", 1, episode_slots=7)
    assert not same(whole, first)
    parts, _ = fit(tmp_path / "parts", 3, resume=tmp_path / "parts/last.ckpt", episode_slots=7)
    assert same(whole, parts)
    policy = load(save(parts.model, tmp_path / "best.ckpt"))
    assert same(policy, parts.model)
    for other in ("iot-noma:users=9,small_cells=3,subchannels=5", "iot-oma:users=3,small_cells=1,subchannels=2"):
        found = rollout(IoTEnv(other, 2, episode_slots=3), {"agents": policy}, seed=1).values["agents"]
        assert found["return"].shape == (1, 2) and bool((found["served_bits"] > 0).all())


@pytest.mark.parametrize("later_score", [0.5, 2.0])
def test_the_weights_kept_are_never_worse_than_the_start(tmp_path: Path, later_score: float) -> None:
    quiet()
    module, found, scores = MADDQNDMADDPG(hidden=4, warmup=0, stop_window=0), data(), iter([1.0, later_score])
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
    assert same(kept, module.model) == (later_score > 1)
    assert bool(kept.bids.edge.out.weight.any()) == (later_score > 1)


def test_trained_agents_decide_by_the_encoder(tmp_path: Path) -> None:
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
def test_rivals_learn_what_is_theirs(tmp_path: Path, kind: str) -> None:
    module, _ = fit(tmp_path, 1, lambda: MADDQNDMADDPG(hidden=4, warmup=0, stop_window=0, **RIVALS[kind]))
    heads = {"edge": module.model.bids.edge.out.weight, "layer": module.model.powers.layer.out.weight}
    learned = {name: bool(weight.any()) for name, weight in heads.items()}
    assert learned == {"edge": kind not in ("maddpg", "powers"), "layer": kind not in ("qmix", "bids")}
    assert len(module.critics) == (1 if kind in ("maddpg", "powers") else 2)
    policy = load(save(module.model, tmp_path / "best.ckpt"))
    assert policy.level == "global"
    assert policy.reports == policy.dueling == (kind != "paper")
    assert same(policy, module.model)


def test_mappo_learns_and_resumes(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    make, short = (lambda: IoTMAPPO(hidden=4, epochs=1, minibatches=1)), {"slots": 4, "draws": 2}
    runs = [fit(tmp_path / "whole", 2, make, **short)[0]]
    fit(tmp_path / "parts", 1, make, **short)
    runs.append(fit(tmp_path / "parts", 2, make, tmp_path / "parts/last.ckpt", **short)[0])
    assert same(*runs)
    policy = runs[0].model
    heads = (policy.bids.edge, policy.bids.pair, policy.powers.layer)
    assert all(bool(head.out.weight.any()) for head in heads)
    assert same(load(save(runs[1].model, tmp_path / "best.ckpt")), runs[1].model)


@pytest.mark.parametrize("own", [False, True])
def test_stations_of_mappo_share_the_reward_or_have_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    seen: list[torch.Tensor] = []

    def watched(reward: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        seen.append(reward)
        return gae(reward, *rest, **options)

    monkeypatch.setattr(mappo, "gae", watched)
    fit(tmp_path, 1, lambda: IoTMAPPO(hidden=4, epochs=1, minibatches=1, own=own), slots=4, draws=2)
    assert len(seen) == 2 and all((float(reward.std(2).max()) > 1e-6) == own for reward in seen)


def test_ablations_change_what_they_should(tmp_path: Path) -> None:
    assert [len(MADDQNDMADDPG(hidden=4, twin=on).critics) for on in (True, False)] == [2, 1]
    module = MADDQNDMADDPG(hidden=4, attention=False)
    memory, rows = drawn(module)
    views = memory.present(rows)[0]
    torch.manual_seed(0)
    on, off = HybridMADDPG(4), HybridMADDPG(4, attention=False)
    off.load_state_dict(on.state_dict())
    assert not torch.allclose(on.encode(views).context, off.encode(views).context)
    weights, rewards = (1.0, 0.0, 0.0, 0.0, 0.0), []
    for kind in (weights, (1.0, 1.0, 1.0, 0.1, 0.1)):
        seen = experience(HybridMADDPG(4), epsilon=0.0, sigma=0.0, weights=kind)
        seen.collect(3)
        rewards.append(seen.buffer.rows)
    assert torch.equal(rewards[0]["reward"][:6], rewards[0]["further"][:6])
    assert not torch.equal(rewards[1]["reward"][:6], rewards[1]["further"][:6])
    full, trainer = fit(tmp_path, 1, lambda: MADDQNDMADDPG(hidden=4, stop_window=0, critic_lr=0.0), weights=weights)
    assert full.critics[0].first.tolist() == [1.0, 0.0, 0.0] and trainer.global_step > 0
    with pytest.raises(ValueError, match="weights: got 2"):
        data(weights=(1.0, 1.0))
    with pytest.raises(ValueError, match="discrete, power: got 'greedy' and 'equal'"):
        MADDQNDMADDPG(discrete="greedy", power="equal")


def test_costs_of_a_decision() -> None:
    env = IoTEnv(TINY, 2)
    obs, _ = env.reset()
    found = {kind: decision_cost(HybridMADDPG(8, **options), obs, 1) for kind, options in (
        ("agents", {}), ("central", {"scope": "central"}), ("greedy", {"discrete": "greedy"}))}  # fmt: skip
    columns = 3 * 2 * 6
    assert found["agents"].exchanged_kb == pytest.approx(4 * (columns + 3 * 5) / 1000)
    assert found["central"].exchanged_kb == pytest.approx(4 * (3 * 5 * 3 + 5 * 6 + 5 + 2 * 3 * 3 * 2) / 1000)
    assert found["greedy"].exchanged_kb == pytest.approx(4 * columns / 1000)  # nobody was served yet
    action, _ = HybridMADDPG(8).act(obs, None, None)
    after, served = env.step(action).obs, float((env.sent.layer_power_w > 0).sum()) / 2
    assert served > 0
    for kind, contested in (("learned", 3 * 5), ("greedy", 0)):
        kb = decision_cost(HybridMADDPG(8, discrete=kind), after, 1).exchanged_kb
        assert kb == pytest.approx(4 * (columns + contested + 2 * (3 - 1) * served) / 1000)
    quiet = HybridMADDPG(8, prior=False, reports=False)
    assert decision_cost(quiet, after, 1).exchanged_kb == pytest.approx(4 * (columns + 3 * 5) / 1000)
    # What an edge's bid reads of its channel alone: two operations for each of 8 states, 8 states and 15 channels.
    assert found["agents"].flops > 2 * 8 * 8 * 15 and found["agents"].ms > 0
    assert decision_cost(HybridMADDPG(16), obs, 1).flops > 2 * found["agents"].flops


@pytest.mark.parametrize("name", ["iot-noma", "iot-oma", "iot-small"])
def test_shipped_configurations_fit_their_classes(name: str) -> None:
    import yaml

    content = yaml.safe_load(Path(config_path(name)).read_text())
    module = MADDQNDMADDPG(**content["model"]["init_args"])
    found = IoTDataModule(**content["data"]["init_args"])
    assert IoTEnv(found.scenario, 1).layers == (1 if name == "iot-oma" else 2)
    assert found.options["least"] <= found.options["capacity"] and module.model.prior


def test_bids_learn_at_their_own_rate() -> None:
    for module in (MADDQNDMADDPG(hidden=4, lr=1e-3, bid_lr=0.1), IoTMAPPO(hidden=4, lr=1e-3, bid_lr=0.1)):
        found = module.configure_optimizers()
        groups = (found[0] if isinstance(found, list) else found).param_groups
        assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-4])
        rest, bids = ([id(p) for p in group["params"]] for group in groups)
        assert sorted(bids) == sorted(id(p) for p in module.model.bids.parameters())
        others = module.mix.parameters() if isinstance(module, MADDQNDMADDPG) else [module.log_deviation]
        assert sorted(rest + bids) == sorted(id(p) for p in (*module.model.parameters(), *others))


def test_nobody_explores_what_is_not_learned() -> None:
    for kind in ("rule", "greedy"):
        seen = experience(HybridMADDPG(4, discrete=kind), epsilon=1.0, random="uniform")  # type: ignore[arg-type]
        plain = seen.policy.decide(seen.views)
        assert torch.equal(seen._explore().station, plain.station)
    seen = experience(HybridMADDPG(4), epsilon=1.0, random="uniform")
    assert not torch.equal(seen._explore().station, seen.policy.decide(seen.views).station)
