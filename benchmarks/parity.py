"""Does a change of the code change what training reaches? The same configuration, budget and seeds in two checkouts.

python benchmarks/parity.py OLD_CHECKOUT qmix|iot-noma|grows [--seeds 0 1 2] [--jobs 2] [--fit "OPTIONS"] [--out runs/parity]

Each checkout trains and judges with its own code, on test networks that its own generators draw. Reported are the learned
agents' means over seeds with their 95% intervals, what they have above the rule that each checkout judges beside them,
and the difference of the two checkouts, of what they have above their rules, with Welch's interval. What is trained is not
trained again. `--fit` has options of `hetgraph fit` for both; `--sides new` leaves the other checkout out.
"""

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from checkout import environment
from scipy.stats import t as student

MAIN = (sys.executable, "-P", "-c", "import sys; from hetgraph.trainers.cli import main; sys.exit(main())")


@dataclass(frozen=True)
class System:
    """How a system is judged: options before and after ``--env`` went, a rule and indicators with their columns."""

    old: str
    new: str
    rule: str
    kpis: tuple[str, ...]
    keys: tuple[str, ...] = ()


SYSTEMS = {
    "qmix": System(
        "--env handover --cre --layouts 40", "handover --cre --layouts 40", "pf_negotiated", ("anu", "handover_rate")
    ),
    "iot-noma": System(
        "--env iot-noma --slots 200 --layouts 8",
        "iot --scenario iot-noma --slots 200 --layouts 8",
        "wmmse_pf",
        ("throughput_bps", "bit_per_j", "qos_violation"),
    ),
    "grows": System(
        "--env grows-3 --load 0.5,0.7,1 --demand 6,8,10,12,14",
        "arrivals --probability 0.5,0.7,1 --demand 6,8,10,12,14",
        "best_rate",
        ("utility",),
        ("probability", "demand"),
    ),
}
OPTIONS = "--seed_everything {seed} --data.seed {seed} --trainer.default_root_dir {folder}"


def fit(checkout: Path, system: str, seed: int, folder: Path, more: list[str]) -> None:
    """Train once; the log of a finished training ends with "done"."""
    log = folder / "log.txt"
    if log.exists() and log.read_text().endswith("done\n"):
        return
    folder.mkdir(parents=True, exist_ok=True)
    options = OPTIONS.format(seed=seed, folder=folder).split()
    with log.open("w") as file:
        call(checkout, ["fit", "--config", system, *options, *more], file)
        file.write("done\n")


def call(checkout: Path, arguments: list[str], log: TextIO) -> None:
    """A command of the checkout's own `hetgraph`."""
    command = [*MAIN, *arguments]
    code = subprocess.run(command, env=environment(checkout), stdout=log, stderr=log, check=False).returncode
    if code:
        raise SystemExit(f"{checkout}: {' '.join(arguments)} ended with {code}; see {log.name}")


def judged(checkout: Path, system: str, options: str, seeds: list[int], out: Path) -> list[dict[str, str]]:
    """Rows of `hetgraph compare`: the rule and each seed's agents on the checkout's test networks."""
    known = SYSTEMS[system]
    learned = [f"seed{seed}={out / f'{system}-{seed}' / 'best.ckpt'}" for seed in seeds]
    folder = out / f"judged-{system}"
    arguments = [
        "compare",
        *options.split(),
        "--policies",
        ",".join([known.rule, *learned]),
        "--no-figures",
        "--out",
        str(folder),
    ]
    shutil.rmtree(folder, ignore_errors=True)  # of fewer seeds
    with (out / f"judged-{system}.txt").open("w") as log:
        call(checkout, arguments, log)
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def spread(values: list[float]) -> float:
    """Squared standard error of a mean over seeds."""
    return statistics.variance(values) / len(values)


def welch(old: list[float], new: list[float]) -> float:
    """Half-width of the 95% interval of the difference of two means of unequal variance."""
    a, b = spread(old), spread(new)
    freedom = (a + b) ** 2 / (a**2 / (len(old) - 1) + b**2 / (len(new) - 1)) if a + b else 1.0
    return float(student.ppf(0.975, freedom)) * (a + b) ** 0.5


def lines(system: str, tables: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    """Table of the checkouts: a line for each case and indicator."""
    known = SYSTEMS[system]
    heads = [f"{known.rule}, {side} | {side} by seed | mean above the rule's, 95%" for side in tables]
    yield f"| {system} | {' | '.join(heads)} | new - old, 95% |"
    yield "|---" * (3 * len(tables) + 2) + "|"
    first = next(iter(tables.values()))
    cases = dict.fromkeys(tuple(row[key] for key in known.keys) for row in first)
    for case, kpi in ((case, kpi) for case in cases for kpi in known.kpis):
        cells, above = [], {}
        for side, table in tables.items():
            rows = [row for row in table if tuple(row[key] for key in known.keys) == case]
            rule = next(float(row[kpi]) for row in rows if row["policy"] == known.rule)
            learned = [float(row[kpi]) for row in rows if row["policy"] != known.rule]
            above[side] = [value - rule for value in learned]
            half = float(student.ppf(0.975, len(learned) - 1)) * spread(learned) ** 0.5
            cells += [f"{rule:.6g}", ", ".join(f"{value:.6g}" for value in learned)]
            cells.append(f"{statistics.mean(above[side]):+.4g} ±{half:.2g}")
        gap = ""
        if len(above) == 2:
            old, new = above["old"], above["new"]
            gap = f"{statistics.mean(new) - statistics.mean(old):+.4g} ±{welch(old, new):.2g}"
        yield f"| {' '.join((*case, kpi))} | {' | '.join(cells)} | {gap} |"


def main() -> int:
    """Train what is missing, judge, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="folder of the other checkout")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--fit", default="", help="options of `hetgraph fit`, of both checkouts")
    parser.add_argument("--sides", nargs="+", choices=("old", "new"), default=["old", "new"])
    parser.add_argument("--out", type=Path, default=Path("runs/parity"))
    args = parser.parse_args()
    checkouts = {"old": args.old.resolve(), "new": Path(__file__).resolve().parents[1]}
    sides = {side: checkouts[side] for side in args.sides}
    out = {side: args.out.resolve() / side for side in sides}
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [
            pool.submit(fit, sides[side], args.system, seed, out[side] / f"{args.system}-{seed}", args.fit.split())
            for seed in args.seeds
            for side in sides
        ]
        for job in jobs:
            job.result()
    options = {"old": SYSTEMS[args.system].old, "new": SYSTEMS[args.system].new}
    tables = {side: judged(sides[side], args.system, options[side], args.seeds, out[side]) for side in sides}
    print("\n".join(lines(args.system, tables)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
