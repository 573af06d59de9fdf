"""Trainings of a paper: a configuration with what is changed of it, seeds, and what its rows are."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import yaml

from hetgraph.trainers.judge.kinds import Kind
from hetgraph.trainers.reproduce.queue import Job

MAIN_SEEDS, ABLATION_SEEDS, QUICK_SEEDS = 5, 3, 1
M, D, T = "--model.init_args.", "--data.init_args.", "--trainer."  # prefixes of options of `hetgraph fit`


def options(prefix: str, **values: object) -> tuple[str, ...]:
    """Options of `hetgraph fit` with a prefix; ``True`` and ``None`` as YAML writes them."""
    texts = {True: "true", False: "false", None: "null"}
    pairs = ((f"{prefix}{name}", texts[value] if isinstance(value, bool) or value is None else str(value))
             for name, value in values.items())  # fmt: skip
    return tuple(part for pair in pairs for part in pair)


@dataclass(frozen=True)
class Labels:
    """A labelled dataset that trainings share, drawn before the first of them.

    Args:
        name: of the job.
        scenario: preset.
        teacher: policy that labels.
        count: networks.
        quick_count: networks in a quick run.
        minutes: estimate for one core.
    """

    name: str
    scenario: str
    teacher: str
    count: int
    quick_count: int = 8
    minutes: float = 10.0

    def job(self, runs: Path, quick: bool) -> Job:
        """Its command, in the folder where the data module looks for it."""
        from hetgraph.datasets import SnapshotDataModule

        root, count = label_root(runs, quick), self.quick_count if quick else self.count
        folder = SnapshotDataModule(self.scenario, self.teacher, root, train=count).folder
        about = ("--scenario", self.scenario, "--teacher", self.teacher, "--count", str(count), "--seed", "0")
        command = ("hetgraph", "generate", *about, "--out", str(folder))
        return Job(self.name, command, 0.5 if quick else self.minutes, output=Path(folder))


def label_root(runs: Path, quick: bool) -> str:
    """Folder of labelled datasets: that of the shipped configurations, and one of their own for quick runs."""
    return str(runs / "data") if quick else "data"


def digest(config: str) -> str:
    """A few letters for what a shipped configuration says, comments aside; nothing for none."""
    if not config:
        return ""
    from hetgraph.trainers.cli import config_path

    content = yaml.safe_load(Path(config_path(config)).read_text())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Run:
    """A training, of several seeds.

    Args:
        name: its folders are ``runs/NAME-SEED``.
        config: shipped configuration.
        options: what is changed of it; ``{runs}`` and ``{seed}`` stand for the folder of runs and the training seed.
        kind: what its rows are.
        main: five seeds; ablations have three.
        minutes: estimate for one seed and one core.
        quick: options that make it tiny.
        data_seed: the seed is that of the training networks, too.
        needs: labels, or runs whose weights of the same seed it starts from.
        labelled: it reads a labelled dataset.
        first_seed: what is added to seeds, for another start of what is trained several times.
    """

    name: str
    config: str
    options: tuple[str, ...] = ()
    kind: Kind = "learned from nothing"
    main: bool = True
    minutes: float = 10.0
    quick: tuple[str, ...] = ()
    data_seed: bool = True
    needs: tuple[str, ...] = ()
    labelled: bool = False
    first_seed: int = 0

    def seeds(self, quick: bool) -> range:
        """Training seeds."""
        return range(QUICK_SEEDS if quick else MAIN_SEEDS if self.main else ABLATION_SEEDS)

    def folder(self, seed: int, runs: Path) -> Path:
        """Folder of a seed."""
        return runs / f"{self.name}-{seed}"

    def command(self, seed: int, runs: Path, quick: bool) -> tuple[str, ...]:
        """Command of a seed; of an option that comes twice the last one counts."""
        start = str(self.first_seed + seed)
        parts = ["hetgraph", "fit", "--config", self.config, "--overwrite", "true", "--seed_everything", start]
        parts += [f"{T}default_root_dir", str(self.folder(seed, runs))]
        parts += [f"{D}seed", start] if self.data_seed else []
        changed = self.options
        if quick:
            changed += self.quick + (options(D, root=label_root(runs, quick)) if self.labelled else ())
        return (*parts, *(text.replace("{runs}", str(runs)).replace("{seed}", str(seed)) for text in changed))

    def job(self, seed: int, runs: Path, quick: bool, labelled: Collection[str] = ()) -> Job:
        """A seed in the queue; needs that are not ``labelled`` are runs, of the same seed."""
        needs = tuple(name if name in labelled else f"{name}-{seed}" for name in self.needs)
        minutes, folder = 0.5 if quick else self.minutes, self.folder(seed, runs)
        return Job(folder.name, self.command(seed, runs, quick), minutes, folder, needs, settings=digest(self.config))


@dataclass(frozen=True)
class Tuned(Run):
    """A checkpoint of another run that goes on training elsewhere, by ``hetgraph finetune``, whose options it has.

    Args:
        of: run whose weights of the same seed it starts from, one of ``needs``.
    """

    of: str = ""

    def command(self, seed: int, runs: Path, quick: bool) -> tuple[str, ...]:
        """Command of a seed; what it prints of before and after is on few networks, as sections judge it again."""
        start = str(runs / f"{self.of}-{seed}" / "best.ckpt")
        parts = ("hetgraph", "finetune", "--ckpt", start, "--out", str(self.folder(seed, runs)), "--overwrite")
        own = ("--seed-training", str(seed), "--layouts", "2", "--no-scratch", "--no-figures")
        return (*parts, *own, *self.options, *(self.quick if quick else ()))


@dataclass(frozen=True)
class Chosen(Run):
    """Numbers of decisions tuned on validation networks, of the best of some checkpoints or of their mean, by ``hetgraph tune``.

    Args:
        of: runs whose weights of the same seed are candidates, all of ``needs``.
    """

    of: tuple[str, ...] = ()

    def command(self, seed: int, runs: Path, quick: bool) -> tuple[str, ...]:
        """Command of a seed."""
        paths = ",".join(str(runs / f"{name}-{seed}" / "best.ckpt") for name in self.of)
        parts = ("hetgraph", "tune", "--ckpt", paths, "--out", str(self.folder(seed, runs)), "--overwrite")
        return (*parts, *self.options, *(self.quick if quick else ()))
