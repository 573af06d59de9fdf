"""The price of a handover that fits how users move."""

import sys
from collections.abc import Callable, Sequence

from rich.progress import track

from hetgraph.envs import HandoverEnv
from hetgraph.envs.handover_episodes import Moves, run_handovers
from hetgraph.envs.movers import Announced

GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def fitted_patience(
    env: HandoverEnv, rule: Callable[[float], Moves] = Announced, *, seed: int, grid: Sequence[float] = GRID
) -> float:
    """Patience with which a rule's utility is largest in the mean over an episode of all networks.

    Users who come and go on foot want another one than phones in cars: who leaves a cell too early cannot come back before it
    is stronger by the margin.

    Args:
        env: networks.
        rule: makes the rule from a patience.
        seed: of the episode.
        grid: patiences that are tried; of equals the first is taken.

    Raises:
        ValueError: an empty grid.
    """
    if not grid:
        raise ValueError("grid: got no patience, expected at least one")
    tried = track(grid, "Fitting the price of a handover", transient=True, disable=not sys.stderr.isatty())
    utility = [float(run_handovers(env, rule(patience), seed=seed)["anu"].mean()) for patience in tried]
    return grid[utility.index(max(utility))]
