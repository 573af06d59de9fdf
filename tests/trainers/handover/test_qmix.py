"""Training of QMIX: targets by hand, clipping, target networks, replay of compact states, resumed runs, baselines."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hetgraph.envs import HandoverEnv, HandoverWeights
from hetgraph.envs.handover.rules import Announced, Stay
from hetgraph.envs.handover.search_rules import Negotiated
from hetgraph.envs.rollout import rollout
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.trajectories import Trajectories
from hetgraph.models import GraphQMIX, load, save
from hetgraph.nn.candidates import candidates_of
from hetgraph.radio.handover import HandoverAction, HandoverRule
from hetgraph.solvers.announced import PATIENCE
from hetgraph.trainers import QMIX, HandoverDataModule
from hetgraph.trainers.common.random_state import RandomState
from hetgraph.trainers.common.replay import ReplayBuffer
from hetgraph.trainers.handover import price
from hetgraph.trainers.handover.experience import HandoverExperience
from hetgraph.trainers.handover.price import fitted_price
from hetgraph.trainers.handover.qmix import NormHistory, td_loss, td_target
from hetgraph.trainers.handover.tabular import HandoverTable, handover_q_learning

K, U = 5, 14


def walks(seed: int, networks: int = 4, steps: int = 12) -> Trajectories:
    """Users on straight lines through a square of 400 m, with a power law for gains."""
    generator = torch.Generator().manual_seed(seed)
    bs_pos = torch.rand(networks, K, 2, generator=generator) * 400
    start, end = (torch.rand(networks, 1, U, 2, generator=generator) * 400 for _ in range(2))
    time = torch.linspace(0, 1, steps).reshape(1, -1, 1, 1)
    ue_pos = start + (end - start) * time
    distance = (ue_pos.unsqueeze(3) - bs_pos.reshape(networks, 1, 1, K, 2)).norm(dim=4)
    return Trajectories(
        gain=1e-3 * distance.clamp_min(5).pow(-3.5),
        ue_pos=ue_pos,
        speed_mps=torch.full(distance.shape[:3], 3.0),
        bs_pos=bs_pos,
        power_w=torch.tensor([10.0, 10.0, 1.0, 1.0, 1.0]).expand(networks, K).contiguous(),
        tier=torch.tensor([0, 0, 1, 1, 1]).expand(networks, K).contiguous(),
        measured=torch.zeros(1, dtype=torch.bool).expand(distance.shape),
        bandwidth_hz=2e7,
        noise_w=1e-12,
        slot_s=1.0,
    )


def data_module(**options: Any) -> HandoverDataModule:
    splits = {split: walks(seed) for seed, split in enumerate(("train", "val", "test"))}
    small = {"num_envs": 3, "steps": 8, "batch_size": 8, "episodes": 2, "least": 10, "capacity": 500, "max_users": 6}
    return HandoverDataModule(splits, **(small | {"cre": True, "weights": {"utility": 1.0}} | options))


def trainer(folder: Path, epochs: int, *callbacks: lightning.Callback) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, default_root_dir=folder,
        callbacks=[ModelCheckpoint(folder, "last", enable_version_counter=False), RandomState(), *callbacks],
    )  # fmt: skip


class Interrupt(lightning.Callback):
    """Ends training after its first epoch, whose checkpoint stays."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        trainer.should_stop = True


def fit(
    folder: Path, epochs: int, *callbacks: lightning.Callback, resume: Path | None = None, **options: Any
) -> tuple[QMIX, lightning.Trainer]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    module, run = QMIX(**({"hidden": 8, "mixer": 4} | options)), trainer(folder, epochs, *callbacks)
    data = data_module()
    run.fit(module, datamodule=data, ckpt_path=None if resume is None else str(resume))
    return module, run


def test_target_by_hand_with_squash_and_end() -> None:
    reward, value = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([10.0, -4.0, 7.0])
    ended = torch.tensor([False, False, True])
    plain = [1 + 0.9 * 10, 2 - 0.9 * 4, 30.0]
    assert td_target(reward, value, ended, gamma=0.9, squash=0.0).tolist() == pytest.approx(plain)
    squashed = [5 * math.tanh(y / 5) for y in plain]
    assert td_target(reward, value, ended, gamma=0.9).tolist() == pytest.approx(squashed)
    both = td_target(reward.unsqueeze(1).expand(3, 2), value.unsqueeze(1).expand(3, 2), ended, gamma=0.9)
    assert both[:, 1].tolist() == pytest.approx(squashed)


def test_loss_has_the_slope_of_the_clipped_error() -> None:
    error = torch.tensor([0.5, -3.0, 7.0, -9.0], requires_grad=True)
    loss = td_loss(error)
    assert loss.item() == pytest.approx((0.25 + 9 + (2 * 5 * 7 - 25) + (2 * 5 * 9 - 25)) / 4)
    loss.backward()
    assert error.grad is not None
    assert error.grad.tolist() == pytest.approx([2 * x / 4 for x in (0.5, -3.0, 5.0, -5.0)])
    assert float(td_loss(error.detach(), 0.0)) == pytest.approx((0.25 + 9 + 49 + 81) / 4)


def test_the_limit_is_the_percentile_of_recent_norms_up_to_a_cap() -> None:
    history = NormHistory(0.95, cap=2.0, length=20)
    norms = torch.rand(50, generator=torch.Generator().manual_seed(0))
    for number, norm in enumerate(norms):
        recent = norms[max(number - 19, 0) : number + 1]
        assert history.limit(norm) == pytest.approx(float(recent.quantile(0.95)))
    for _ in range(20):
        limit = history.limit(torch.tensor(9.0))
    assert limit == 2.0


def test_gradients_are_clipped_at_the_limit() -> None:
    module = QMIX(hidden=8, clip_percentile=0.5, clip_cap=2.0)
    weight = module.model.encoder.own.weight
    for size, kept in ((1.0, 1.0), (1.0, 1.0), (3.0, 1.0)):
        module.zero_grad()
        weight.grad = torch.full_like(weight, size / math.sqrt(weight.numel()))
        module.configure_gradient_clipping(None)
        assert float(weight.grad.norm()) == pytest.approx(kept, rel=1e-4)
    loose = QMIX(hidden=8, clip_percentile=0.0, clip_cap=0.0)
    weight = loose.model.encoder.own.weight
    weight.grad = torch.full_like(weight, 7.0)
    loose.configure_gradient_clipping(None)
    assert float(weight.grad.max()) == 7.0


def test_target_networks_follow_softly_and_are_copied_every_so_many_episodes() -> None:
    module = QMIX(hidden=8, soft=0.25, hard_every=2)
    module._data = lambda: data  # type: ignore[method-assign,assignment,return-value]

    class Clock:
        episodes_done = 0

    data = Clock()
    for weight in module.model.parameters():
        torch.nn.init.constant_(weight, 1.0)
    for weight in module.target.parameters():
        torch.nn.init.constant_(weight, 0.0)
    for episodes, expected in ((0, 0.25), (1, 0.4375), (2, 1.0)):
        data.episodes_done = episodes
        module.on_train_batch_end(None, None, 0)
        assert all(bool((weight == expected).all()) for weight in module.target.parameters())
    for weight in module.target.parameters():
        torch.nn.init.constant_(weight, 0.0)
    module.on_train_batch_end(None, None, 0)  # no second copy in the same episode
    assert all(bool((weight == 0.25).all()) for weight in module.target.parameters())


@pytest.mark.parametrize("options", [{}, {"time_to_trigger": 1}, {"forbid_ping_pong": True}])
def test_remembered_states_are_observed_as_they_were(options: dict[str, Any]) -> None:
    env = HandoverEnv(walks(0), 3, rule=HandoverRule(0.5, bias=True, max_users=6), steps=10, **options)
    generator, rows, seen = torch.Generator().manual_seed(0), [], []
    for _ in range(9):
        rows.append(env.pack())
        seen.append(env.observe("global").clone())
        place = torch.randint(4, (3, U), generator=generator)
        env.step(HandoverAction(place, torch.randint(5, (3, U), generator=generator)))
    size = sum(value[0].numel() * value.element_size() for value in rows[0].values())
    assert size <= 4 * U + 32
    order = torch.randperm(27, generator=generator)
    found = env.unpack({name: torch.cat([row[name] for row in rows])[order] for name in rows[0]}, "global")
    for place, number in enumerate(order.tolist()):
        was, b = seen[number // 3], number % 3
        for kind, count in (("bs", K), ("ue", U)):
            for name in {"bs": ("users", "room", "pos"), "ue": ("rate_bps", "level", "far_interference_w")}[kind]:
                mine = found[kind][name][place * count : (place + 1) * count]
                torch.testing.assert_close(mine, was[kind][name][b * count : (b + 1) * count])
        for name in ("gain", "allowed", "spectral_efficiency", "users", "bias_db", "distance_m", "measured"):
            now, then = found[CHANNEL][name], was[CHANNEL][name]
            torch.testing.assert_close(now.reshape(27, U * 4, -1)[place], then.reshape(3, U * 4, -1)[b])
        for name in ("handover_rate", "slots_left"):
            torch.testing.assert_close(found[name][place], was[name][b])
    assert len({int(row["cell"].sum()) for row in rows}) > 1  # users moved


@pytest.mark.parametrize("finite", [False, True])
def test_experience_is_what_happened(finite: bool) -> None:
    data = data_module()
    env = data.environment("train")
    policy = QMIX(hidden=8).model
    buffer = ReplayBuffer(1000)
    experience = HandoverExperience(
        env, policy, buffer, epsilon=lambda episode: 0.5 if episode else 1.0, batch_size=6, every=1, draws=1, least=1,
        finite=finite,
    )  # fmt: skip
    torch.manual_seed(0)
    told = []
    step = env.step

    def spy(action: HandoverAction) -> Any:
        before = env.users.cell.clone()
        out = step(action)
        told.append((before, action, out.reward))
        return out

    env.step = spy  # type: ignore[method-assign]
    experience.collect(16)
    kept = [t for t in range(16) if finite or t % 8 != 7]
    assert len(buffer) == 3 * len(kept)
    rows = buffer.rows
    for number, t in enumerate(kept):
        where = slice(3 * number, 3 * number + 3)
        before, action, reward = told[t]
        assert torch.equal(rows["cell"][where].long(), before) and torch.equal(rows["reward"][where], reward)
        assert torch.equal(rows["place"][where].long(), action.place)
        assert rows["terminated"][where].tolist() == [t % 8 == 7] * 3
        if t % 8 != 7:
            assert torch.equal(rows["next_cell"][where].long(), told[t + 1][0])
            assert torch.equal(rows["next_level"][where].long(), action.level)
    wandered = torch.stack([told[t][1].place for t in range(8)])
    assert bool(wandered.any()) and experience.draw().reward.shape == (6, K)


@pytest.mark.parametrize(
    "options",
    [
        {"credit": 1.0, "intentions": 2, "gap": 0.5, "warm": 3},
        {"credit": 1.0, "intentions": 2, "agreements": 2, "crowding": 0.1, "warm": 3},
        {"mixing": "vdn", "importance": "sum", "double": False, "squash": 0.0, "td_clip": 0.0},
        {"mixing": "independent", "soft": 0.0, "hard_every": 1},
        {"encoder": "flat", "flat_cells": K},
        {"encoder": "flat-full", "flat_cells": K, "mixing": "vdn", "credit": 0.5},
        {"encoder": "single", "mixing": "independent"},
        {"encoder": "global", "mixing": "independent", "dueling": False, "double": False},
    ],
)
def test_training_moves_weights_and_is_judged(tmp_path: Path, options: dict[str, Any]) -> None:
    module, run = fit(tmp_path, 1, **options)
    names = {"val/anu", "val/ratio", "val/room", "val/score", "val/handover_rate", "val/jain"}
    assert names <= set(run.callback_metrics)
    assert all(bool(value.isfinite()) for value in run.callback_metrics.values())
    assert float(module.reward_std) != 1.0 and float(module.model.ue_std.min()) > 0
    head = module.model.encoder.out if "flat" in str(options) else module.model.encoder.place
    assert bool(head.weight.any())  # zero before
    loaded = load(save(module.model, tmp_path / "best.ckpt"))
    obs = data_module().environment("val").observe(loaded.level)
    one, other = loaded.act(obs, None, None)[0], module.model.act(obs, None, None)[0]
    assert loaded.price()[1] == options.get("crowding", 0.0)
    assert torch.equal(one.place, other.place) and torch.equal(one.level, other.level)


def anu(env: HandoverEnv, policy: Any, seed: int) -> float:
    """Mean utility of an episode."""
    return float(rollout(env, {"": policy}, seed=seed).values[""]["anu"].mean())


@pytest.mark.parametrize("options", [{}, {"intentions": 2, "agreements": 2}])
def test_trained_decisions_change_without_what_the_shared_encoder_finds(
    tmp_path: Path, options: dict[str, int]
) -> None:
    torch.manual_seed(0)
    module = QMIX(**{"hidden": 8, "mixer": 4, "credit": 1.0, "lr": 2e-2, "lr_end": 2e-2}, **options)  # type: ignore[arg-type]
    data, changed = data_module(margin_db=-10.0), 0  # many places to choose from
    trainer(tmp_path, 2).fit(module, datamodule=data)
    env, policy = data.environment("val"), module.model
    for _ in range(env.steps):
        obs = env.observe(policy.level)
        action, _ = policy.act(obs, None, None)
        with policy.encoder.messages.graph.register_forward_hook(without):
            blind, _ = policy.act(obs, None, None)
        changed += int((action.place != blind.place).sum())
        env.step(action)
    assert changed > 0


def without(module: torch.nn.Module, args: object, states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """States of zeros in place of what an encoder found."""
    return {store: torch.zeros_like(state) for store, state in states.items()}


def test_the_price_of_a_handover_fits_the_training_networks(tmp_path: Path) -> None:
    data = data_module()
    env = data.environment("train", whole=True)
    assert env.num_envs == 4 > data.num_envs
    grid = (0.05, 0.6, 2.0)
    utility = [anu(env, Announced(price), 7) for price in grid]
    assert len(set(utility)) == 3
    (a, b, c), (u, v, w) = grid, utility
    rise, further = (v - u) / (b - a), (w - v) / (c - b)
    bend = (further - rise) / (c - a)
    top = (a + b) / 2 - rise / (2 * bend)
    expected = top if bend < 0 and a < top < c else grid[utility.index(max(utility))]
    assert fitted_price(env, seed=7, grid=grid) == pytest.approx(expected)
    rising = fitted_price(env, lambda price: Announced(2.0 - price), seed=7, grid=(0.0, 1.0, 2.0))
    assert rising == pytest.approx(2.0 - fitted_price(env, seed=7, grid=(0.0, 1.0, 2.0)))
    with pytest.raises(ValueError, match="grid: got 0 numbers"):
        fitted_price(env, seed=7, grid=())
    module, _ = fit(tmp_path, 1, credit=1.0, intentions=2, patience=None)
    loaded = load(save(module.model, tmp_path / "best.ckpt"))
    price = fitted_price(env, partial(Announced, rounds=2), seed=0)
    assert float(loaded.patience) == float(module.model.patience) == pytest.approx(price)
    assert price != PATIENCE  # so that what follows can fail
    obs = data.environment("val").observe(loaded.level)
    told = loaded._announced(candidates_of(obs)).edge[:, :, -1]
    loaded.patience.fill_(PATIENCE)
    assert not torch.equal(told, loaded._announced(candidates_of(obs)).edge[:, :, -1])


@pytest.mark.parametrize(("agreements", "crowding", "rule"), [(0, 0.01, Announced), (2, 0.02, Negotiated)])
def test_the_price_is_fitted_to_the_rule_that_agents_follow(
    agreements: int, crowding: float, rule: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(price, "fitted_price", lambda env, kind, *, seed: asked.append((env, kind, seed)) or 0.25)
    policy = GraphQMIX(intentions=3, agreements=agreements, crowding=crowding, patience=None)
    price.fit_price(policy, lambda: "networks", seed=4)  # type: ignore[arg-type,return-value]
    (env, kind, seed), *more = asked
    assert (env, seed, more) == ("networks", 4, []) and float(policy.get_buffer("patience")) == 0.25
    found = kind(0.7)
    assert type(found) is rule and (found.patience, found.crowding, found.rounds) == (0.7, crowding, 3)
    assert getattr(found, "agreements", 0) == agreements
    for fixed in (GraphQMIX(intentions=1, agreements=agreements), GraphQMIX(patience=None)):
        price.fit_price(fixed, lambda: "networks", seed=4)  # type: ignore[arg-type,return-value]
    assert len(asked) == 1


def test_crowding_is_fitted_after_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, numbers = [], iter([0.25, 0.03, 0.02])
    monkeypatch.setattr(price, "fitted_price", lambda env, kind, **_: rules.append(kind(0.7)) or next(numbers))
    policy = GraphQMIX(intentions=1, agreements=2, patience=None, crowding=None)
    policy.get_buffer("crowding").fill_(0.5)  # of other networks
    price.fit_price(policy, lambda: None, seed=4)  # type: ignore[arg-type,return-value]
    assert [(rule.patience, rule.crowding) for rule in rules] == [(0.7, 0.0), (0.25, 0.7)]
    assert policy.price() == pytest.approx((0.25, 0.03))
    policy = GraphQMIX(intentions=1, agreements=2, patience=0.4, crowding=None)
    price.fit_price(policy, lambda: None, seed=4)  # type: ignore[arg-type,return-value]
    assert (rules[2].patience, rules[2].crowding) == (0.4, 0.7) and policy.price() == pytest.approx((0.4, 0.02))


def test_a_table_learns_to_follow_the_strongest_cell() -> None:
    """Users who walk away from their cell do better with a table than by staying; entries are means of their goals."""
    table = HandoverTable(rate=0.5)
    table.learn(torch.tensor([3, 3, 7]), torch.tensor([1.0, 3.0, 5.0]))
    assert (table.table[3].item(), table.table[7].item()) == (1.0, 2.5)
    env = HandoverEnv(walks(0, 8), 8, rule=HandoverRule(max_users=U), steps=10, weights=HandoverWeights(utility=1.0))
    learned = handover_q_learning(env, episodes=30, progress=False)
    held_out = HandoverEnv(walks(9, 8), 8, rule=HandoverRule(max_users=U), steps=10)
    utility = {name: anu(held_out, rule, 0) for name, rule in (("table", learned), ("stay", Stay()))}
    assert utility["table"] > 1.1 * utility["stay"]


def test_a_loss_is_needed_and_options_are_checked() -> None:
    with pytest.raises(ValueError, match="joint, credit: got 0 for both"):
        QMIX(joint=0.0)
    with pytest.raises(ValueError, match=r"gamma: got 1"):
        QMIX(gamma=1.0)
    with pytest.raises(ValueError, match=r"preset: got 'mars', .*, or a folder of drive tests"):
        HandoverDataModule("mars").environment("val")


def test_a_resumed_run_ends_bit_equal(tmp_path: Path) -> None:
    options: dict[str, Any] = {"credit": 1.0, "hard_every": 3}
    whole, _ = fit(tmp_path / "whole", 2, **options)
    first, _ = fit(tmp_path / "parts", 2, Interrupt(), **options)
    assert not torch.equal(first.model.encoder.level, whole.model.encoder.level)
    parts, _ = fit(tmp_path / "parts", 2, resume=tmp_path / "parts/last.ckpt", **options)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
