"""What a task is: its options, its networks, its rules, its indicators, and how its checkpoints go on training.

The commands loop over what a task declares. A task of one's own is registered under the entry-point group ``hetgraph.tasks``,
with the name as key and an instance of :class:`Task` as object; see ``docs/add-a-system.md``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from hetgraph.envs.base import GraphEnv
from hetgraph.envs.rollout import Trial
from hetgraph.envs.step import Step
from hetgraph.models.weights import Header
from hetgraph.solvers.offsets import Reports

if TYPE_CHECKING:  # Lightning takes seconds to import, and only what trains needs it
    import lightning

GROUP = "hetgraph.tasks"
Against = Literal["ratio", "difference", "none"]


def option(default: Any, text: str, choices: Sequence[str] | None = None) -> Any:
    """Field of a task's options, with what ``--help`` says of it.

    Args:
        default: value without the option.
        text: what it is, with its unit.
        choices: values that it may have.
    """
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class Column:
    """An indicator as tables show it.

    Args:
        kpi: name, see :mod:`hetgraph.kpi_table`.
        against: its ratio or its paired difference to the reference's, or nothing.
        shown: what the printed table has of it; files have everything.
    """

    kpi: str
    against: Against = "none"
    shown: Literal["all", "mean", "against", "none"] = "all"


@dataclass(frozen=True)
class Case:
    """Networks on which policies are compared: one block of a table.

    Args:
        title: what they are.
        keys: columns that tell its rows from those of other cases: offered load, demand.
        environments: makes the environments, one after the other, of as many networks as fit; together they are the case's.
        seed: of all that is random in them.
        units: networks that are one unit, such as different traffic on one layout: networks i, i + n / units, ... are averaged.
        headline: indicator by which policies are ranked on these networks; ``None`` for the first of the task's columns.
    """

    title: str
    keys: Mapping[str, Any]
    environments: Callable[[], Iterator[GraphEnv[Any]]]
    seed: int
    units: int = 1
    headline: str | None = None


@dataclass(frozen=True)
class Training:
    """A module with the data on which it goes on training.

    Args:
        module: with the checkpoint's weights, or with new ones.
        data: training and validation networks, none of which is compared on.
        epochs: passes, each followed by a validation.
        trainer: options of Lightning's trainer that the task needs.
    """

    module: "lightning.LightningModule"
    data: "lightning.LightningDataModule"
    epochs: int
    trainer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """How long and how fast a checkpoint goes on training.

    Args:
        epochs: passes.
        batches: training batches of a pass.
        lr: learning rate; ``None`` for the task's own.
        seed: of training.
    """

    epochs: int = 5
    batches: int = 100
    lr: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Decisions:
    """What a policy decided on one network, by columns of :data:`~hetgraph.trainers.judge.decision_columns.COLUMNS`.

    Args:
        serving: station of each row of ``users`` ``[n]``; -1 for none.
        users: column -> values ``[n]``.
        cells: column -> values of stations ``[N]``.
        power_w: power of stations and resource blocks ``[N, R]``, where policies decide it, W.
        user: which user of the network each row is about ``[n]``, -1 where that is unknown; ``None`` for all in order.
        reports: what users received of the cells when these were chosen, where that tells offsets that choose the same.
        offset_agreement: share of the reports whose cell the offsets in the column ``offset_db`` of ``cells`` choose.
    """

    serving: Tensor
    users: Mapping[str, Tensor]
    cells: Mapping[str, Tensor]
    power_w: Tensor | None = None
    user: Tensor | None = None
    reports: Reports | None = None
    offset_agreement: float | None = None


@dataclass(frozen=True)
class Task:
    """What the commands need to know of a task.

    Args:
        name: as on the command line.
        summary: one line for ``--help``.
        options: dataclass of frozen options, each made by :func:`option`.
        group: entry-point group of its rules.
        default: names of the policies that are compared when none are named, by the options, the reference first.
        columns: indicators; the first one is the main one, where a case has no other headline.
        cases: networks of some options.
        training: a checkpoint, or new weights of its kind when there are no tensors, on the networks of some options.
        derive: adds indicators that compare policies with the reference.
        figures: draws some trials, a file each.
        rivals: names of rules beside which fine-tuning is shown, by the options.
        decisions: from an environment and an episode there, pairs of an action and a step that are played one by one, what was
            decided on its first network: the last decision, and means over the episode of what changes; ``None`` for a task
            without tables of cells and users.
        scenario: preset of the networks where options name none, whose cells figures call by their names.
        fixed: policy that decides the same, whatever the channels are; ``None`` where decisions cannot be kept.
        by_offsets: policy whose users are at the strongest cell after the offsets of decisions, at their powers; ``None`` where
            there are no offsets.
        tune: from a trained model, options, a number of draws and a function that is told how many are done, numbers of the model's
            options that no weight depends on, the best on these networks, and what they cost; ``None`` where there are none.
    """

    name: str
    summary: str
    options: type
    group: str
    default: Callable[[Any], str]
    columns: tuple[Column, ...]
    cases: Callable[[Any], list[Case]]
    training: Callable[[Header, Mapping[str, Any] | None, Any, Budget], Training]
    derive: Callable[[Trial, str], Trial] = lambda trial, reference: trial
    figures: Callable[[Sequence[Trial], str, Path], list[Path]] = lambda trials, reference, folder: []
    rivals: Callable[[Any], tuple[str, ...]] = lambda options: ()
    decisions: Callable[[Any, Iterator[tuple[Any, Step]]], Decisions] | None = None
    scenario: str | None = None
    fixed: Callable[[Decisions], Any] | None = None
    by_offsets: Callable[[Decisions], Any] | None = None
    tune: Callable[[Any, Any, int, Callable[[int], None]], tuple[dict[str, float], float]] | None = None

    def main(self, trial: Trial) -> str:
        """Main indicator of a trial: the headline of its case, else the first of the columns that it has."""
        return trial.meta.get("headline") or next(column.kpi for column in self.columns if column.kpi in trial.kpis)
