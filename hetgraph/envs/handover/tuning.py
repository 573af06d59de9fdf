"""Numbers of a rule for handovers with traffic, tuned on validation networks: random search, then the cross-entropy method."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs.handover.traffic_env import HandoverTrafficEnv
from hetgraph.envs.handover.traffic_rules import TrafficRule
from hetgraph.envs.queues.cross_entropy import cross_entropy
from hetgraph.envs.rollout import play
from hetgraph.graph.streams import stream

POPULATION, ELITES = 20, 5
RANDOM_SHARE = 0.5  # of the draws
OVER = 10.0  # seconds of delay that a handover a minute above the limit costs


@dataclass(frozen=True)
class Tuned:
    """A tuned rule and the search that led to it.

    Args:
        rule: with the best numbers.
        cost: of these.
        tried: all numbers that were tried ``[draws, M]``, in the order of the parameters' ``ranges``.
        costs: theirs ``[draws]``.
    """

    rule: TrafficRule[Any]
    cost: float
    tried: Tensor
    costs: Tensor


def tune(
    rule: TrafficRule[Any],
    draws: int,
    env: HandoverTrafficEnv,
    *,
    indicator: str = "mean_delay_s",
    most_handovers: float | None = None,
    seed: int = 0,
) -> Tuned:
    """The best of some draws of a rule's numbers; the first draw are its present ones.

    All candidates meet the same networks, walks and traffic: an episode of the environment, from its present state on.

    Args:
        rule: whose parameters have ranges.
        draws: candidates that are tried, in populations of 20.
        env: validation networks.
        indicator: that is minimised, the mean over networks.
        most_handovers: handovers of a user in a minute that are allowed; more cost.
        seed: of the candidates.

    Raises:
        ValueError: a rule without parameters, or fewer than two draws.
    """
    ranges = getattr(rule.parameters, "ranges", {})
    if not ranges or draws < 2:
        raise ValueError(f"tune: got {len(ranges)} parameters and {draws} draws, expected 1 and 2 or more")
    low, high = torch.tensor(list(ranges.values())).T
    tried, costs, kind = list[Tensor](), list[Tensor](), type(rule.parameters)
    generator = stream(seed, 0, f"tune/{rule.name}")

    def cost(candidates: Tensor) -> Tensor:
        values = candidates.clamp(low, high)
        tried.append(values)
        costs.append(_costs(rule.with_parameters(kind.of(values.repeat(env.num_envs, 1))), len(values), env, limits))
        return costs[-1]

    limits = (indicator, most_handovers)
    first = torch.tensor([[float(getattr(rule.parameters, name)) for name in ranges]])
    generations = int((1 - RANDOM_SHARE) * draws) // POPULATION
    count = draws - generations * POPULATION - (2 if generations else 1)
    spread = low + (high - low) * torch.rand(max(count, 0), len(low), generator=generator)
    for part in torch.split(torch.cat([first, spread]), POPULATION):
        cost(part)
    if generations:
        centre = torch.cat(tried)[torch.cat(costs).argmin()].tolist()
        width = ((high - low) / 6).tolist()
        sizes = {"population": POPULATION, "elites": ELITES, "generations": generations}
        mean = cross_entropy(cost, centre, width, **sizes, generator=generator)
        cost(mean.unsqueeze(0))
    every, result = torch.cat(tried), torch.cat(costs)
    best = int(result.argmin())
    return Tuned(rule.with_parameters(kind.of(every[best])), float(result[best]), every, result)


def _costs(
    rule: TrafficRule[Any], candidates: int, env: HandoverTrafficEnv, limits: tuple[str, float | None]
) -> Tensor:
    """Costs of candidates ``[P]``: the rule has numbers of each, candidate after candidate for each network."""
    row = torch.arange(env.num_envs, device=env.device).repeat_interleave(candidates)
    many = env.branch(env.drawn.networks(row), row)
    kpis: dict[str, Tensor] = {}
    for _, step in play(many, rule.name, rule, stream(0, 0, "policy")):
        kpis = step.info.get("episode", kpis)
    indicator, most = limits
    cost = kpis[indicator].view(env.num_envs, candidates).mean(0).cpu()
    if most is None:
        return cost
    handovers = kpis["handovers_per_min"].view(env.num_envs, candidates).mean(0).cpu()
    return cost + OVER * (handovers - most).clamp_min(0)
