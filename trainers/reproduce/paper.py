"""What a paper's reproduction is made of: trainings, experiments, and what of the paper has none.

A paper of one's own is registered under the entry-point group ``hetgraph.papers``, with the system's name as key and an instance
of :class:`Paper` as object.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hetgraph.plugins import plugin, plugin_names
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.queue import Job
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.trainings import Labels, Run

GROUP = "hetgraph.papers"


@dataclass(frozen=True)
class Experiment:
    """A section of the page.

    Args:
        name: as ``--rows`` takes it.
        title: heading.
        place: tables and figures of the paper that it repeats; empty for what the paper does not have.
        measure: makes the section from checkpoints and rules.
        runs: trainings that it reads.
        minutes: estimate of the measurement.
        requires: folder of real data without which it is left out.
    """

    name: str
    title: str
    place: tuple[str, ...]
    measure: Callable[[Bench], Section]
    runs: tuple[str, ...] = ()
    minutes: float = 5.0
    requires: str = ""

    @property
    def possible(self) -> bool:
        """Whether its data are there."""
        return not self.requires or Path(self.requires).exists()


@dataclass(frozen=True)
class Paper:
    """A paper with everything that is trained and measured for it.

    Args:
        name: of the system, as on the command line.
        title: of the page.
        source: the paper.
        experiments: sections, in their order.
        runs: trainings.
        labels: datasets that trainings share.
        absent: table or figure of the paper -> why it has no experiment.
        notes: what holds for all sections.

    Raises:
        ValueError: two experiments or trainings of one name, or one that reads a training which is not there.
    """

    name: str
    title: str
    source: str
    experiments: tuple[Experiment, ...]
    runs: tuple[Run, ...] = ()
    labels: tuple[Labels, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = [run.name for run in self.runs] + [labels.name for labels in self.labels]
        for names in (known, [experiment.name for experiment in self.experiments]):
            if len(set(names)) < len(names):
                raise ValueError(f"{self.name}: got {max(names, key=names.count)} twice, expected each name once")
        asked = {name for experiment in self.experiments for name in experiment.runs}
        asked |= {name for run in self.runs for name in run.needs}
        if asked - set(known):
            raise ValueError(f"{self.name}: got {sorted(asked - set(known))[0]}, expected one of its trainings")

    def run(self, name: str) -> Run:
        """A training by name."""
        return next(run for run in self.runs if run.name == name)

    def chosen(self, rows: str | None) -> list[Experiment]:
        """Experiments of a comma-separated list of names, all without one.

        Raises:
            ValueError: an unknown name.
        """
        if rows is None:
            return list(self.experiments)
        by_name = {experiment.name: experiment for experiment in self.experiments}
        names = [name.strip() for name in rows.split(",")]
        for name in names:
            if name not in by_name:
                raise ValueError(f"--rows: got {name!r}, expected one of {', '.join(by_name)}")
        return [experiment for experiment in self.experiments if experiment.name in names]

    def jobs(self, experiments: Sequence[Experiment], runs: Path, quick: bool) -> list[Job]:
        """Labels and trainings that some experiments need, first ones first."""
        wanted = {name for experiment in experiments for name in experiment.runs}
        for run in reversed(self.runs):  # a training stands after those that it needs
            wanted |= set(run.needs) if run.name in wanted else set()
        jobs = [labels.job(runs, quick) for labels in self.labels if labels.name in wanted]
        labelled = {labels.name for labels in self.labels}
        for run in (run for run in self.runs if run.name in wanted):
            jobs += [run.job(seed, runs, quick, labelled) for seed in run.seeds(quick)]
        return jobs


def paper_names() -> list[str]:
    """Systems that have a paper."""
    return plugin_names(GROUP)


def paper_of(name: str) -> Paper:
    """A system's paper.

    Raises:
        ValueError: an unknown name.
    """
    paper: Paper = plugin("reproduce", name, GROUP)
    return paper
