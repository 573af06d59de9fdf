"""Packets that queue at stations, on conflict graphs or in cells (MAPPO)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hetgraph.envs import QueueEnv
from hetgraph.models.weights import Header
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, numbers_of, title_of
from hetgraph.trainers.queues.decisions import decisions
from hetgraph.trainers.queues.environments import environment, has_conflicts
from hetgraph.trainers.queues.figures import delay_figures
from hetgraph.trainers.task import Budget, Case, Column, Task, Training, option

SCENARIO = "random-19"
LAYOUTS, SLOTS = 40, 2000
LOADS = {True: "0.3,0.4,0.5", False: "20"}  # packets per device and slot on conflict graphs, and second in cells


@dataclass(frozen=True)
class Options(Networks):
    """Options of comparisons."""

    load: str | None = option(
        None, "mean packets per device and slot (conflict graphs) or second (cells), separated by commas"
    )
    traffics: int = option(1, "traffic seeds of each layout, which is one unit")
    slots: int | None = option(None, f"length of an episode ({SLOTS})")


def cases(options: Options) -> list[Case]:
    """A case for each load."""
    source = networks_of(options, SCENARIO)
    conflicts = has_conflicts(source)
    layouts, traffics = count_of(options.layouts, LAYOUTS), count_of(options.traffics, 1, "traffics")
    slots, seed = count_of(options.slots, SLOTS, "slots"), options.seed
    if slots < 2:
        raise ValueError(f"--slots: got {slots}, expected at least 2")
    where: dict[str, Any] = {} if conflicts else {"layouts": layouts, "layout_seed": seed}

    def environments(load: float) -> Iterator[QueueEnv]:
        yield environment(source, layouts * traffics, load=load, record=True, episode_slots=slots, seed=seed, **where)

    title = title_of(options, SCENARIO)
    return [
        Case(
            f"{title} at load {load:g}",
            {"offered_load": load},
            lambda load=load: environments(load),  # type: ignore[misc]
            seed,
            1 if conflicts else traffics,  # of a conflict graph there is one layout, and its traffics are the units
        )
        for load in numbers_of(options.load or LOADS[conflicts], "load")
    ]


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """The checkpoint's own training, on networks and at loads of the options."""
    from hetgraph.trainers.common.modules import loaded  # with Lightning, which comparisons do without
    from hetgraph.trainers.queues.data import TrafficDataModule
    from hetgraph.trainers.queues.mappo import MAPPOModule

    source = networks_of(options, SCENARIO)
    loads = numbers_of(options.load or LOADS[has_conflicts(source)], "load")
    module_options = dict(header.training.get("options", header.options))
    if tensors is not None:
        module_options["lr"] = budget.lr or 0.3 * float(module_options.get("lr", 2e-3))
    module = loaded(MAPPOModule(**module_options), tensors)
    data_options = dict(header.training.get("data", {}))
    data_options |= {
        "scenario": source, "load": max(loads), "loads": loads, "rollouts": budget.batches, "seed": budget.seed,
    }  # fmt: skip
    data = TrafficDataModule(**data_options)
    trainer = {"reload_dataloaders_every_n_epochs": 1} if data.fresh else {}
    return Training(module, data, budget.epochs, trainer)


def default(options: Options) -> str:
    """Rules that are compared when none are named."""
    conflicts = has_conflicts(networks_of(options, SCENARIO))
    return "gms,llq,qcsma" if conflicts else "lqf_subband,lqf_best,max_weight_local,genie"


TASK = Task(
    name="queues",
    summary="packets that queue at stations, on conflict graphs or in cells",
    options=Options,
    scenario=SCENARIO,
    group="hetgraph.schedulers",
    default=default,
    columns=(
        *(
            column
            for unit in ("ms", "slots")
            for column in (
                Column(f"mean_delay_{unit}", "ratio"),
                Column(f"p95_delay_{unit}"),
                Column(f"p99_delay_{unit}", shown="none"),
                Column(f"max_delay_{unit}", shown="none"),
                Column(f"waiting_{unit}"),
                Column(f"transmission_{unit}"),
            )
        ),
        Column("delivered"),
    ),
    cases=cases,
    training=training,
    figures=delay_figures,
    rivals=lambda options: ("lqf_best", "local_score"),
    decisions=decisions,
)
