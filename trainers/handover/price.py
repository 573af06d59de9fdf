"""The price of a handover that fits how users move."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from rich.progress import track

from hetgraph.envs import HandoverEnv
from hetgraph.envs.handover.rules import Announced
from hetgraph.envs.handover.search_rules import Negotiated
from hetgraph.envs.rollout import rollout
from hetgraph.models import GraphQMIX
from hetgraph.radio.handover import HandoverAction
from hetgraph.radio.policy import Policy

GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
CROWDING = (0.0, 0.01, 0.02, 0.03, 0.04, 0.06)


def fitted_price(
    env: HandoverEnv,
    rule: Callable[[float], Policy[HandoverAction]] = Announced,
    *,
    seed: int,
    grid: Sequence[float] = GRID,
) -> float:
    """Number with which a rule's utility is largest in the mean over an episode of all networks.

    It is where a parabola through the utilities has its top, of which few networks say more than which of them is the largest;
    where it has none between the ends, the largest one counts. Users on foot want another price than phones in cars: who leaves
    a cell too early cannot come back before it is stronger by the margin.

    Args:
        env: networks.
        rule: makes the rule from a number, a price of handovers by default.
        seed: of the episode.
        grid: numbers that are tried, three or more.

    Raises:
        ValueError: a smaller grid.
    """
    if len(grid) < 3:
        raise ValueError(f"grid: got {len(grid)} numbers, expected at least 3")
    tried = track(grid, "Fitting the price of a handover", transient=True, disable=not sys.stderr.isatty())
    utility = [float(rollout(env, {"rule": rule(number)}, seed=seed).values["rule"]["anu"].mean()) for number in tried]
    square, slope, _ = np.polyfit(grid, utility, 2)
    top = -slope / (2 * square) if square < 0 else -np.inf
    return float(top) if min(grid) < top < max(grid) else grid[utility.index(max(utility))]


def fit_price(policy: GraphQMIX, networks: Callable[[], HandoverEnv], *, seed: int) -> None:
    """Fit the price of a handover for agents that announce where they go, where their options leave it open.

    First the price, with the crowding that the options give or none, and then the crowding.

    Args:
        policy: the agents; their weights hold the price.
        networks: makes the networks.
        seed: of the episode.
    """
    if not policy.intentions or None not in (policy.patience_of_all, policy.crowding_of_all):
        return
    env = networks()
    if policy.crowding_of_all is None:
        policy.get_buffer("crowding").zero_()
    rule: Callable[..., Policy[HandoverAction]] = partial(Announced, rounds=policy.intentions)
    if policy.agreements:
        rule = partial(Negotiated, agreements=policy.agreements, rounds=policy.intentions)
    if policy.patience_of_all is None:
        price = fitted_price(env, partial(rule, crowding=policy.price()[1]), seed=seed)
        policy.get_buffer("patience").fill_(price)
    if policy.crowding_of_all is None:
        patience, _ = policy.price()
        price = fitted_price(env, lambda crowding: rule(patience, crowding=crowding), seed=seed, grid=CROWDING)
        policy.get_buffer("crowding").fill_(price)
