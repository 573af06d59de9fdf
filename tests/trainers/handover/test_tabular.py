"""Q-learning of handovers with a table."""

from collections.abc import Callable

from hetgraph.envs import HandoverEnv, HandoverWeights
from hetgraph.envs.handover.rules import Stay
from hetgraph.graph.trajectories import Trajectories
from hetgraph.radio.handover import HandoverRule
from hetgraph.trainers.handover.tabular import handover_q_learning

U = 14


def test_a_table_learns_to_follow_the_strongest_cell(
    walks: Callable[..., Trajectories], mean_utility: Callable[..., float]
) -> None:
    """Users who walk away from their cell do better with a table than by staying."""
    env = HandoverEnv(walks(0, 8), 8, rule=HandoverRule(max_users=U), steps=10, weights=HandoverWeights(utility=1.0))
    learned = handover_q_learning(env, episodes=30, progress=False)
    held_out = HandoverEnv(walks(9, 8), 8, rule=HandoverRule(max_users=U), steps=10)
    utility = {name: mean_utility(held_out, rule, 0) for name, rule in (("table", learned), ("stay", Stay()))}
    assert utility["table"] > 1.1 * utility["stay"]
