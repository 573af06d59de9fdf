"""Moving users who are handed over from cell to cell (QMIX)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from hetgraph.envs import HandoverEnv
from hetgraph.models.weights import Header
from hetgraph.radio.handover import HandoverRule
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, title_of
from hetgraph.trainers.handover.decisions import by_offsets, decisions
from hetgraph.trainers.handover.environments import NEIGHBOURS, environment
from hetgraph.trainers.judge.differences import difference_figures
from hetgraph.trainers.task import Budget, Case, Column, Task, Training, option

SCENARIO = "hetnet-3tier"
LAYOUTS, STEPS, CELLS, USERS_PER_CELL = 16, 50, 25, 10


@dataclass(frozen=True)
class Options(Networks):
    """Options of comparisons; ``scenario`` may be a folder of drive tests, too."""

    cells: int | None = option(None, f"cells of networks that are drawn ({CELLS}), of {USERS_PER_CELL} users each")
    slots: int | None = option(None, f"steps of an episode ({STEPS})")
    cre: bool = option(False, "count range expansion of small cells")
    resources: str = option("shared", "resource model", ("shared", "paper"))
    generation: str | None = option(None, "of drive tests, where there are both", ("4G", "5G"))


def _source(options: Options, cells: int) -> dict[str, Any]:
    """Networks of the options: as they are where somebody gave them, else at the density of a preset."""
    source: Any = options.scenario or SCENARIO
    if options.sites or options.gain or source.endswith((".yaml", ".yml")):
        source = networks_of(options, SCENARIO)
    elif options.users is not None:
        networks_of(options, SCENARIO)  # refuses users without sites
    return {"source": source, "cells": count_of(options.cells, cells, "cells")}


def cases(options: Options) -> list[Case]:
    """One case: an episode of each network."""
    chosen = _source(options, CELLS)
    source, cells = chosen["source"], chosen["cells"]
    layouts, steps = count_of(options.layouts, LAYOUTS), count_of(options.slots, STEPS, "slots")

    def environments() -> Iterator[HandoverEnv]:
        yield environment(
            source, layouts, split="test", size=(cells, USERS_PER_CELL * cells), generation=options.generation,  # type: ignore[arg-type]
            seed=options.seed, steps=steps, rule=HandoverRule(bias=options.cre), neighbours=NEIGHBOURS,
            resource_model=options.resources,
        )  # fmt: skip

    kind = f"{'range expansion' if options.cre else 'margin'}, resources {options.resources}"
    return [Case(f"{title_of(options, SCENARIO)}, {kind}", {}, environments, options.seed)]


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """The checkpoint's own training on networks of the options; exploration begins where it ended, prices are fitted anew."""
    from hetgraph.trainers.common.modules import loaded  # with Lightning, which comparisons do without
    from hetgraph.trainers.handover.data import HandoverDataModule
    from hetgraph.trainers.handover.price import fit_price
    from hetgraph.trainers.handover.qmix import QMIX

    known = dict(header.training.get("options", header.options))
    lr = budget.lr or float(known.get("lr", 5e-4))
    if tensors is not None:
        known |= {"lr": lr, "lr_end": 0.1}
    module = loaded(QMIX(**known), tensors)
    sizes = {k: v for k, v in header.training.get("data", {}).items() if k not in ("scenario", "users", "generation")}
    sizes |= {"seed": budget.seed}
    if tensors is not None:
        sizes["epsilon_start"] = sizes.get("epsilon_end", 0.08)
    chosen = _source(options, sizes.pop("cells", CELLS))
    sizes |= {"cells": chosen["cells"], "users": USERS_PER_CELL * chosen["cells"]}
    sizes |= {"test_networks": count_of(options.layouts, LAYOUTS), "generation": options.generation}
    data = HandoverDataModule(chosen["source"], **sizes)
    data.draws["draws"] = budget.batches
    if tensors is not None:
        fit_price(module.model, lambda: data.environment("train", whole=True), seed=budget.seed)
        module.copy_to_targets()  # both announce at the same price
        module.copies.zero_()  # episodes are counted anew
    return Training(module, data, budget.epochs)


def default(options: Any) -> str:
    """Rules that are compared when none are named."""
    return "max_rsrp,cre,pf_greedy,pf_announced,pf_negotiated,pf_crowding,dual_price,pf_optimum,pf_patient"


KPIS = ("anu", "asc", "jain", "handover_rate")
TASK = Task(
    name="handover",
    summary="moving users who are handed over from cell to cell",
    options=Options,
    scenario=SCENARIO,
    group="hetgraph.handovers",
    default=default,
    columns=(
        Column("anu", "difference"),
        Column("asc", "difference", "mean"),
        Column("jain", "difference", "mean"),
        Column("handover_rate", "difference", "mean"),
        Column("load_imbalance", "difference", shown="none"),
        Column("ping_pong_rate", "difference", shown="none"),
    ),
    cases=cases,
    training=training,
    figures=partial(difference_figures, KPIS),
    rivals=lambda options: ("max_rsrp", "pf_negotiated", "dual_price"),
    decisions=decisions,
    by_offsets=by_offsets,
)
