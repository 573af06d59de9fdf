"""Moving users with traffic, who are handed over by their cells' offsets (QMIX of offsets)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from hetgraph.envs import HandoverTrafficEnv
from hetgraph.envs.handover.traffic_named import mlb
from hetgraph.graph import Scenario
from hetgraph.graph.traffic import Flows
from hetgraph.models.offset_qmix import OffsetQMIX
from hetgraph.models.weights import Header
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, numbers_of, title_of
from hetgraph.trainers.handover.offset_tuning import tuned_decisions
from hetgraph.trainers.handover.traffic_decisions import by_offsets, decisions
from hetgraph.trainers.judge.differences import difference_figures
from hetgraph.trainers.task import Budget, Case, Column, Task, Training, option

SCENARIO = "handover-traffic"
LAYOUTS, STEPS = 40, 60
AT_ONCE = 8  # networks of an environment: more are no faster, and take more memory
EPISODES = 4  # of all training networks in an epoch


@dataclass(frozen=True)
class Options(Networks):
    """Options of comparisons."""

    load: str | None = option(None, "mean rates that a user asks for, Mbit/s, separated by commas; the scenario's")
    slots: int | None = option(None, f"decisions of an episode ({STEPS})")


def at_load(source: Any, load: float | None) -> Any:
    """Networks whose users ask for a mean rate, Mbit/s; as they are without one.

    Raises:
        ValueError: a load of graphs, which bring no traffic of their own.
    """
    if load is None:
        return source
    if not isinstance(source, Scenario):
        raise ValueError(f"--load: got {load:g} with graphs, expected a scenario")
    if load <= 0:
        raise ValueError(f"--load: got {load:g}, expected a rate above 0")
    flows = source.traffic if isinstance(source.traffic, Flows) else Flows()
    return replace(source, traffic=replace(flows, load_bps=load * 1e6))


def cases(options: Options) -> list[Case]:
    """A case for each load: an episode of each network."""
    source = networks_of(options, SCENARIO)
    layouts, steps = count_of(options.layouts, LAYOUTS), count_of(options.slots, STEPS, "slots")
    loads = [None] if options.load is None else numbers_of(options.load, "load")
    worlds = {load: at_load(source, load) for load in loads}

    def environments(load: float | None) -> Iterator[HandoverTrafficEnv]:
        for first in range(0, layouts, AT_ONCE):
            count = min(AT_ONCE, layouts - first)
            yield HandoverTrafficEnv(worlds[load], count, first=first, steps=steps, seed=options.seed)

    def case(load: float | None) -> Case:
        title = title_of(options, SCENARIO) + ("" if load is None else f" at {load:g} Mbit/s a user")
        keys = {} if load is None else {"offered_load": load}
        return Case(title, keys, lambda: environments(load), options.seed)

    return [case(load) for load in loads]


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """The checkpoint's own training, on networks and at the first load of the options."""
    from hetgraph.trainers.common.modules import loaded  # with Lightning, which comparisons do without
    from hetgraph.trainers.handover.offset_data import OffsetDataModule
    from hetgraph.trainers.handover.offset_qmix import OffsetQMIXModule

    load = None if options.load is None else numbers_of(options.load, "load")[0]
    known = dict(header.training.get("options", header.options))
    if tensors is not None:
        known["lr"] = budget.lr or 0.3 * float(known.get("lr", 1e-3))
    module = loaded(OffsetQMIXModule(**known), tensors)
    data = dict(header.training.get("data", {})) | {"seed": budget.seed}
    data["scenario"] = at_load(networks_of(options, SCENARIO), load)
    made = OffsetDataModule(**data)
    made.options["draws"] = budget.batches
    return Training(module, made, budget.epochs)


def tune(model: Any, options: Options, draws: int, done: Callable[[int], None]) -> tuple[dict[str, float], float]:
    """Softness and A3's margin of cells' decisions, within limits of tuned load balancing, at the first load of the options.

    Raises:
        ValueError: a model of another kind.
    """
    if not isinstance(model, OffsetQMIX):
        raise ValueError(f"tune: got {type(model).__name__}, expected {OffsetQMIX.__name__}")
    load = None if options.load is None else numbers_of(options.load, "load")[0]
    world = at_load(networks_of(options, SCENARIO), load)
    layouts, steps = count_of(options.layouts, LAYOUTS), count_of(options.slots, STEPS, "slots")
    env = HandoverTrafficEnv(world, layouts, steps=steps, seed=options.seed)
    numbers, cost = tuned_decisions(model, mlb, env, draws, done)
    return {name: round(value, 3) for name, value in numbers.table().items()}, cost


def default(options: Options) -> str:
    """Rules that are compared when none are named."""
    return "a3,cre,mlb,best_expected_rate,dual_price"


KPIS = ("mean_delay_s", "unsatisfied", "p95_delay_s", "handovers_per_min")
TASK = Task(
    name="handover-traffic",
    summary="moving users with traffic, handed over by their cells' offsets",
    options=Options,
    scenario=SCENARIO,
    group="hetgraph.traffic_handovers",
    default=default,
    columns=(
        Column("mean_delay_s", "ratio"),
        Column("unsatisfied", "difference"),
        Column("p95_delay_s", "ratio", "against"),
        Column("handovers_per_min", "ratio", "mean"),
        Column("ping_pongs_per_min", "ratio", "mean"),
        Column("failures_per_min", "difference", "mean"),
        *(
            Column(name, shown="none")
            for name in ("bit_delay_s", "throughput_bps", "asc", "anu", "jain", "load_imbalance")
        ),
    ),
    cases=cases,
    training=training,
    figures=partial(difference_figures, KPIS),
    rivals=lambda options: ("a3", "mlb", "best_expected_rate"),
    decisions=decisions,
    by_offsets=by_offsets,
    tune=tune,
)
