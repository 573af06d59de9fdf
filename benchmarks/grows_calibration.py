"""Constants of `grows-3` that the paper does not print, fitted to its Table I: `calibrate` of grows.py."""

from dataclasses import replace

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from hetgraph.envs import DiscreteArrivals
from hetgraph.envs.arrivals.lookahead import play
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.rules import Rule, Strongest
from hetgraph.envs.arrivals.service import Users
from hetgraph.graph.counters import Networks

CHANCES, DEMANDS = (0.5, 0.7, 1.0), (6.0, 8.0, 10.0, 12.0, 14.0)
# Table I of the paper, argmax ("B"): rows are mean demands, columns probabilities.
REJECTIONS = torch.tensor(
    [[0.01, 0.26, 3.12], [0.09, 1.07, 5.63], [0.26, 2.00, 7.32], [0.52, 2.86, 8.38], [0.83, 3.62, 9.08]]
)
UTILITIES = torch.tensor(
    [[2.64, 2.86, 3.15], [2.73, 2.93, 3.20], [2.76, 2.96, 3.21], [2.77, 2.96, 3.21], [2.78, 2.95, 3.21]]
)


def residuals(source: DiscreteArrivals, rule: Rule, episodes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rejections and utilities of a rule in the 15 cells ``[5, 3]`` each."""
    chance = torch.tensor(CHANCES).repeat(5).repeat_interleave(episodes)
    mean = torch.tensor(DEMANDS).repeat_interleave(3 * episodes)
    table = source.draw(Networks(seed, range(15 * episodes)), probability=chance, mean=mean)
    rejected = torch.zeros(15 * episodes)

    def decide(slot: int, candidates: object) -> Tensor:
        place = rule.choose(candidates, None)  # type: ignore[arg-type]
        room = torch.nn.functional.pad(candidates.room, (0, 1))  # type: ignore[attr-defined]
        rejected.add_(table.comes[slot] & ~room.gather(1, place.unsqueeze(1)).squeeze(1))
        return place

    users = Users.none(15 * episodes, source.service)
    total, _ = play(users, table, source, decide, last=source.slots)
    return rejected.reshape(5, 3, -1).mean(2), (total / source.slots).reshape(5, 3, -1).mean(2)


def rms(found: Tensor, printed: Tensor) -> float:
    """Root mean square difference."""
    return float((found - printed).square().mean().sqrt())


def calibrate(tries: int = 150) -> None:
    """Residuals of the preset's constants, and of a random search around them that starts where it is best."""
    shipped = arrivals("grows-3")
    for name, rule in (("blocking", Strongest(False)), ("overflow", Strongest())):
        rejections, utilities = residuals(shipped, rule, 2000, 9)
        print(
            f"shipped, {name}: RMS of rejections {rms(rejections, REJECTIONS):.3f}, of utilities {rms(utilities, UTILITIES):.3f}"
        )
        print(rejections.numpy().round(2).tolist(), utilities.numpy().round(2).tolist())
    generator, best, score = np.random.default_rng(0), shipped, np.inf
    for _ in track(range(tries), "search"):
        low, _, high = best.rates
        factor = generator.lognormal(0, 0.12, 4)
        low, high = low * factor[0], max(high * factor[1], low)
        spread = float(np.clip(best.spread[2] - 1 + generator.normal(0, 0.08), 0, 0.95))
        try:
            other = replace(
                best,
                rates=(low, (low + high) / 2, high),
                spread=(1 - spread, 1.0, 1 + spread),
                bonus=best.bonus * factor[2],
                service=replace(best.service, unit=best.service.unit * factor[3]),
            )
        except ValueError:  # rates that no place between three stations gives
            continue
        rejections, utilities = residuals(other, Strongest(False), 200, 1)
        now = rms(rejections, REJECTIONS) + rms(utilities, UTILITIES)
        if now < score:
            best, score = other, now
    rejections, utilities = residuals(best, Strongest(False), 2000, 9)
    print(f"found: {rms(rejections, REJECTIONS):.3f}, {rms(utilities, UTILITIES):.3f}: {best}")
