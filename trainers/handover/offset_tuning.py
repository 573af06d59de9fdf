"""Numbers of trained cells' decisions, tuned on validation networks as those of rules are: softness, and A3's margin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverTrafficEnv
from hetgraph.envs.handover.traffic_rules import Number, Parameters, TrafficRule, of_networks
from hetgraph.envs.handover.tuning import means, tune
from hetgraph.models.offset_qmix import OffsetQMIX
from hetgraph.radio.handover import HandoverAction

MOST = {"handovers_per_min": 1.03, "ping_pongs_per_min": 1.03, "failures_per_min": 0.95}  # of the rule's


@dataclass(frozen=True)
class DecisionParameters(Parameters):
    """Numbers of :class:`~hetgraph.models.OffsetQMIX` that no weight depends on.

    Args:
        softness: temperature, as part of the mean spread of values.
        margin_db: of A3.
    """

    ranges: ClassVar = {"softness": (0.2, 1.2), "margin_db": (1.0, 2.5)}
    softness: Number = 1.0
    margin_db: Number = 1.5


class OffsetDecisions(TrafficRule[DecisionParameters]):
    """Decisions of trained cells at numbers other than the model's.

    Args:
        parameters: the numbers.
        agents: the model.
    """

    name = "qmix-offsets"

    def __init__(self, parameters: DecisionParameters, agents: OffsetQMIX) -> None:
        super().__init__(parameters)
        self.agents, self.level = agents, agents.level

    def with_parameters(self, parameters: DecisionParameters) -> "OffsetDecisions":
        """The same cells at other numbers."""
        return OffsetDecisions(parameters, self.agents)

    def decide(self, obs: HeteroData, state: Any) -> tuple[HandoverAction, Any]:
        """Offsets after the expected changes, and the margin."""
        change_db = self.agents.change_db(self.agents(obs), of_networks(self.parameters.softness, obs))
        margin_db = of_networks(self.parameters.margin_db, obs)
        return self.agents.action(obs["bs"].offset_db.view(change_db.shape) + change_db, margin_db), state


def tuned_decisions(
    agents: OffsetQMIX, rule: Any, env: HandoverTrafficEnv, draws: int, done: Callable[[int], None] | None = None
) -> tuple[DecisionParameters, float]:
    """The numbers with the least mean delay of those with which cells keep limits of a rule's handovers, ping-pongs and failures.

    Args:
        agents: trained model, whose present numbers are the first candidate.
        rule: whose indicators set the limits, see ``MOST``.
        env: validation networks, an episode of which all candidates meet.
        draws: candidates.
        done: called with the number of candidates that were tried, to show progress.

    Returns:
        The numbers, and their mean delay with what is above the limits, s.
    """
    kpis = means(rule, env, tuple(MOST))
    most = {name: share * float(kpis[name]) for name, share in MOST.items()}
    start = DecisionParameters(agents.softness, agents.margin_db)
    tuned = tune(OffsetDecisions(start, agents), draws, env, most=most, done=done)
    assert isinstance(tuned.rule.parameters, DecisionParameters)
    return tuned.rule.parameters, tuned.cost
