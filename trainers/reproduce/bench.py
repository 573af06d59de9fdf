"""What experiments measure with: the trained members of each run, numbers of networks, and trials of methods."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs.base import GraphEnv
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.models import load
from hetgraph.models.checkpoint import options_of, system_class
from hetgraph.models.weights import read_weights
from hetgraph.trainers.common.policies import rule
from hetgraph.trainers.judge.kinds import Kind
from hetgraph.trainers.judge.progress import late_counter
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.reproduce.trainings import Run
from hetgraph.trainers.task import Task


def digest_of(values: Mapping[str, Tensor]) -> str:
    """What a rule reaches in a world, as a few letters: values that are kept under it are made anew when the world changes."""
    content = b"".join(name.encode() + values[name].double().numpy().tobytes() for name in sorted(values))
    return hashlib.sha256(content).hexdigest()[:12]


@dataclass(frozen=True)
class Method:
    """A row's policies.

    Args:
        members: one, or one of each training seed.
        kind: what it is.
        start: row that learning begins with: a rule, or weights that were never trained.
    """

    members: Sequence[Any]
    kind: Kind = "rule"
    start: str = ""


Methods = dict[str, Method]


@dataclass(frozen=True)
class Bench:
    """What an experiment may use.

    Args:
        runs: trainings of the paper by name.
        root: folder of the trainings.
        figures: folder of the page's figures.
        name: of the experiment, with which its figures' names begin.
        finished: trainings that are done, ``NAME-SEED``.
        quick: whether numbers are small.
        used: trainings that were read: name -> seeds.
        missing: trainings that were asked for and are not there.
    """

    runs: Mapping[str, Run]
    root: Path
    figures: Path
    name: str
    finished: frozenset[str]
    quick: bool = False
    used: dict[str, list[int]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def count(self, full: int, quick: int) -> int:
        """A number of networks, slots or steps."""
        return quick if self.quick else full

    def folders(self, run: str) -> list[Path]:
        """Folders of the seeds that were trained."""
        known, seeds = self.runs[run], list[int]()
        for seed in known.seeds(self.quick):
            folder = known.folder(seed, self.root)
            if folder.name in self.finished:
                seeds.append(seed)
            else:
                self.missing.append(folder.name)
        if seeds:
            self.used[run] = seeds
        return [known.folder(seed, self.root) for seed in seeds]

    def members(self, run: str) -> list[Any]:
        """Best checkpoints of the seeds that were trained."""
        return [load(folder / "best.ckpt") for folder in self.folders(run)]

    def untrained(self, run: str) -> list[Any]:
        """New weights of the same networks, a member for each seed that was trained."""
        out = list[Any]()
        for seed, folder in enumerate(self.folders(run)):
            header = read_weights(folder / "best.ckpt")[0]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                out.append(system_class(header.system)(**options_of(header)).eval())
        return out

    def learned(self, names: Mapping[str, str], start: str = "") -> Methods:
        """Rows of trained agents, ``{row: run}``; those of which no seed is trained are left out."""
        rows = {row: Method(self.members(run), self.runs[run].kind, start) for row, run in names.items()}
        return {row: method for row, method in rows.items() if method.members}

    def judge(
        self, task: Task, options: Any, methods: Mapping[str, Method], reference: str | None = None
    ) -> list[Trial]:
        """Trials of the cases of some options; of learned methods all seeds on the same networks."""
        return compare(task, options, {name: method.members for name, method in methods.items()}, reference)[0]

    def episode(self, env: GraphEnv[Any], methods: Mapping[str, Method], seed: int) -> Trial:
        """An episode of each seed of each method in a given environment."""
        members = {name: list(method.members) for name, method in methods.items()}
        with late_counter(self.name, sum(map(len, members.values()))) as done:
            return rollout(env, members, seed=seed, done=lambda: done(1))

    def figure(self, name: str = "") -> str:
        """Name of a figure's file, without suffix."""
        return f"{self.name}-{name}" if name else self.name

    def notes(self) -> tuple[str, ...]:
        """What is said about trainings that are missing."""
        return (f"Not trained: {', '.join(dict.fromkeys(self.missing))}.",) if self.missing else ()


def rules(task: Task, *names: str) -> Methods:
    """Rows of a task's rules by name."""
    return {name: Method([rule(task, name)]) for name in names}
