"""Double DQN: the target by hand, replay, semi-Markov experience, permutations, masks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hetgraph.envs import ArrivalEnv, DiscreteArrivals, Service
from hetgraph.envs.rollout import rollout
from hetgraph.models import GROWS
from hetgraph.models.grows import Arrival
from hetgraph.models.grows_flat import FlatQ
from hetgraph.nn.filters import GraphFilter, complete_shift
from hetgraph.radio import policy
from hetgraph.trainers import ArrivalDataModule, DoubleDQN, ReplayBuffer, double_dqn_target
from hetgraph.trainers.arrivals.experience import ArrivalExperience
from hetgraph.trainers.arrivals.local_returns import LocalReturns
from hetgraph.trainers.arrivals.tabular import q_learning
from hetgraph.trainers.common.random_state import RandomState

KINDS: dict[str, dict[str, Any]] = {
    "paper": {},
    "full": {"features": "full", "widths": (8, 8), "dueling": True},
    "users": {"features": "full", "widths": (8, 8), "users": True, "taps": 3},
}


def test_target_by_hand_where_online_and_target_argmax_differ() -> None:
    reward, discount = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.25, 0.0])
    online = torch.tensor([[5.0, 1.0], [0.0, 7.0], [1.0, 2.0]])
    target = torch.tensor([[10.0, 40.0], [8.0, 4.0], [9.0, 9.0]])
    found = double_dqn_target(reward, discount, online, target)
    assert found.tolist() == [1 + 0.5 * 10, 2 + 0.25 * 4, 3.0]
    plain = double_dqn_target(reward, discount, online, target, double=False)
    assert plain.tolist() == [1 + 0.5 * 40, 2 + 0.25 * 8, 3.0]
    nowhere = torch.full((1, 2), -torch.inf)
    assert double_dqn_target(reward[2:], discount[2:], nowhere, nowhere).tolist() == [3.0]


def arrival(kind: str, env: ArrivalEnv, agent: GROWS) -> Arrival:
    obs, _ = env.reset(seed=1)
    rule, generator = policy("random_station"), torch.Generator().manual_seed(0)
    for _ in range(8):
        obs = env.step(rule.act(obs, None, generator)[0]).obs
    return agent.views(obs)


@pytest.mark.parametrize("kind", KINDS)
def test_values_follow_a_permutation_of_the_stations_and_full_ones_are_masked(kind: str) -> None:
    torch.manual_seed(0)
    env, agent = ArrivalEnv("grows-3", 40, probability=1.0, demand=14.0), GROWS(**KINDS[kind])
    seen = arrival(kind, env, agent)
    seen.room[:20, 1] = False
    seen.room[:5] = False
    value = agent(seen)
    assert bool(torch.isinf(value[~seen.room]).all()) and bool(torch.isfinite(value[seen.room]).all())
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(agent(permuted(seen, order)), value[:, order])
    assert len(value[seen.room].unique()) > 20
    changed = replace(seen, station=seen.station.clone())
    changed.station[~seen.room] += 100.0
    torch.testing.assert_close(agent(changed), value)  # what a full station is like does not matter


def permuted(seen: Arrival, order: torch.Tensor) -> Arrival:
    """The same arrivals with the stations in another order ``[K]``."""
    if not seen.ue.numel():
        return Arrival(seen.station[:, order], seen.room[:, order], seen.ue, seen.edge)
    k = len(order)
    users, edges = seen.ue[:, :-1].unflatten(1, (k, -1)), seen.edge[:, :-k].unflatten(1, (k, -1))
    ue = torch.cat([users[:, order].flatten(1, 2), seen.ue[:, -1:]], 1)
    edge = torch.cat([edges[:, order].flatten(1, 2), seen.edge[:, -k:][:, order]], 1)
    return Arrival(seen.station[:, order], seen.room[:, order], ue, edge)


def test_a_graph_filter_is_the_sum_of_its_taps() -> None:
    torch.manual_seed(0)
    layer, present = GraphFilter(3, 2, taps=3), torch.tensor([[True, True, True, False]])
    shift, signal = complete_shift(present), torch.randn(1, 4, 3)
    assert shift.sum(2).tolist() == [[1.0, 1.0, 1.0, 0.0]]
    expected = layer.mix.bias + sum(
        torch.matrix_power(shift[0], k) @ signal[0] @ layer.mix.weight[:, 3 * k : 3 * k + 3].T for k in range(3)
    )
    torch.testing.assert_close(layer(signal, shift)[0], expected)
    with pytest.raises(ValueError, match="taps: got 0"):
        GraphFilter(3, 2, taps=0)


def test_replay_keeps_the_last_rows_and_draws_by_priority(tmp_path: Path) -> None:
    buffer = ReplayBuffer(5, alpha=1.0, beta=1.0)
    with pytest.raises(ValueError, match="an empty memory"):
        buffer.sample(1)
    for start in (0, 3, 6):
        buffer.add({"a": torch.arange(start, start + 3), "b": torch.ones(3, 2) * start})
    assert sorted(buffer.rows["a"].tolist()) == [4, 5, 6, 7, 8] and len(buffer) == 5
    buffer.update(torch.arange(5), torch.tensor([1.0, 0.0, 0.0, 3.0, 0.0]))
    drawn = buffer.sample(4000, torch.Generator().manual_seed(0))
    share = drawn.index.bincount(minlength=5) / 4000
    torch.testing.assert_close(share, torch.tensor([0.25, 0.0, 0.0, 0.75, 0.0]), atol=0.03, rtol=0)
    assert torch.equal(drawn.rows["a"], buffer.rows["a"][drawn.index])
    torch.testing.assert_close(
        drawn.weight[drawn.index == 3][0] * 3, drawn.weight[drawn.index == 0][0], rtol=1e-3, atol=0
    )
    other = ReplayBuffer(5, alpha=1.0, beta=1.0)
    other.load_state_dict(buffer.state_dict())
    again = other.sample(50, torch.Generator().manual_seed(3))
    assert torch.equal(again.index, buffer.sample(50, torch.Generator().manual_seed(3)).index)
    with pytest.raises(ValueError, match="expected \\(3,"):
        buffer.add({"a": torch.zeros(3), "b": torch.zeros(3, 2)})


@pytest.mark.parametrize("n_step", [1, 3])
def test_experience_is_the_discounted_sum_until_a_later_choice(n_step: int) -> None:
    """Against the rewards of the same episode, network by network."""
    source = DiscreteArrivals(service=Service(2, 2), slots=12, probabilities=(0.6,), demands=(4.0,))
    agent, buffer = GROWS(features="full"), ReplayBuffer(10_000)
    options: dict[str, Any] = {"gamma": 0.8, "n_step": n_step, "epsilon": lambda _: 1.0, "batch_size": 8}
    data = ArrivalExperience(ArrivalEnv(source, 5, seed=2), agent, buffer, **options, slots=1, draws=1, least=1)
    rewards, choices, places = [], [], []
    step = data.env.step

    def spy(action: torch.Tensor) -> Any:
        choices.append(data.views.room.any(1))
        places.append(action)
        out = step(action)
        rewards.append(out.reward.sum(1))
        return out

    data.env.step = spy  # type: ignore[method-assign]
    torch.manual_seed(0)
    data.collect(12)
    expected = []
    for b in range(5):
        slots = [t for t in range(12) if bool(choices[t][b])]
        for number, t in enumerate(slots):
            later = slots[number + n_step] if number + n_step < len(slots) else 12
            gain = sum(0.8 ** (i - t) * float(rewards[i][b]) for i in range(t, later))
            expected.append((round(gain, 3), round(0.8 ** (later - t) if later < 12 else 0.0, 4), int(places[t][b])))
    rows = buffer.rows
    found = [
        (round(float(g), 3), round(float(d), 4), int(a))
        for g, d, a in zip(rows["gain"][: len(buffer)], rows["discount"], rows["action"], strict=False)
    ]
    assert sorted(found) == sorted(expected) and len(found) > 15


def fit(
    tmp_path: Path, epochs: int, *, resume: Path | None = None, **options: Any
) -> tuple[DoubleDQN, lightning.Trainer]:
    torch.manual_seed(0)
    data = ArrivalDataModule(
        num_envs=16, draws=30, least=100, batch_size=16, capacity=2000, explore=30, val_episodes=20, test_episodes=20,
        alpha=0.5, n_step=2, seed=3,
    )  # fmt: skip
    module = DoubleDQN(**options)
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, default_root_dir=tmp_path,
        callbacks=[ModelCheckpoint(tmp_path, "last", save_last=False, enable_version_counter=False), RandomState()],
    )  # fmt: skip
    trainer.fit(module, datamodule=data, ckpt_path=None if resume is None else str(resume))
    return module, trainer


def test_training_moves_weights_and_copies_the_target(tmp_path: Path) -> None:
    module, trainer = fit(tmp_path, 1, users=True, features="full", widths=(8, 8), dueling=True, target_every=1)
    assert "val/score" in trainer.callback_metrics
    for own, copied in zip(module.model.parameters(), module.target.parameters(), strict=True):
        assert torch.equal(own, copied)
    torch.manual_seed(0)
    fresh = DoubleDQN(users=True, features="full", widths=(8, 8), dueling=True)
    assert not torch.equal(fresh.model.readout.weight, module.model.readout.weight)
    assert float(module.model.std.max()) > 1.5  # features were brought to scale


def test_zeroing_the_encoder_changes_trained_decisions(tmp_path: Path) -> None:
    module, _ = fit(tmp_path, 2, users=True, features="full", widths=(16, 16), dueling=True, lr=1e-2, target_every=5)
    agent, env, changed = module.model.eval(), ArrivalEnv("grows-3", 200), 0
    obs, _ = env.reset(seed=1_000_000)
    for _ in range(env.slots - 1):
        action, _ = agent.act(obs, None, None)
        assert agent.encoder is not None
        with agent.encoder.register_forward_hook(lambda *args: {k: torch.zeros_like(v) for k, v in args[2].items()}):
            blind, _ = agent.act(obs, None, None)
        changed += int((action != blind).sum())
        obs = env.step(action).obs
    assert changed > 0


def test_the_flat_network_trains_and_refuses_another_number_of_stations(tmp_path: Path) -> None:
    module, _ = fit(tmp_path, 1, flat=3, widths=(8,), features="full")
    assert isinstance(module.model, FlatQ)
    found = rollout(ArrivalEnv("grows-3", 8), {"flat": module.model}).values["flat"]
    assert found["utility"].shape == (1, 8)
    with pytest.raises(ValueError, match="stations: got 2, expected 3"):
        rollout(ArrivalEnv(DiscreteArrivals(service=Service(2, 9)), 4), {"flat": module.model})


def test_an_agent_learns_what_no_rule_knows() -> None:
    """With one block a station and a weak first station, rejections can be learned away; the table finds the better choice."""
    source = DiscreteArrivals(service=Service(2, 3), slots=20, probabilities=(0.7,), demands=(4.0,), rates=(0.5, 3.0))
    table = q_learning(source, episodes=4000, num_envs=200, gamma=0.9, rate=0.0, progress=False)
    env = ArrivalEnv(source, 1000)
    found = rollout(env, {"q": table, "random": policy("random_station")}, seed=5).values
    utility = {name: values["utility"].mean() for name, values in found.items()}
    assert float(utility["q"]) > 1.05 * float(utility["random"])


@pytest.mark.parametrize("users", [False, True])
def test_a_resumed_run_ends_bit_equal(tmp_path: Path, users: bool) -> None:
    options: dict[str, Any] = {"users": users, "features": "full", "widths": (8, 8), "target_every": 7}
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, _ = fit(tmp_path / "whole", 2, **options)
    fit(tmp_path / "parts", 1, **options)
    parts, _ = fit(tmp_path / "parts", 2, resume=tmp_path / "parts/last.ckpt", **options)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(a, b)


def _local(source: DiscreteArrivals, *, finite: bool = True, horizon: int = 0, control: bool = False) -> LocalReturns:
    options: dict[str, Any] = {"epsilon": lambda _: 1.0, "batch_size": 8, "slots": 3, "draws": 5, "least": 1}
    env, beside = (ArrivalEnv(source, 4, finite=finite, seed=2) for _ in range(2))
    options |= {"control": beside} if control else {}
    return LocalReturns(env, GROWS(features="full"), ReplayBuffer(10_000), horizon=horizon, **options)


@pytest.mark.parametrize(("finite", "horizon"), [(True, 0), (True, 5), (False, 5)])
def test_local_returns_are_those_of_the_stations_with_room(finite: bool, horizon: int) -> None:
    """Against sums over the same episode, choice by choice."""
    source = DiscreteArrivals(service=Service(6, 2), slots=12, probabilities=(0.8,), demands=(4.0,), hears=3)
    data = _local(source, finite=finite, horizon=horizon)
    env, step, utility, seen = data.env, data.env.step, [], []

    def spy(action: torch.Tensor) -> Any:
        seen.append((env.table.station[env.slot], data.policy.views(env.observe(env.level)).room))
        out = step(action)
        utility.append(out.reward)
        return out

    data.env.step = spy  # type: ignore[method-assign]
    data.step()
    expected = []
    for t, (station, room) in enumerate(seen):
        last = min(t + (horizon or 12), 12)
        for b in range(4):
            stations = station[b][room[b]].tolist()
            if stations and (finite or t + horizon <= 12):
                expected.append(sum(float(utility[i][b, s]) for i in range(t, last) for s in stations))
    found = data.buffer.rows["gain"][: len(data.buffer)]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert not data.buffer.rows["discount"].any()


@pytest.mark.parametrize("explores", [False, True])
def test_returns_over_best_rate_are_zero_for_best_rate_alone(explores: bool) -> None:
    """The control meets the same arrivals, episode after episode; an agent that decides otherwise has other returns."""
    source = DiscreteArrivals(service=Service(6, 2), slots=12, probabilities=(0.8,), demands=(4.0,), hears=3)
    data = _local(source, control=True)
    data.epsilon = lambda _: float(explores)
    assert data.control is not None
    rule = policy("best_rate")

    def by_rule(views: Arrival) -> torch.Tensor:
        place = rule.act(data.env.observe(data.env.level), None, None)[0]
        return torch.nn.functional.one_hot(place, views.room.shape[1] + 1).float()

    data.policy.forward = by_rule  # type: ignore[method-assign, assignment]
    for _ in range(3):
        data.step()
        assert torch.equal(data.env.table.station, data.control.table.station)
    gain = data.buffer.rows["gain"][: len(data.buffer)]
    assert len(gain) > 50
    assert bool(gain.any()) is explores


def test_an_agent_may_turn_users_away_where_there_is_room() -> None:
    torch.manual_seed(0)
    agent = GROWS(features="full", widths=(8, 8), dueling=True, reject=True)
    env = ArrivalEnv("grows-3", 6, seed=1)
    obs = env.reset(seed=1)[0]
    views = agent.views(obs)
    value = agent(views)
    assert value.shape == (6, 4)
    assert value[:, 3].isfinite().all()
    torch.testing.assert_close(value[:, :3].isfinite(), views.room)
    assert agent.reject is not None
    with torch.no_grad():
        agent.reject.bias.fill_(10.0)
    place, _ = agent.act(obs, None, None)
    assert place.tolist() == [3] * 6
    step = env.step(place)
    assert not step.info.get("refused", torch.zeros(1)).any()
    with pytest.raises(ValueError, match="reject: got True with flat"):
        DoubleDQN(flat=3, reject=True)


def test_local_returns_draw_as_often_as_slots_were_played() -> None:
    source = DiscreteArrivals(service=Service(6, 2), slots=12, demands=(4.0,), hears=3)
    data = _local(source)
    assert len(list(data)) == len(data) == 5
    assert (data.drawn, data.due, data.env.episode) == (5, 3, 2)
    again = _local(source)
    again.load_state_dict(data.state_dict())
    assert (again.drawn, again.due, again.env.episode) == (5, 3, 2)
    with pytest.raises(ValueError, match="horizon: got 0"):
        _local(source, finite=False)
