"""Numbers of the own-view rule, tuned on training networks, as those of the local score for queues are."""

import math
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot.named import wmmse_pf
from hetgraph.envs.queues.cross_entropy import cross_entropy
from hetgraph.envs.rollout import rollout
from hetgraph.graph.streams import stream
from hetgraph.models.iot.own_rule import ROUNDS, OwnViewRule

# Number: mean and deviation at the start; those of which logarithms are drawn are positive.
PLAIN = {"budget": (1.0, 0.2), "rate": (2.0, 0.7), "urgency": (0.5, 0.4), "stay": (0.7, 0.7)}
LOGARITHMIC = {"weight": (0.4, 0.5), "spread": (2.0, 0.4), "margin": (1.2, 0.3), "toll": (0.5, 1.0)}
ENERGY, KEPT = 0.15, 0.5  # weights of bits per joule and of kept promises beside throughput


def tune_own_view(
    scenario: str,
    *,
    networks: int = 8,
    slots: int = 60,
    population: int = 20,
    elites: int = 5,
    generations: int = 8,
    seed: int = 0,
) -> dict[str, float]:
    """Constants of :class:`~hetgraph.models.iot.own_rule.OwnViewRule` for a kind of networks.

    The cost of a candidate is the negative sum of the logarithms of its throughput, its kept promises and its bits per joule over
    those of ``wmmse_pf``, weighted; candidates of a generation meet the same networks.

    Args:
        scenario: preset.
        networks: training networks.
        slots: slots of an episode.
        population: see :func:`~hetgraph.envs.queues.cross_entropy.cross_entropy`, as for the next two.
        elites: how many are kept.
        generations: number of generations.
        seed: of networks and candidates.
    """
    env = IoTEnv(scenario, networks, episode_slots=slots)
    seeds = iter(range(seed, seed + generations))

    def cost(candidates: Tensor) -> Tensor:
        number = next(seeds)
        reference = _score(env, wmmse_pf, number)
        return torch.tensor(
            [reference - _score(env, OwnViewRule(ROUNDS, **constants_of(row)), number) for row in candidates]
        )

    means = [mean for mean, _ in PLAIN.values()] + [math.log(mean) for mean, _ in LOGARITHMIC.values()]
    spreads = [spread for _, spread in (*PLAIN.values(), *LOGARITHMIC.values())]
    best = cross_entropy(
        cost,
        means,
        spreads,
        population=population,
        elites=elites,
        generations=generations,
        generator=stream(seed, 0, "candidates"),
    )
    return constants_of(best)


def constants_of(candidate: Tensor) -> dict[str, float]:
    """Constants by name."""
    plain = dict(zip(PLAIN, candidate.tolist(), strict=False))
    return plain | dict(zip(LOGARITHMIC, candidate[len(PLAIN) :].exp().tolist(), strict=True))


def _score(env: IoTEnv, policy: Any, seed: int) -> float:
    kpis = rollout(env, {"": policy}, seed=seed).values[""]
    throughput, efficiency = kpis["throughput_bps"].mean(), kpis["bit_per_j"].mean()
    kept = (1 - kpis["qos_violation"]).mean()
    return float(throughput.log() + KEPT * kept.clamp_min(1e-3).log() + ENERGY * efficiency.log())
