"""Tuning of trained cells' decisions: numbers by network, and limits."""

import pytest
import torch

from hetgraph.envs import HandoverTrafficEnv, rollout
from hetgraph.graph import roaming
from hetgraph.graph.traffic import Flows
from hetgraph.models import OffsetQMIX
from hetgraph.radio import traffic_policy
from hetgraph.trainers.handover.offset_tuning import MOST, DecisionParameters, OffsetDecisions, tuned_decisions

SMALL = roaming(5, 20, "handover-traffic")


@pytest.fixture
def agents() -> OffsetQMIX:
    """Untrained cells whose values differ enough for softness to matter."""
    torch.manual_seed(1)
    return OffsetQMIX(8, hops=1, margin_db=0.5).eval()


@pytest.fixture
def env() -> HandoverTrafficEnv:
    """Two busy networks."""
    return HandoverTrafficEnv(SMALL, 2, steps=8, flows=Flows(load_bps=6e6), seed=3)


def test_each_network_has_decisions_at_its_own_numbers(agents: OffsetQMIX, env: HandoverTrafficEnv) -> None:
    softness, margin = torch.tensor([0.3, 1.1]), torch.tensor([1.2, 2.0])
    obs = env.observe("neighbourhood")
    both, _ = OffsetDecisions(DecisionParameters(softness, margin), agents).act(obs, None, None)
    assert both.offset_db is not None and both.margin_db is not None
    for row in range(2):
        agents.softness, agents.margin_db = float(softness[row]), float(margin[row])
        alone, _ = agents.act(obs, None, None)
        assert alone.offset_db is not None and alone.margin_db is not None
        torch.testing.assert_close(both.offset_db[row], alone.offset_db[row])
        assert both.margin_db[row] == alone.margin_db[row]
    assert not torch.equal(both.offset_db[1], agents.act(obs, None, None)[0].offset_db[0])


def test_tuned_numbers_are_no_worse_than_the_model_s_within_the_limits_of_the_rule(
    agents: OffsetQMIX, env: HandoverTrafficEnv
) -> None:
    rule = traffic_policy("a3")
    kept = env.state_dict()["state"]
    found, cost = tuned_decisions(agents, rule, env, 24)
    assert all(torch.equal(value, env.state_dict()["state"][name]) for name, value in kept.items())
    policies = {"rule": rule, "tuned": OffsetDecisions(found, agents)}
    policies["present"] = OffsetDecisions(DecisionParameters(agents.softness, 1.0), agents)
    kpis = rollout(env, policies, seed=3).values  # from the same state on
    mean = {name: {kpi: float(value.mean()) for kpi, value in each.items()} for name, each in kpis.items()}

    def costs(name: str) -> float:
        over = (max(mean[name][kpi] - share * mean["rule"][kpi], 0) for kpi, share in MOST.items())
        return mean[name]["mean_delay_s"] + 10 * sum(over)

    assert cost == pytest.approx(costs("tuned"), rel=1e-3)
    assert cost <= costs("present") * (1 + 1e-3)
