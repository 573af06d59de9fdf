"""Agents on one trunk: what stations know, gradients of both heads, order, untrained answers, critics."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot import named
from hetgraph.graph.levels import canary
from hetgraph.models import TrunkMADDPG, load, save
from hetgraph.models.iot.joint_critic import JointCritic
from hetgraph.models.iot.own_rule import own_view
from hetgraph.models.iot.trunk import StationViews, gumbel_like
from hetgraph.models.iot.views import IoTViews, tables_of
from hetgraph.radio import Schedule
from hetgraph.radio.spectrum import Spectrum

DENSE = "iot-noma:users=20,small_cells=8,subchannels=4,load=4"
KINDS: dict[str, dict[str, Any]] = {"own": {}, "mean": {"attention": False}, "prices": {"prices": True}}


def agents(**options: Any) -> TrunkMADDPG:
    torch.manual_seed(1)
    return TrunkMADDPG(**{"hidden": 12, "width": 6} | options)


def network(policy: TrunkMADDPG, networks: int = 2, slots: int = 6, **options: Any) -> IoTEnv:
    """Networks after some slots."""
    env = IoTEnv(DENSE, networks, seed=3, level=policy.level, sharing="own", **options)
    for _ in range(slots):
        env.step(policy.act(env.observe(policy.level), None, None)[0])
    return env


@pytest.mark.parametrize("kind", KINDS)
def test_decisions_keep_their_bits_whatever_is_outside_the_view(kind: str) -> None:
    policy = agents(**KINDS[kind])
    graph = network(policy).observe(policy.level).clone()
    before, _ = policy.act(graph, None, None)
    b, n = before.user.shape[:2]
    for station in range(b * n):
        other = canary(graph, policy.level, station, torch.Generator().manual_seed(station))
        after, _ = policy.act(other, None, None)
        place = divmod(station, n)
        assert torch.equal(after.user[place], before.user[place])
        assert torch.equal(after.power[place], before.power[place])
        assert not torch.equal(after.power, before.power), "the canary changed nothing"


def _head_gradients(policy: TrunkMADDPG) -> dict[str, float]:
    """Largest gradients of the last layers of values and of powers, and of the first layer of the trunk."""
    score, attention, first = policy.score.weight.grad, policy.attention.first.weight.grad, policy.first[0].weight.grad
    assert score is not None and attention is not None and first is not None
    found = {"values": score[0], "powers": score[1], "attention": attention, "first": first}
    return {name: float(value.abs().amax()) for name, value in found.items()}


@pytest.mark.parametrize("dueling", [True, False])
def test_both_heads_learn_from_the_critic_and_from_the_joint_value(dueling: bool) -> None:
    policy = agents(dueling=dueling)
    env = network(policy)
    views, everything = policy.views(env.observe("local")), tables_of(env.observe("global"))
    shares = policy.shares(views)
    JointCritic(8)(everything, policy.schedule(views, shares)).sum().backward()
    of_critic = _head_gradients(policy)
    policy.zero_grad()
    with torch.no_grad():
        noise = torch.randn(2, env.num_stations, env.num_users * env.num_subchannels + 1)
        taken = policy.schedule(views, policy.shares(views), 2 * gumbel_like(shares.share), noise)
    policy.station_values(views, policy.shares(views), taken).sum().backward()
    of_value = _head_gradients(policy)
    assert min(of_critic.values()) > 0 and min(of_value.values()) > 0


def test_values_are_largest_for_what_the_agents_would_do() -> None:
    policy = agents()
    env = network(policy)
    views = policy.views(env.observe("local"))
    with torch.no_grad():
        shares = policy.shares(views)
        own = policy.station_values(views, shares, policy.schedule(views, shares))
        torch.testing.assert_close(own, policy.state_value(shares.summary).squeeze(2))
        noise = torch.randn(2, env.num_stations, env.num_users * env.num_subchannels + 1)
        other = policy.schedule(views, shares, 3 * gumbel_like(shares.share), noise)
        assert bool((policy.station_values(views, shares, other) <= own + 1e-6).all())
        powers = replace(policy.schedule(views, shares), power=policy.schedule(views, shares, None, noise).power)
        assert bool((policy.station_values(views, shares, powers) < own).any())


def _moved(value: Any, axes: dict[int, Tensor]) -> Any:
    for axis, order in axes.items():
        value = value.index_select(axis, order)
    return value


def moved_views(views: StationViews, station: Tensor, user: Tensor) -> StationViews:
    """The same networks with stations and users in another order."""
    view, own, back = views.spectrum, views.own, station.argsort()
    by_user = {
        name: {1: user}
        for name in ("noise_w", "interference_w", "active", "queue_bits", "head_slots", "deadline_slots")
    }
    by_user |= {name: {1: user} for name in ("offered_bps", "rate_mean_bps")}
    both = {name: {1: user, 2: station} for name in ("gain", "rsrp_dbm")}
    axes = by_user | both | {name: {1: station} for name in ("power_w", "power_max_w", "cap")}
    tables = {name: _moved(getattr(view, name), order) for name, order in axes.items()}
    serving = torch.where(view.station >= 0, back[view.station.clamp_min(0)], -1)[:, user]
    spectrum: Spectrum = replace(view, **tables, station=serving)
    columns = {name.name: getattr(own, name.name) for name in fields(own)}
    columns = {name: value if name == "bits" else value.index_select(1, user) for name, value in columns.items()}
    columns["level"] = columns["level"].index_select(2, station)
    home = torch.where(views.station >= 0, back[views.station.clamp_min(0)], -1)[:, user]
    return StationViews(spectrum, replace(own, **columns), home)


def test_another_order_of_stations_and_users_is_the_same_decision() -> None:
    """Subchannels are told apart by their place in the band, a column, so that their order counts."""
    policy = agents().double()
    views = policy.views(network(policy, dtype=torch.float64).observe("local"))
    torch.manual_seed(2)
    station, user = torch.randperm(views.spectrum.shape[1]), torch.randperm(views.spectrum.shape[2])
    with torch.no_grad():
        plain, other = policy.decide(views), policy.decide(moved_views(views, station, user))
    assert torch.equal(torch.where(other.user >= 0, user[other.user.clamp_min(0)], -1), plain.user[:, station])
    torch.testing.assert_close(other.power, plain.power[:, station])


def test_subchannels_change_places_with_their_columns() -> None:
    policy = agents().double()
    views = policy.views(network(policy, dtype=torch.float64).observe("local"))
    order = torch.randperm(views.spectrum.shape[3], generator=torch.Generator().manual_seed(3))
    own, view = views.own, views.spectrum
    moved = replace(own, columns=own.columns[:, :, order], level=own.level[..., order], quality=own.quality[..., order])
    spectrum = replace(view, gain=view.gain[..., order], cap=view.cap[..., order])
    with torch.no_grad():
        plain, other = policy.decide(views), policy.decide(StationViews(spectrum, moved, views.station))
    assert torch.equal(other.user, plain.user[:, :, order])
    torch.testing.assert_close(other.power, plain.power[:, :, order])


def test_untrained_agents_are_no_rule_and_weights_make_the_answer(tmp_path: Any) -> None:
    policy = agents(prices=True, rounds=2)
    env = network(policy)
    local, everything = env.observe(policy.level).clone(), env.observe("global").clone()
    before = policy.act(local, None, None)[0]
    for rule in (own_view, named.wmmse_pf, named.wmmse_path_loss, named.proportional_fair):
        other = rule.act(everything, rule.initial_state(everything), torch.Generator().manual_seed(0))[0]
        assert not torch.equal(before.user, other.user) and not torch.allclose(before.power, other.power, atol=1e-2)
    loaded = load(save(policy, tmp_path / "best.ckpt"))
    assert loaded.level == "neighbourhood" and loaded.rounds == 2
    assert torch.equal(loaded.act(local, None, None)[0].power, before.power)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.zero_()
    after = policy.act(local, None, None)[0]
    assert not torch.equal(after.power, before.power) and not torch.equal(after.user, before.user)


Changed = Callable[[Schedule, IoTViews], tuple[Schedule, IoTViews]]
CHANGES: dict[str, Changed] = {
    "powers": lambda action, views: (replace(action, power=action.power / 2), views),
    "choices": lambda action, views: (replace(action, user=torch.where(action.user >= 0, action.user.flip(2), -1)), views),
    "states": lambda action, views: (
        action, replace(views, spectrum=replace(views.spectrum, queue_bits=views.spectrum.queue_bits.flip(1))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_critics_read_states_choices_and_powers_of_all_stations(what: str) -> None:
    policy, critic = agents(), JointCritic(8)
    env = network(policy)
    views, action = tables_of(env.observe("global")), policy.act(env.observe("local"), None, None)[0]
    with torch.no_grad():
        plain, other = critic(views, action), critic(*reversed(CHANGES[what](action, views)))
    assert plain.shape == (2, 9) and bool((plain != other).all())


def test_a_critics_value_hangs_on_other_stations_powers() -> None:
    policy, critic = agents(), JointCritic(8)
    env = network(policy)
    views, action = tables_of(env.observe("global")), policy.act(env.observe("local"), None, None)[0]
    power = action.power.clone().requires_grad_()
    slope = torch.autograd.grad(critic(views, replace(action, power=power))[:, 0].sum(), power)[0]
    assert bool(slope[:, 1:].any()) and bool(slope.isfinite().all())
