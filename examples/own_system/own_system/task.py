"""The task: its networks, indicators and training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from hetgraph.datasets import SnapshotDataModule
from hetgraph.envs import SnapshotEnv
from hetgraph.models.weights import Header
from hetgraph.trainers import Budget, Case, Column, Task, Training, option
from hetgraph.trainers.common.modules import loaded
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, title_of
from hetgraph.trainers.judge.differences import difference_figures
from hetgraph.trainers.snapshot.decisions import decisions
from own_system.module import PowerModule

SCENARIO = "interference-k:pairs=20,noise_dbm=-75"


@dataclass(frozen=True)
class Options(Networks):  # --scenario, --sites, --users, --gain, --layouts, --seed, and one of its own
    """Options of the task."""

    size: int = option(4, "networks of a training batch")


def cases(options: Options) -> list[Case]:
    """One case: all networks."""
    source, count = networks_of(options, SCENARIO), count_of(options.layouts, 20)

    def environments() -> Iterator[SnapshotEnv]:
        yield SnapshotEnv(source, count, seed=options.seed)

    return [Case(title_of(options, SCENARIO), {}, environments, options.seed)]


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """Go on from a checkpoint, or, without tensors, start one of its kind."""
    module = loaded(PowerModule(**header.options, lr=budget.lr or 1e-3), tensors)
    data = SnapshotDataModule(teacher=None, train=options.size * budget.batches, size=options.size, seed=budget.seed)
    data.scenarios = [networks_of(options, SCENARIO)]
    return Training(module, data, budget.epochs, {"reload_dataloaders_every_n_epochs": 1})


def default(options: Any) -> str:
    """Policies that are compared when none are named."""
    return "full_power,silence_weak,wmmse"


TASK = Task(
    name="powers",
    summary="powers of stations whose users are given",
    options=Options,
    group="own_system.rules",
    default=default,
    columns=(Column("sum_rate_bps", "ratio"), Column("energy_efficiency_bpj", "ratio", "against"), Column("power_w")),
    cases=cases,
    training=training,
    figures=partial(difference_figures, ("sum_rate_bps", "power_w")),
    rivals=lambda options: ("full_power", "wmmse"),
    decisions=decisions,
)
