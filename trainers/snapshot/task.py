"""Single networks: association and powers of all users at once (HetGNN)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs import SnapshotEnv
from hetgraph.envs.rollout import Trial
from hetgraph.graph import CHANNEL, links_of
from hetgraph.models import AllocatingModel, SpatialHetGNN
from hetgraph.models.checkpoint import options_of, system_class
from hetgraph.models.weights import Header
from hetgraph.radio import Convention, pf_gain
from hetgraph.radio.relaxed import Objective
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, title_of
from hetgraph.trainers.snapshot.decisions import by_offsets, decisions, fixed
from hetgraph.trainers.snapshot.figures import snapshot_figures
from hetgraph.trainers.task import Budget, Case, Column, Task, Training, option

SCENARIO = "hetnet-3tier"
PRECODERS = "mrt,zf,rzf,slnr,vector_wmmse"  # rules that are compared where networks have channels of antennas
HEADLINES: dict[Objective, str] = {"pf": "pf_gain", "sum_rate": "sum_rate_bps"}  # indicator of each objective
LAYOUTS = 10
VALIDATION, SIZE = 4, 4  # networks of validation, and of a training batch
LR = 3e-3


@dataclass(frozen=True)
class Options(Networks):
    """Options of comparisons."""

    convention: str | None = option(
        None,
        "how rates follow from an allocation (spatial with channels of antennas, else equal_airtime)",
        get_args(Convention),
    )
    objective: str | None = option(
        None, "what policies are ranked by (sum_rate with channels of antennas, else pf)", tuple(HEADLINES)
    )


def precodes(source: Any) -> bool:
    """Whether networks have channels of antennas."""
    return "h" in source[CHANNEL] if isinstance(source, HeteroData) else bool(source.channel.mimo)


def cases(options: Options) -> list[Case]:
    """All networks, one after the other, so that a decision's time is that of one network."""
    source = networks_of(options, SCENARIO)
    count = 1 if isinstance(source, Batch) else count_of(options.layouts, LAYOUTS)
    spatial = precodes(source)
    convention: Any = options.convention or ("spatial" if spatial else "equal_airtime")
    objective: Any = options.objective or ("sum_rate" if spatial else "pf")

    def environments() -> Iterator[SnapshotEnv]:
        for first in range(count):
            yield SnapshotEnv(source, first=first, convention=convention, seed=options.seed)

    return [Case(title_of(options, SCENARIO), {}, environments, options.seed, headline=HEADLINES[objective])]


def with_gain(trial: Trial, reference: str) -> Trial:
    """``pf_gain``: each training seed over each of the reference's on every network ``[S, R, K]``."""
    base = trial.details[reference]
    networks = range(len(base[0]))
    gain: dict[str, dict[str, Tensor]] = {}
    for name, seeds in trial.details.items():
        rows = [[torch.cat([_gain(one[k], other[k]) for k in networks]) for other in base] for one in seeds]
        values = torch.stack([torch.stack(row) for row in rows])
        gain[name] = {"pf_gain": torch.zeros_like(values) if name == reference else values}
    return trial.with_values(gain)


def _gain(one: Any, other: Any) -> Tensor:
    return pf_gain(one.rate_bps, other.rate_bps, links_of(one.graph)).double()


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """Label-free training on networks of the options."""
    from hetgraph.datasets import SnapshotDataModule  # with Lightning, which comparisons do without
    from hetgraph.trainers.common.modules import loaded
    from hetgraph.trainers.snapshot.spatial import SpatialModule
    from hetgraph.trainers.snapshot.supervised import SupervisedModule

    scenario = networks_of(options, SCENARIO)
    if isinstance(scenario, Batch):
        raise ValueError("--gain: got one network, expected many to train on: --scenario or --sites")
    rate = LR if tensors is None or budget.lr is None else budget.lr
    model: Any = system_class(header.system)(**options_of(header))
    if not isinstance(model, AllocatingModel | SpatialHetGNN):
        raise ValueError(f"checkpoint: got {header.system}, expected an AllocatingModel or a SpatialHetGNN to train")
    objective = header.options.get("objective", model.objective)
    if isinstance(model, SpatialHetGNN):
        module: SpatialModule | SupervisedModule = loaded(SpatialModule(model, objective=objective, lr=rate), tensors)
    else:
        module = loaded(SupervisedModule(model, objective=objective, lr=rate), tensors)
    data = SnapshotDataModule(teacher=None, train=SIZE * budget.batches, val=VALIDATION, size=SIZE, seed=budget.seed)
    data.scenarios = [scenario]
    return Training(module, data, budget.epochs, {"reload_dataloaders_every_n_epochs": 1})


def default(options: Any) -> str:
    """Rules that are compared when none are named."""
    return PRECODERS if precodes(networks_of(options, SCENARIO)) else "max_rsrp,pf,wmmse,pf_teacher_6"


def rivals(options: Any) -> tuple[str, ...]:
    """Rules beside which fine-tuning is shown."""
    precoders = precodes(networks_of(options, SCENARIO))
    return ("slnr", "vector_wmmse", "vector_wmmse_pf") if precoders else ("max_rsrp", "pf", "pf_teacher_6")


ratio = partial(Column, against="ratio", shown="against")
TASK = Task(
    name="snapshot",
    summary="association and powers of single networks",
    options=Options,
    scenario=SCENARIO,
    group="hetgraph.policies",
    default=default,
    columns=(
        Column("pf_gain"),
        ratio("sum_rate_bps"),
        ratio("p5_rate_bps"),
        ratio("jain"),
        ratio("energy_efficiency_bpj"),
        Column("unserved"),
        Column("pf_utility", shown="none"),
        Column("load_imbalance", shown="none"),
    ),
    cases=cases,
    training=training,
    derive=with_gain,
    figures=snapshot_figures,
    rivals=rivals,
    decisions=decisions,
    fixed=fixed,
    by_offsets=by_offsets,
)
