"""How often 95% intervals hold the truth: `python benchmarks/coverage.py seeds | layouts`.

`seeds` draws tables of training seeds and networks. `layouts` takes five of 60 layouts of random-19, which are simulated once and
kept in runs/coverage, and asks whether the interval of five holds the ratio of all 60.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.envs import rollout
from hetgraph.radio import policy
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.queues.task import Options, cases

SEEDS, NETWORKS, DRAWS = 5, 40, 2000
# Standard deviation of the seeds' effect, where that of the networks' and of the residual are one.
EFFECTS = {
    "none": 0.0,
    "as much of the variance as networks": (SEEDS / NETWORKS) ** 0.5,
    "equal to the networks'": 1.0,
    "dominant": 10.0,
}
OUT = Path("runs/coverage")
LAYOUTS, TRAFFICS, SLOTS, LOADS, RESAMPLINGS = 60, 5, 600, (20.0, 25.0, 30.0), 400
METHOD, REFERENCE = "lqf_best", "lqf_subband"
Table = NDArray[np.float64]


def holds(interval: Interval, truth: float) -> bool:
    """Whether an interval covers."""
    return interval.low <= truth <= interval.high


def drawn(rng: np.random.Generator, seeds: int, effect: float, network: Table) -> Table:
    """Table ``[S, K]``: effects of seeds and of networks, and a residual of one."""
    return effect * rng.normal(size=(seeds, 1)) + network + rng.normal(size=(seeds, len(network)))


def over_seeds(values: Table) -> Interval:
    """Student's interval of the seeds' means."""
    return statistics.mean(values.mean(1, keepdims=True))


def over_networks(values: Table) -> Interval:
    """Student's interval of the networks' means."""
    return statistics.mean(values.mean(0, keepdims=True))


def seeds() -> None:
    """Means, differences of two learned methods, and ratios, of simulated tables."""
    print(f"{DRAWS} tables of {SEEDS} seeds and {NETWORKS} networks each; share of intervals that cover\n")
    print(
        "| effect of seeds | mean | learned - learned (3 seeds) | learned / rule | over seeds alone | over networks alone |"
    )
    print("|---" * 6 + "|")
    for name, effect in EFFECTS.items():
        rng, hits = np.random.default_rng(0), np.zeros(5)
        for _ in range(DRAWS):
            network = rng.normal(size=NETWORKS)
            one, other = drawn(rng, SEEDS, effect, network), drawn(rng, 3, effect, 5 * network)
            rule = 50 + 5 * rng.normal(size=(1, NETWORKS))
            over = rule + drawn(rng, SEEDS, effect, network)
            found = (statistics.mean(one), statistics.difference(one, other), statistics.ratio(over, rule))
            hits += [*map(holds, (*found, over_seeds(one), over_networks(one)), (0.0, 0.0, 1.0, 0.0, 0.0))]
        print(f"| {name} | {' | '.join(f'{share:.1%}' for share in hits / DRAWS)} |", flush=True)


def delays(load: float) -> dict[str, Table]:
    """Mean delay of each traffic and layout ``[traffics, layouts]``, simulated once."""
    kept = OUT / f"random-19-{load:g}.npz"
    if not kept.exists():
        rules = {name: [policy(name)] for name in (METHOD, REFERENCE)}
        (case,) = cases(Options("random-19", load=f"{load:g}", layouts=LAYOUTS, traffics=TRAFFICS, slots=SLOTS))
        (env,) = case.environments()
        values = rollout(env, rules, seed=case.seed).values  # of each traffic, which `compare` would average
        OUT.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **{name: values[name]["mean_delay_ms"][0].reshape(TRAFFICS, LAYOUTS).numpy() for name in rules})
    with np.load(kept) as file:
        return {name: file[name] for name in (METHOD, REFERENCE)}


def layouts() -> None:
    """Ratio of mean delays: layouts as units, and layouts x traffics taken as independent."""
    print(
        f"{METHOD} over {REFERENCE}, {RESAMPLINGS} resamplings; share of intervals that hold the ratio of {LAYOUTS} layouts\n"
    )
    print(
        "| load | ratio of all | layouts | units: layouts | units: layouts x traffics | median half width |\n"
        + "|---" * 6
        + "|"
    )
    for load in LOADS:
        table = delays(load)
        truth = table[METHOD].mean() / table[REFERENCE].mean()
        for size in (5, 20):
            rng, hits, widths = np.random.default_rng(0), np.zeros(2), []
            for _ in range(RESAMPLINGS):
                chosen = rng.choice(LAYOUTS, size, replace=False)
                pair = [table[name][:, chosen] for name in (METHOD, REFERENCE)]
                units = statistics.ratio(*(values.mean(0, keepdims=True) for values in pair))
                hits += [holds(units, truth), holds(statistics.ratio(*(v.reshape(1, -1) for v in pair)), truth)]
                widths.append(units.half)
            cells = " | ".join(f"{share:.1%}" for share in hits / RESAMPLINGS)
            print(f"| {load:g} | {truth:.3f} | {size} | {cells} | {np.median(widths):.3f} |", flush=True)


COMMANDS: dict[str, Callable[[], None]] = {"seeds": seeds, "layouts": layouts}

if __name__ == "__main__":
    for command in sys.argv[1:]:
        COMMANDS[command]()
    if len(sys.argv) < 2:
        print(f"usage: python benchmarks/coverage.py {' | '.join(COMMANDS)}")
