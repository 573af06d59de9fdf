"""Hybrid agents of IoT networks: rules when untrained, permutations, sizes, limits, gradients."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import CHANNEL
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot import priors
from hetgraph.models.iot.critic import GraphCritic, compared
from hetgraph.models.iot.promise import promise
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


def stirred(**options: Any) -> HybridMADDPG:
    """Agents whose last layers say something."""
    torch.manual_seed(1)
    policy = HybridMADDPG(hidden=8, **options)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return policy


def seen(scenario: str = SMALL, networks: int = 2, slots: int = 3) -> tuple[IoTEnv, IoTViews]:
    env, policy = IoTEnv(scenario, networks, seed=3), HybridMADDPG(hidden=4)
    obs, _ = env.reset()
    for _ in range(slots):
        obs = env.step(policy.act(obs, None, None)[0]).obs
    views = policy.views(obs)
    tables = {name: value.clone() for name, value in vars(views.spectrum).items() if isinstance(value, Tensor)}
    rest = {name: value.clone() for name, value in vars(views).items() if isinstance(value, Tensor)}
    return env, replace(views, spectrum=replace(views.spectrum, **tables), **rest)


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
def test_decisions_follow_permutations_of_stations_users_and_subchannels(kind: str) -> None:
    _, views = seen()
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


def test_untrained_agents_are_their_rules() -> None:
    _, views = seen()
    policy, view = HybridMADDPG(hidden=8), views.spectrum
    with torch.no_grad():
        action = policy.decide(views)
    serves = torch.zeros_like(view.rsrp_dbm).scatter(
        2, view.station.clamp_min(0).unsqueeze(2), float(policy.rule.stay_db)
    )
    offer = view.rsrp_dbm + serves - policy.rule.budget * 10 * view.power_max_w.log10().unsqueeze(1)
    assert torch.equal(action.station, offer.argmax(2))
    sinr = priors.expected_sinr(view, action.station)
    power = policy.rule.powers(view, action.user, sinr, policy.reported(views)[1])
    torch.testing.assert_close(action.power, power, rtol=2e-3, atol=1e-6)
    assert not torch.equal(stirred().decide(views).power, action.power)


def test_harm_is_what_others_lose_by_loop() -> None:
    _, views = seen()
    view, found = views.spectrum, priors.harm(views)
    for b in range(2):
        for n in range(3):
            for s in range(4):
                lost = 0.0
                for u in range(7):
                    if views.signal_w[b, u, s] and view.station[b, u] != n:
                        heard = view.gain[b, u, n, s] * view.power_max_w[b, n] / 4 / view.interference_w[b, u, s]
                        lost += float(heard.log1p())
                assert float(found[b, n, s]) == pytest.approx(lost, rel=1e-4)
    assert bool((found > 0).any())


def test_announced_prices_are_what_a_little_interference_costs_by_loop() -> None:
    _, views = seen()
    view, weight = views.spectrum, priors.urgency(views.spectrum).double()
    found = priors.announced_price(views, weight.float())
    for b in range(2):
        for n in range(3):
            for s in range(4):
                cost = 0.0
                for u in range(7):
                    if view.station[b, u] != n:
                        signal, heard = views.signal_w[b, u, s].double(), view.interference_w[b, u, s].double()
                        more = 1e-6 * heard  # of interference; the rate falls by so many nats:
                        loss = (signal / heard).log1p() - (signal / (heard + more)).log1p()
                        cost += float(weight[b, u] * loss / more * view.gain[b, u, n, s] * view.power_max_w[b, n])
                assert float(found[b, n, s]) == pytest.approx(cost, rel=1e-3, abs=1e-9)
    assert bool((found > 0).any())


def test_constants_of_the_rule_travel_with_the_weights() -> None:
    _, views = seen()
    changed, plain = HybridMADDPG(hidden=8, rule={"price": 30.0, "margin": 0.2}), HybridMADDPG(hidden=8)
    torch.testing.assert_close(changed.decide(views).station, plain.decide(views).station)
    assert not torch.allclose(changed.decide(views).power, plain.decide(views).power)
    plain.load_state_dict(changed.state_dict())
    assert torch.equal(changed.decide(views).power, plain.decide(views).power)


def test_expected_sinr_is_that_of_the_candidates_interference() -> None:
    _, views = seen()
    view = views.spectrum
    every = view.gain * (view.power_max_w / 4).reshape(2, 1, 3, 1) / view.candidate_interference_w()
    for n in range(3):
        station = torch.full((2, 7), n)
        torch.testing.assert_close(priors.expected_sinr(view, station), every[:, :, n], rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", [SMALL, "iot-oma:users=7,small_cells=2,subchannels=4"])
def test_actions_keep_budgets_and_clusters(kind: str, scenario: str) -> None:
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


def test_agents_run_at_other_sizes() -> None:
    policy, critic = stirred(), GraphCritic(8)
    sizes = [sum(p.numel() for p in module.parameters()) for module in (policy, critic)]
    for scenario in ("iot-noma:users=3,small_cells=3,subchannels=10", "iot-oma:users=15,small_cells=5,subchannels=6"):
        env, views = seen(scenario, 1, 1)
        action, _ = policy.act(env.observe("global"), None, None)
        value = critic(compared(views, action))
        assert torch.isfinite(value).all() and value.shape == (1, env.num_stations)
    assert sizes == [sum(p.numel() for p in module.parameters()) for module in (policy, critic)]


def test_individual_agents_start_apart_and_are_batched() -> None:
    _, views = seen()
    policy = stirred(agents=3)
    states = policy.encode(views)
    with torch.no_grad():
        policy.value[-1].weight[1] += 1.0
    changed = policy.value(states.station) - stirred(agents=3).value(states.station)
    assert bool((changed[:, 1] != 0).all()) and bool((changed[:, [0, 2]] == 0).all())


def test_promised_bits_and_rewards_are_the_environments() -> None:
    """With nothing fading and all that was promised waiting, the promise is what the environment serves."""
    env, _ = seen(slots=0)
    env.channels.gain_before = env.channels.gain
    policy = HybridMADDPG(hidden=4)
    views = policy.views(env.observe("genie"))
    action, _ = policy.act(env.observe("genie"), None, None)
    found = promise(views, action)
    step = env.step(action)
    served = step.info["served_bits"].float()
    torch.testing.assert_close(found.served, served, rtol=1e-3, atol=2.0)
    torch.testing.assert_close(found.reward[:, 0, 1], step.info["bit_per_j"].float() / 1e6, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(10 * found.reward[..., 2], step.info["interference_db"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("prior", [True, False])
def test_gradients_reach_the_actor_and_are_finite(prior: bool) -> None:
    _, views = seen()
    torch.manual_seed(0)
    policy, critic = HybridMADDPG(hidden=8, prior=prior), GraphCritic(8, prior)
    for _ in range(2):  # after one step the layers before the last ones have a gradient, too
        action = policy.decide(views)
        policy.zero_grad()
        critic(compared(views, action)).mean().backward()
        grads = [p.grad for p in policy.parameters() if p.grad is not None]
        assert all(bool(torch.isfinite(g).all()) for g in grads)
        with torch.no_grad():
            for parameter in policy.parameters():
                if parameter.grad is not None:
                    parameter += 0.1 * parameter.grad
    encoder = policy.encoder
    reached = (
        policy.powers.layer.out.weight.grad,
        encoder.attention.query.weight.grad,
        encoder.graph.layers.enter["ue"].weight.grad,
    )
    assert all(g is not None and bool((g != 0).any()) for g in reached)


def test_untrained_critics_say_what_is_promised_and_value_the_reference_alone() -> None:
    _, views = seen()
    policy = stirred()
    with torch.no_grad():
        action = policy.decide(views)
        agents = policy.encode(views)
        choice = policy.taken(views, agents, action.station, action.user)
        critic, reference = GraphCritic(8), policy.reference(views, agents, choice)
        assert torch.equal(policy.shares(views, agents, choice), policy.shares(views, agents, choice, rule=reference))
        assert torch.equal(policy.shares(views, agents, choice), action.power)
        found = compared(views, action, reference)
        torch.testing.assert_close(critic(found), promise(views, action).reward @ critic.first)
        for parameter in critic.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        alone = compared(views, Schedule(action.station, action.user, reference), reference)
        at_reference = critic(alone)
        for name in ("gain", "first"):  # what compares powers has no say where they are the reference
            for parameter in [critic.first] if name == "first" else critic.gain.parameters():
                parameter.add_(torch.randn_like(parameter))
        again = critic(alone)
        torch.testing.assert_close(again, at_reference, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(critic(found), again)


def test_columns_of_edges_by_loop() -> None:
    """Full power without fading over noise, over what was received of other stations, and over the best; fading; who serves."""
    env, views = seen(slots=2)
    graph, found = env.observe("global"), views.edge_x
    edges, s = graph["bs", "channel", "ue"], env.num_subchannels
    rsrp, gain = edges.rsrp_dbm.reshape(2, 7, 3), edges.gain.reshape(2, 7, 3, s)
    power, noise = graph["bs"].power_w.reshape(2, 3, s), graph["ue"].noise_w.reshape(2, 7, s)
    budget = graph["bs"].power_max_w.reshape(2, 3)
    for b in range(2):
        for u in range(7):
            for n in range(3):
                level_db = float(rsrp[b, u, n]) - 30
                floor = float(noise[b, u].sum())
                others = sum(float((gain[b, u, m] * power[b, m]).sum()) for m in range(3) if m != n)
                mean = float(gain[b, u, n].mean() * budget[b, n])
                expected = [
                    (level_db - 10 * math.log10(floor) - 30) / 20,
                    (level_db - 10 * math.log10(floor + others) - 10) / 15,
                    (float(rsrp[b, u, n] - rsrp[b, u].max()) + 15) / 15,
                    (10 * math.log10(mean) - level_db) / 3,
                    float(env.station[b, u] == n),
                ]
                cut = [max(min(value, 10), -10) for value in expected]
                assert found[b, n, u].tolist() == pytest.approx(cut, rel=1e-3, abs=2e-3)


def columns(views: IoTViews) -> list[Tensor]:
    return [*views.inputs["x_dict"].values(), *views.inputs["edge_attr_dict"].values()]


def test_packed_views_are_close_and_small() -> None:
    env, views = seen()
    rows = env.pack()
    again = HybridMADDPG(hidden=4).views(env.unpack(rows, "global"))
    for name in ("gain", "rsrp_dbm", "interference_w", "queue_bits", "power_w", "noise_w"):
        torch.testing.assert_close(getattr(again.spectrum, name), getattr(views.spectrum, name), rtol=2e-2, atol=0.05)
    assert torch.equal(again.spectrum.station, views.spectrum.station)
    for kept, first in zip(columns(again), columns(views), strict=True):
        torch.testing.assert_close(kept, first, rtol=1e-2, atol=2e-2)
    assert rows["channel.gain"].dtype == torch.float16 and (rows["channel.gain"].float() < -60).any()
    assert sum(value[0].nbytes for value in rows.values()) < 0.6 * sum(
        value[0].nbytes
        for value in (*vars(views.spectrum).values(), *vars(views).values(), *columns(views))
        if isinstance(value, Tensor)
    )


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
def test_value_of_a_choice_by_loop(dueling: bool) -> None:
    _, views = seen()
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


def test_without_reports_subchannels_of_others_do_not_count() -> None:
    """What the users of others heard on subchannels changes the powers of agents only where they report it; its mean is a feature."""
    _, views = seen()
    view = views.spectrum
    for reports in (True, False):
        policy = stirred(reports=reports)
        agents = policy.encode(views)
        assert bool(agents.harm.any()) == bool(agents.price.any()) == reports
        choice = policy.choose(views, agents)
        louder = torch.where((choice.station == 0).unsqueeze(2), view.interference_w, 10 * view.interference_w)
        other = replace(views, spectrum=replace(view, interference_w=louder))  # features stay
        with torch.no_grad():
            before, after = (policy.shares(v, policy.encode(v), choice)[:, 0] for v in (views, other))
        assert bool(before.any()) and torch.equal(before, after) != reports


def test_a_schedule_without_clusters_sends_nothing() -> None:
    _, views = seen()
    policy, empty = stirred(), torch.full((2, 3, 4, 2), -1)
    choice = policy.taken(views, policy.encode(views), torch.full((2, 7), -1), empty)
    share = policy.shares(views, policy.encode(views), choice)
    assert not bool(share.any())
    assert torch.isfinite(GraphCritic(8)(compared(views, Schedule(choice.station, empty, share)))).all()


def test_parts_of_the_rule_are_the_rule() -> None:
    """Agents that take a part of their decision from the rule decide as untrained ones, whatever their weights of that part say."""
    env = IoTEnv("iot-noma:users=12,small_cells=2,subchannels=4,load=4", 2)
    for _ in range(3):
        plain, _ = HybridMADDPG(8).act(env.observe("global"), None, None)
        views = HybridMADDPG(8).views(env.observe("global"))
        for options in ({"discrete": "rule"}, {"power": "rule"}, {"discrete": "rule", "power": "rule"}):
            agents = HybridMADDPG(8, **options)  # type: ignore[arg-type]
            heads = [agents.bids] if "discrete" in options else []
            for head in (*heads, *([agents.powers] if "power" in options else [])):
                for parameter in head.parameters():
                    torch.nn.init.normal_(parameter)
            with torch.no_grad():
                found = agents.decide(views)
            assert torch.equal(found.station, plain.station) and torch.equal(found.user, plain.user)
            # Silence has a thousandth of the logits' softmax, of the rule's powers nothing.
            torch.testing.assert_close(found.power, plain.power, rtol=1.1e-3, atol=1e-6)
        env.step(plain)
    with pytest.raises(ValueError, match="prior: got False"):
        HybridMADDPG(8, prior=False, power="rule")


@pytest.mark.parametrize("kind", ["full", "paper", "central"])
def test_a_canary_outside_a_stations_view_changes_nothing_of_its_decision(kind: str) -> None:
    """At the level that agents declare: all of the station's network counts, nothing of the other one."""
    env, policy = IoTEnv(SMALL, 2, seed=3), stirred(**KINDS[kind])
    obs, _ = env.reset()
    for _ in range(3):
        obs = env.step(policy.act(obs, None, None)[0]).obs
    before, _ = policy.act(obs, None, None)
    for station in range(6):
        seen = canary(env.observe(policy.level), policy.level, station, torch.Generator().manual_seed(station))
        after, _ = policy.act(seen, None, None)
        own, other = station // 3, 1 - station // 3
        for one, two in zip(vars(before).values(), vars(after).values(), strict=True):
            assert torch.equal(one[own], two[own])
        assert not torch.equal(before.power[other], after.power[other]), "the canary changed nothing"
