"""Rules of IoT agents by loop, and agents that are their rules."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot import priors
from hetgraph.models.iot.views import IoTViews

Observed = Callable[..., tuple[IoTEnv, IoTViews]]
Stirred = Callable[..., HybridMADDPG]


def test_untrained_agents_are_their_rules(observed: Observed, stirred: Stirred) -> None:
    _, views = observed()
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


def test_harm_is_what_others_lose_by_loop(observed: Observed) -> None:
    _, views = observed()
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


def test_announced_prices_are_what_a_little_interference_costs_by_loop(observed: Observed) -> None:
    _, views = observed()
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


def test_constants_of_the_rule_travel_with_the_weights(observed: Observed) -> None:
    _, views = observed()
    changed, plain = HybridMADDPG(hidden=8, rule={"price": 30.0, "margin": 0.2}), HybridMADDPG(hidden=8)
    torch.testing.assert_close(changed.decide(views).station, plain.decide(views).station)
    assert not torch.allclose(changed.decide(views).power, plain.decide(views).power)
    plain.load_state_dict(changed.state_dict())
    assert torch.equal(changed.decide(views).power, plain.decide(views).power)


def test_expected_sinr_is_that_of_the_candidates_interference(observed: Observed) -> None:
    _, views = observed()
    view = views.spectrum
    every = view.gain * (view.power_max_w / 4).reshape(2, 1, 3, 1) / view.candidate_interference_w()
    for n in range(3):
        station = torch.full((2, 7), n)
        torch.testing.assert_close(priors.expected_sinr(view, station), every[:, :, n], rtol=1e-5, atol=0)


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


def test_without_reports_subchannels_of_others_do_not_count(observed: Observed, stirred: Stirred) -> None:
    """What the users of others heard on subchannels changes the powers of agents only where they report it; its mean is a feature."""
    _, views = observed()
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
