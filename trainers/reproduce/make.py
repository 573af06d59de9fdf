"""A system's reproduction: train what is not trained, measure what has changed, write the page."""

import functools
import hashlib
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import hetgraph
import hetgraph.datasets
import hetgraph.trainers
from hetgraph.files import write_file
from hetgraph.trainers.judge.files import provenance
from hetgraph.trainers.judge.machine import machine
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.page import check_place, store, stored, write_page
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.queue import DONE, log_of, machine_of, minutes_of, state_of, work


@dataclass(frozen=True)
class Plan:
    """What is to be made.

    Args:
        paper: of the system.
        experiments: chosen ones.
        runs: folder of the trainings.
        out: folder of the page.
        quick: tiny trainings, few networks.
        again: measure what has not changed, too.
    """

    paper: Paper
    experiments: Sequence[Experiment]
    runs: Path
    out: Path
    quick: bool = False
    again: bool = False

    @property
    def page(self) -> Path:
        """File of the page."""
        return self.out / f"{self.paper.name}.md"

    @property
    def folder(self) -> Path:
        """Folder of sections and figures."""
        return self.out / self.paper.name

    @property
    def logs(self) -> Path:
        """Folder of the trainings' logs."""
        return self.runs / "logs"


def make(plan: Plan, at_once: int, console: Console) -> int:
    """Train, measure and write; each section as soon as it is measured.

    Args:
        plan: what.
        at_once: trainings at a time.
        console: for progress.

    Returns:
        number of trainings and experiments that failed.

    Raises:
        ValueError: a folder of other results.
    """
    sections = stored(plan.folder, plan.paper)
    check_place(plan.page, sections, plan.quick)
    experiments = [experiment for experiment in plan.experiments if experiment.possible]
    for experiment in plan.experiments:
        if not experiment.possible:
            console.print(f"{experiment.name}: left out, as there is no {experiment.requires}", markup=False)
    ended = work(plan.paper.jobs(experiments, plan.runs, plan.quick), at_once, plan.logs, console)
    failures = sum(end != DONE for end in ended.values())
    for experiment in experiments:
        old = sections.get(experiment.name)
        if old is not None and not plan.again and old["state"] == _state(plan, experiment):
            console.print(f"{experiment.name}: as it was measured before, nothing has changed")
            continue
        console.print(f"{experiment.name}: measuring, about {_minutes(plan, experiment):.0f} min")
        try:
            content = measured(plan, experiment)
        except Exception as error:  # whatever it is, the other sections are worth having
            failures += 1
            log = log_of(f"measure-{experiment.name}", plan.logs)
            write_file(log, "".join(traceback.format_exception(error)).encode())
            reason = str(error).partition("\n")[0] or type(error).__name__
            text = f"{experiment.name}: left out for an error ({reason}), see {log}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
            continue
        store(plan.folder, experiment.name, content)
        write_page(plan.page, plan.paper, stored(plan.folder, plan.paper), plan.quick)
    if kept := stored(plan.folder, plan.paper):  # in today's form, also where nothing was measured anew
        write_page(plan.page, plan.paper, kept, plan.quick)
    return failures


def measured(plan: Plan, experiment: Experiment) -> dict[str, Any]:
    """A section with where it comes from."""
    finished = _finished(plan, experiment)
    by_name = {run.name: run for run in plan.paper.runs}
    bench = Bench(by_name, plan.runs, plan.folder, experiment.name, finished, plan.quick)
    start = time.monotonic()
    section = experiment.measure(bench)
    trainings = {}
    for run, seeds in bench.used.items():
        names = [f"{run}-{seed}" for seed in seeds]
        trainings[run] = {
            "kind": by_name[run].kind,
            "seeds": seeds,
            "minutes": [minutes_of(name, plan.logs) for name in names],
            "machines": list(dict.fromkeys(machine_of(name, plan.logs) for name in names)),
        }
    content = section.to_json()
    content["notes"] += list(bench.notes())
    return {
        "system": plan.paper.name,
        "experiment": experiment.name,
        "quick": plan.quick,
        **provenance(),
        "command": " ".join(["hetgraph", *sys.argv[1:]]),
        "machine": machine(),
        "minutes": (time.monotonic() - start) / 60,
        "trainings": trainings,
        "state": _state(plan, experiment),
        "section": content,
    }


def _finished(plan: Plan, experiment: Experiment) -> frozenset[str]:
    jobs = plan.paper.jobs([experiment], plan.runs, plan.quick)
    return frozenset(job.name for job in jobs if state_of(job, plan.logs) == DONE)


def _state(plan: Plan, experiment: Experiment) -> str:
    """Digest of the code, of the trainings that are done, and of the checkpoints that an experiment reads."""
    digest = hashlib.sha256(f"{_code()} {sorted(_finished(plan, experiment))}".encode())
    for run in (plan.paper.run(name) for name in experiment.runs):
        for seed in run.seeds(plan.quick):
            best = run.folder(seed, plan.runs) / "best.ckpt"
            digest.update(best.name.encode() + (best.read_bytes() if best.exists() else b""))
    return digest.hexdigest()


@functools.cache
def _code() -> str:
    """Digest of the library's sources: other commits, of documents or tests, change no measurement."""
    digest = hashlib.sha256()
    for package in (hetgraph, hetgraph.datasets, hetgraph.trainers):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def _minutes(plan: Plan, experiment: Experiment) -> float:
    return 0.5 if plan.quick else experiment.minutes


def listing(plan: Plan) -> str:
    """Experiments with the trainings that they need, and the estimated minutes of what is left."""
    lines = list[str]()
    for experiment in plan.experiments:
        jobs = plan.paper.jobs([experiment], plan.runs, plan.quick)
        left = sum(job.minutes for job in jobs if state_of(job, plan.logs) != DONE)
        place = ", ".join(experiment.place) or "beyond the paper"
        minutes = f"{left:.0f} min of training left, {_minutes(plan, experiment):.0f} min to measure"
        lines.append(f"{experiment.name}: {experiment.title} ({place}); {minutes}")
        if jobs:
            names = dict.fromkeys(job.name.rpartition("-")[0] if job.folder else job.name for job in jobs)
            lines.append(f"    {', '.join(names)}")
    jobs = plan.paper.jobs(plan.experiments, plan.runs, plan.quick)
    left = sum(job.minutes for job in jobs if state_of(job, plan.logs) != DONE)
    measure = sum(_minutes(plan, experiment) for experiment in plan.experiments)
    lines += [f"{len(jobs)} trainings, {left:.0f} core minutes of them left; {measure:.0f} min to measure"]
    return "\n".join(lines)
