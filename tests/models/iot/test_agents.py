"""Hybrid agents of IoT networks: permutations, sizes, limits, values, levels."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import CHANNEL
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot.critic import GraphCritic, compared
from hetgraph.models.iot.views import IoTViews
from hetgraph.nn.attention import InterferenceAttention
from hetgraph.nn.hetero_layers import LayerSums
from hetgraph.radio import Schedule

SMALL = "iot-noma:users=7,small_cells=2,subchannels=4,load=4"
KINDS: dict[str, dict[str, Any]] = {
    "full": {},
    "individual": {"agents": 3},
    "mean": {"attention": False},
    "bare": {"prior": False},
    "paper": {"prior": False, "reports": False, "dueling": False},
    "central": {"scope": "central"},
    "maddpg": {"discrete": "greedy"},
    "qmix": {"power": "equal"},
    "powers": {"discrete": "rule"},
    "bids": {"power": "rule"},
}
Observed = Callable[..., tuple[IoTEnv, IoTViews]]
Stirred = Callable[..., HybridMADDPG]


def moved(views: IoTViews, station: Tensor, user: Tensor, block: Tensor) -> IoTViews:
    """The same networks with nodes in another order."""
    view, back = views.spectrum, station.argsort()
    serving = view.station[:, user]
    spectrum = replace(
        view,
        gain=view.gain[:, user][:, :, station][..., block],
        rsrp_dbm=view.rsrp_dbm[:, user][:, :, station],
        noise_w=view.noise_w[:, user][..., block],
        interference_w=view.interference_w[:, user][..., block],
        power_w=view.power_w[:, station][..., block],
        power_max_w=view.power_max_w[:, station],
        cap=view.cap[:, station][..., block],
        station=torch.where(serving >= 0, back[serving.clamp_min(0)], -1),
        **{
            name: getattr(view, name)[:, user]
            for name in ("active", "queue_bits", "head_slots", "deadline_slots", "offered_bps", "rate_mean_bps")
        },
    )
    return IoTViews(
        spectrum,
        moved_inputs(views, station, user),
        views.links,
        views.circuit_power_w[:, station],
        views.amplifier_efficiency[:, station],
        views.slot_s,
        views.signal_w[:, user][..., block],
        views.served_share[:, user],
    )


def moved_inputs(views: IoTViews, station: Tensor, user: Tensor) -> dict[str, Any]:
    """Arguments of the encoder in another order of nodes."""
    (b, n, u, _), held = views.spectrum.shape, views.inputs
    x = {
        "bs": held["x_dict"]["bs"].reshape(b, n, -1)[:, station].flatten(0, 1),
        "ue": held["x_dict"]["ue"].reshape(b, u, -1)[:, user].flatten(0, 1),
    }
    edge, weight = (
        value.reshape(b, u, n, -1)[:, user][:, :, station].flatten(0, 2)
        for value in (held["edge_attr_dict"][CHANNEL], held["weight"])
    )
    sums = LayerSums.of(views.links, edge, weight, None)
    return held | {"x_dict": x, "edge_attr_dict": {CHANNEL: edge}, "weight": weight, "links": sums}


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "individual"])
def test_decisions_follow_permutations_of_stations_users_and_subchannels(
    kind: str, observed: Observed, stirred: Stirred
) -> None:
    _, views = observed()
    policy = stirred(**KINDS[kind])
    station, user, block = torch.tensor([2, 0, 1]), torch.randperm(7), torch.randperm(4)
    with torch.no_grad():
        plain, other = policy.decide(views), policy.decide(moved(views, station, user, block))
        back, where = station.argsort(), user.argsort()
        assert torch.equal(other.station, back[plain.station[:, user]])
        members = plain.user[:, station][:, :, block]
        assert torch.equal(other.user, torch.where(members >= 0, where[members.clamp_min(0)], -1))
        torch.testing.assert_close(other.power, plain.power[:, station][:, :, block], rtol=1e-4, atol=1e-6)
        critic = GraphCritic(8)
        torch.testing.assert_close(
            critic(compared(moved(views, station, user, block), other)),
            critic(compared(views, plain))[:, station],
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", [SMALL, "iot-oma:users=7,small_cells=2,subchannels=4"])
def test_actions_keep_budgets_and_clusters(kind: str, scenario: str, stirred: Stirred) -> None:
    env = IoTEnv(scenario, 2, seed=1)
    policy, obs = stirred(**KINDS[kind]), env.reset()[0]
    for _ in range(6):
        action, _ = policy.act(obs, None, None)
        assert bool((action.power >= 0).all()) and float(action.power.sum((2, 3)).max()) <= 1
        users = action.user
        assert users.shape[3] == env.layers
        held = users[users >= 0]
        assert len(held) and bool((action.power[users < 0] == 0).all())
        network, station, _, _ = (users >= 0).nonzero(as_tuple=True)
        assert torch.equal(action.station[network, held], station)  # only a station's own users
        pairs = users.masked_fill(users < 0, -1).sort(3).values
        assert not bool(((pairs[..., 1:] == pairs[..., :-1]) & (pairs[..., 1:] >= 0)).any())
        obs = env.step(action).obs


def test_agents_run_at_other_sizes(observed: Observed, stirred: Stirred) -> None:
    policy, critic = stirred(), GraphCritic(8)
    sizes = [sum(p.numel() for p in module.parameters()) for module in (policy, critic)]
    for scenario in ("iot-noma:users=3,small_cells=3,subchannels=10", "iot-oma:users=15,small_cells=5,subchannels=6"):
        env, views = observed(scenario, 1, 1)
        action, _ = policy.act(env.observe("global"), None, None)
        value = critic(compared(views, action))
        assert torch.isfinite(value).all() and value.shape == (1, env.num_stations)
    assert sizes == [sum(p.numel() for p in module.parameters()) for module in (policy, critic)]


def test_individual_agents_start_apart_and_are_batched(observed: Observed, stirred: Stirred) -> None:
    _, views = observed()
    policy = stirred(agents=3)
    states = policy.encode(views)
    with torch.no_grad():
        policy.value[-1].weight[1] += 1.0
    changed = policy.value(states.station) - stirred(agents=3).value(states.station)
    assert bool((changed[:, 1] != 0).all()) and bool((changed[:, [0, 2]] == 0).all())


def test_attention_prefers_what_resembles_the_users_served() -> None:
    torch.manual_seed(0)
    layer, plain = InterferenceAttention(4, 1), InterferenceAttention(4, 1, attend=False)
    plain.load_state_dict(layer.state_dict())
    channel, heard = torch.randn(1, 2, 5, 4), torch.ones(1, 2, 5, dtype=torch.bool)
    heard[0, 0, 3] = False
    served = torch.randn(1, 2, 4)
    query = served @ layer.query.weight.T + layer.query.bias
    score = (channel[0, 0] @ query[0, 0]) / 2
    weight = torch.softmax(score.masked_fill(~heard[0, 0], -torch.inf), 0)
    expected = layer.value(weight @ channel[0, 0])
    torch.testing.assert_close(layer(channel, served, heard)[0, 0], expected)
    mean = channel[0, 0][heard[0, 0]].mean(0)
    torch.testing.assert_close(plain(channel, served, heard)[0, 0], layer.value(mean))


def test_bad_options_are_refused() -> None:
    for name in ("scope", "discrete", "power"):
        with pytest.raises(ValueError, match=f"{name}: got 'all'"):
            HybridMADDPG(**{name: "all"})  # type: ignore[arg-type]


@pytest.mark.parametrize("dueling", [True, False])
def test_value_of_a_choice_by_loop(dueling: bool, observed: Observed, stirred: Stirred) -> None:
    _, views = observed()
    policy = stirred(dueling=dueling)
    agents = policy.encode(views)
    best = policy.choose(views, agents)
    torch.manual_seed(3)
    other = policy.choose(views, agents, torch.randn(2, 3, 7), torch.randn(2, 3, 7, 4))
    assert not torch.equal(other.station, best.station)
    found = policy.discrete_value(views, agents, other)
    weight = torch.nn.functional.softplus(policy.weights)
    for b in range(2):
        for n in range(3):
            expected = policy.value(agents.station)[b, n, 0]
            for choice, sign in ((other, 1), (best, -1)) if dueling else ((other, 1),):
                edge = sum(choice.edge_bid[b, n, u] for u in range(7) if choice.station[b, u] == n)
                pair = sum(choice.pair_bid[b, u, s] for s in range(4) for u in choice.user[b, n, s].tolist() if u >= 0)
                expected = expected + sign * (weight[0] * edge * 3 / 7 + weight[1] * pair / 4)
            torch.testing.assert_close(found[b, n], expected, rtol=1e-4, atol=1e-5)
    state = policy.value(agents.station).squeeze(2)
    assert torch.equal(policy.discrete_value(views, agents, best), state) == dueling


def test_a_schedule_without_clusters_sends_nothing(observed: Observed, stirred: Stirred) -> None:
    _, views = observed()
    policy, empty = stirred(), torch.full((2, 3, 4, 2), -1)
    choice = policy.taken(views, policy.encode(views), torch.full((2, 7), -1), empty)
    share = policy.shares(views, policy.encode(views), choice)
    assert not bool(share.any())
    assert torch.isfinite(GraphCritic(8)(compared(views, Schedule(choice.station, empty, share)))).all()


@pytest.mark.parametrize("kind", ["full", "paper", "central"])
def test_a_canary_outside_a_stations_view_changes_nothing_of_its_decision(kind: str, stirred: Stirred) -> None:
    """At the level that agents declare: all of the station's network counts, nothing of the other one."""
    env, policy = IoTEnv(SMALL, 2, seed=3), stirred(**KINDS[kind])
    obs, _ = env.reset()
    for _ in range(3):
        obs = env.step(policy.act(obs, None, None)[0]).obs
    before, _ = policy.act(obs, None, None)
    for station in range(6):
        observed = canary(env.observe(policy.level), policy.level, station, torch.Generator().manual_seed(station))
        after, _ = policy.act(observed, None, None)
        own, other = station // 3, 1 - station // 3
        for one, two in zip(vars(before).values(), vars(after).values(), strict=True):
            assert torch.equal(one[own], two[own])
        assert not torch.equal(before.power[other], after.power[other]), "the canary changed nothing"
