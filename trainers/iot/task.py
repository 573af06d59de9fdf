"""IoT networks: association, subchannels and powers, slot by slot (MADDQN-DMADDPG)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models.weights import Header
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, title_of
from hetgraph.trainers.iot.decisions import decisions
from hetgraph.trainers.judge.differences import difference_figures
from hetgraph.trainers.task import Budget, Case, Column, Task, Training, option

SCENARIO = "iot-noma"
LAYOUTS, SLOTS, FEW = 8, 200, 8  # FEW networks are played at a time: more do not fit small machines' memory


@dataclass(frozen=True)
class Options(Networks):
    """Options of comparisons."""

    slots: int | None = option(None, f"slots of an episode ({SLOTS})")
    sic_residual: float = option(0.0, "part of a cancelled layer's power that remains (0)")


def cases(options: Options) -> list[Case]:
    """One case: an episode of each network."""
    source = networks_of(options, SCENARIO)
    count, slots = count_of(options.layouts, LAYOUTS), count_of(options.slots, SLOTS, "slots")
    kept: dict[str, Any] = {"episode_slots": slots, "sic_residual": options.sic_residual, "seed": options.seed}

    def environments() -> Iterator[IoTEnv]:
        for first in range(0, count, FEW):
            yield IoTEnv(source, min(FEW, count - first), first=first, **kept)

    return [Case(title_of(options, SCENARIO), {}, environments, options.seed)]


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """The checkpoint's own training on networks of the options; exploration begins where it ended."""
    from hetgraph.trainers.common.modules import loaded  # with Lightning, which comparisons do without
    from hetgraph.trainers.iot.data import IoTDataModule
    from hetgraph.trainers.iot.maddqn import MADDQNDMADDPG
    from hetgraph.trainers.iot.mappo import TrunkMAPPOModule
    from hetgraph.trainers.iot.trunk import TrunkModule
    from hetgraph.trainers.iot.unrolled import UnrolledModule

    modules: dict[str, Any] = {
        "MADDQNDMADDPG": MADDQNDMADDPG,
        "TrunkMAPPOModule": TrunkMAPPOModule,
        "TrunkModule": TrunkModule,
        "UnrolledModule": UnrolledModule,
    }
    kind = header.training.get("module", "MADDQNDMADDPG")
    if kind not in modules:
        raise ValueError(f"checkpoint: got training by {kind}, expected one of {', '.join(modules)}")
    known = dict(header.training.get("options", header.options))
    if budget.lr is not None:
        known["lr"] = budget.lr
    if kind == "MADDQNDMADDPG":
        known["stop_window"] = 0
    sizes = dict(header.training.get("data", {}))
    if tensors is not None:
        sizes["epsilon_start"] = sizes.get("epsilon_end", 0.05)
    sizes |= {"scenario": networks_of(options, SCENARIO), "draws": budget.batches, "seed": budget.seed}
    return Training(loaded(modules[kind](**known), tensors), IoTDataModule(**sizes), budget.epochs)


def default(options: Any) -> str:
    """Rules that are compared when none are named."""
    return "wmmse_max_rsrp,wmmse_pf,wmmse_path_loss"


KPIS = ("throughput_bps", "bit_per_j", "qos_violation", "jain")
FILED = ("throughput_std_bps", "handover_rate", "utilisation", "return")  # in files alone
TASK = Task(
    name="iot",
    summary="association, subchannels and powers of IoT networks",
    options=Options,
    scenario=SCENARIO,
    group="hetgraph.iot",
    default=default,
    columns=(
        Column(KPIS[0], "difference"),
        *(Column(kpi, "difference", "mean") for kpi in KPIS[1:]),
        *(Column(kpi, "difference", "none") for kpi in FILED),
    ),
    cases=cases,
    training=training,
    figures=partial(difference_figures, KPIS),
    rivals=lambda options: ("wmmse_max_rsrp", "wmmse_path_loss"),
    decisions=decisions,
)
