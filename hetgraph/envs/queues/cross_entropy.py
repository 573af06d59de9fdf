"""Cross-entropy method: tune a rule's numbers on whole populations of networks at once."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from hetgraph.envs.queues.cellular import CellularEnv
from hetgraph.envs.queues.local_score import SPREAD, START, LocalScore
from hetgraph.envs.rollout import rollout
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.streams import stream


def cross_entropy(
    cost: Callable[[Tensor], Tensor],
    mean: Sequence[float],
    spread: Sequence[float],
    *,
    population: int,
    elites: int,
    generations: int,
    generator: Generator,
) -> Tensor:
    """Minimise a noisy cost (Rubinstein 1999): draw from a normal distribution and fit it to the best, over and over.

    Args:
        cost: costs ``[P]`` of candidates ``[P, K]``.
        mean: of the first generation ``[K]``.
        spread: standard deviation of the first generation ``[K]``.
        population: candidates P of a generation.
        elites: how many of them the next one is fitted to.
        generations: number of generations.
        generator: random numbers.

    Returns:
        Mean of the last distribution ``[K]``.
    """
    centre, width = torch.tensor(mean), torch.tensor(spread)
    floor = width / 50
    for _ in range(generations):
        drawn = centre + width * torch.randn(population, len(centre), generator=generator)
        drawn[0] = centre
        best = drawn[cost(drawn).argsort()[:elites]]
        centre, width = best.mean(0), best.std(0).maximum(floor)
    return centre


def network_means(delays: Tensor, network: Tensor, networks: int) -> Tensor:
    """Mean delay of each network's packets ``[B]``."""
    count = torch.bincount(network, minlength=networks).clamp_min(1)
    return torch.bincount(network, delays.double(), minlength=networks) / count


def tune_local_score(
    scenario: str | Scenario,
    load: float,
    *,
    layouts: int = 8,
    slots: int = 300,
    population: int = 40,
    elites: int = 8,
    generations: int = 15,
    seed: int = 0,
) -> LocalScore:
    """The nine-parameter rule, tuned to a kind of network and a load.

    The cost of a candidate is the mean over training layouts of the logarithm of the mean delay, so that no layout counts more than
    another; candidates meet the same layouts.

    Args:
        scenario: see :class:`~hetgraph.envs.CellularEnv`.
        load: mean packets per device and second.
        layouts: training layouts.
        slots: slots of an episode.
        population: see :func:`cross_entropy`, as for the next two.
        elites: how many are kept.
        generations: number of generations.
        seed: of layouts, traffic and candidates.
    """
    env = CellularEnv(
        scenario,
        population * layouts,
        load=load,
        layouts=layouts,
        layout_seed=seed,
        record=True,
        episode_slots=slots,
    )
    episode = iter(range(seed, seed + generations))

    def cost(candidates: Tensor) -> Tensor:
        policy = LocalScore(candidates.repeat_interleave(layouts, 0))
        rollout(env, {policy.name: policy}, seed=next(episode))
        delays = env.delays()
        means = network_means(delays.total, delays.network, env.num_envs)
        return means.log().reshape(population, layouts).mean(1)

    weights = cross_entropy(
        cost,
        START,
        SPREAD,
        population=population,
        elites=elites,
        generations=generations,
        generator=stream(seed, 0, "candidates"),
    )
    return LocalScore(weights)
