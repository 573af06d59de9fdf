"""Numbers of a rule for handovers with traffic, tuned on validation networks: random search, then the cross-entropy method."""

from collections.abc import Callable, Mapping, Sequence
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
OVER = 10.0  # seconds of delay that an event a minute above its limit costs
AT_ONCE = 4  # networks that all candidates of a population meet at once


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
    most: Mapping[str, float] | None = None,
    seed: int = 0,
    done: Callable[[int], None] | None = None,
) -> Tuned:
    """The best of some draws of a rule's numbers; the first draw are its present ones.

    All candidates meet the same networks, walks and traffic: an episode of the environment, from its present state on.

    Args:
        rule: whose parameters have ranges.
        draws: candidates that are tried, in populations of 20.
        env: validation networks.
        indicator: that is minimised, the mean over networks.
        most: indicators and what is allowed of each, means over networks; more costs.
        seed: of the candidates.
        done: called with the number of candidates that were tried, to show progress.

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
        costs.append(_costs(rule, values, env, limits))
        if done is not None:
            done(len(values))
        return costs[-1]

    limits = (indicator, most or {})
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
    rule: TrafficRule[Any], values: Tensor, env: HandoverTrafficEnv, limits: tuple[str, Mapping[str, float]]
) -> Tensor:
    """Costs of candidates' numbers ``[P, M]``."""
    indicator, most = limits
    mean = means(rule, env, (indicator, *most), values)
    return mean[indicator] + OVER * sum((mean[name] - limit).clamp_min(0) for name, limit in most.items())


def means(rule: Any, env: HandoverTrafficEnv, names: Sequence[str], values: Tensor | None = None) -> dict[str, Tensor]:
    """Indicators of an episode from an environment's present state on, which stays; means over networks ``[P]``.

    Args:
        rule: policy.
        env: networks.
        names: of the indicators.
        values: numbers of candidates, which all meet the same networks ``[P, M]``; ``None`` for the rule as it is.
    """
    count = 1 if values is None else len(values)
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    for networks in torch.split(torch.arange(env.num_envs, device=env.device), AT_ONCE):
        row = networks.repeat_interleave(count)
        many, kpis, policy = env.branch(env.drawn.networks(row), row), dict[str, Tensor](), rule
        if values is not None:
            policy = rule.with_parameters(type(rule.parameters).of(values.repeat(len(networks), 1)))
        for _, step in play(many, rule.name, policy, stream(0, 0, "policy")):
            kpis = step.info.get("episode", kpis)
        for name, part in parts.items():
            part.append(kpis[name].view(len(networks), count).cpu())
    return {name: torch.cat(part).mean(0) for name, part in parts.items()}
