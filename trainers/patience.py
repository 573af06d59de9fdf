"""The price of a handover that fits how users move."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from rich.progress import track

from hetgraph.envs import HandoverEnv
from hetgraph.envs.handover_episodes import Moves, run_handovers
from hetgraph.envs.mover_search import Negotiated
from hetgraph.envs.movers import Announced
from hetgraph.models import GraphQMIX

GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def fitted_patience(
    env: HandoverEnv, rule: Callable[[float], Moves] = Announced, *, seed: int, grid: Sequence[float] = GRID
) -> float:
    """Patience with which a rule's utility is largest in the mean over an episode of all networks.

    It is where a parabola through the utilities has its top, of which few networks say more than which of them is the largest;
    where it has none between the ends, the largest one counts. Users on foot want another price than phones in cars: who leaves
    a cell too early cannot come back before it is stronger by the margin.

    Args:
        env: networks.
        rule: makes the rule from a patience.
        seed: of the episode.
        grid: patiences that are tried, three or more.

    Raises:
        ValueError: a smaller grid.
    """
    if len(grid) < 3:
        raise ValueError(f"grid: got {len(grid)} patiences, expected at least 3")
    tried = track(grid, "Fitting the price of a handover", transient=True, disable=not sys.stderr.isatty())
    utility = [float(run_handovers(env, rule(patience), seed=seed)["anu"].mean()) for patience in tried]
    square, slope, _ = np.polyfit(grid, utility, 2)
    top = -slope / (2 * square) if square < 0 else -np.inf
    return float(top) if min(grid) < top < max(grid) else grid[utility.index(max(utility))]


def fit_patience(policy: GraphQMIX, networks: Callable[[], HandoverEnv], *, seed: int) -> None:
    """Fit the price of a handover for agents that announce where they go, where their options leave it open.

    Args:
        policy: the agents; their weights hold the price.
        networks: makes the networks.
        seed: of the episode.
    """
    if policy.intentions and policy.patience_of_all is None:
        rule: Callable[[float], Moves] = (
            partial(Negotiated, crowding=policy.crowding) if policy.agreements else Announced
        )
        policy.get_buffer("patience").fill_(fitted_patience(networks(), rule, seed=seed))
