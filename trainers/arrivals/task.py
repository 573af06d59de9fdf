"""Users that arrive one by one and are associated for good (GROWS)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.models.weights import Header
from hetgraph.trainers.arrivals.decisions import by_offsets, decisions
from hetgraph.trainers.arrivals.figures import arrival_figures
from hetgraph.trainers.common.networks import Networks, count_of, networks_of, numbers_of, title_of
from hetgraph.trainers.task import Budget, Case, Column, Task, Training, option

SCENARIO, SITES = "grows-3", "hetnet-3tier"
LAYOUTS = 2000
LR, LR_END, TARGET_EVERY = 1e-3, 0.05, 200
NETWORKS, EPISODES, HORIZON = 200, 600, 20  # of training and validation, and slots of a local return, at three stations
REWARD_SCALE = 10.0
BATCH, LEAST = 512, 5_000  # rows of a draw, and before the first one


@dataclass(frozen=True)
class Options(Networks):
    """Options of comparisons."""

    probability: str | None = option(None, "chances of an arrival in a slot, separated by commas; the scenario's range")
    start_load: bool = option(False, "cells start at the load of their column prb_util, for --sites")
    demand: str | None = option(None, "mean demands, separated by commas; the scenario's range")


def cases(options: Options) -> list[Case]:
    """A case for each chance and demand; each network has an episode."""
    source, title = networks_of(options, SCENARIO, SITES), title_of(options, SCENARIO)
    count = count_of(options.layouts, LAYOUTS)

    def environments(chance: float | None, demand: float | None) -> Iterator[ArrivalEnv]:
        yield ArrivalEnv(source, count, probability=chance, demand=demand, seed=options.seed)

    return [
        Case(
            f"{title}, {'all chances' if chance is None else f'p = {chance:g}'}, "
            f"{'all demands' if demand is None else f'demand {demand:g}'}",
            {"probability": chance, "demand": demand},
            lambda chance=chance, demand=demand: environments(chance, demand),  # type: ignore[misc]
            options.seed,
        )
        for chance in _numbers(options.probability, "probability")
        for demand in _numbers(options.demand, "demand")
    ]


def _numbers(text: str | None, name: str) -> list[float | None]:
    return [None] if text is None else list(numbers_of(text, name))


def training(header: Header, tensors: Mapping[str, Tensor] | None, options: Options, budget: Budget) -> Training:
    """Double DQN on arrivals of the options; where users hear some of the stations, choices are credited with these alone."""
    from hetgraph.trainers.arrivals.data import ArrivalDataModule  # with Lightning, which comparisons do without
    from hetgraph.trainers.arrivals.double_dqn import DoubleDQN
    from hetgraph.trainers.common.modules import loaded

    source = networks_of(options, SCENARIO, SITES)
    load = {name: _numbers(getattr(options, name), name) for name in ("probability", "demand")}
    for name, numbers in load.items():
        if len(numbers) > 1:
            raise ValueError(
                f"--{name}: got {getattr(options, name)!r}, expected one number to train at, or none for all"
            )
    chance, demand = load["probability"][0], load["demand"][0]
    known = dict(header.training.get("options", header.options))
    known |= {"target_every": TARGET_EVERY, "lr": budget.lr or LR, "lr_end": LR_END}
    module = loaded(DoubleDQN(**known), tensors)
    city = arrivals(source, chance, demand)
    unit, local = city.service.time_unit, city.links_per_user < city.service.stations
    data = ArrivalDataModule(
        source,
        probability=chance,
        demand=demand,
        num_envs=max(round(NETWORKS / unit), 4),
        gamma=1.0,
        n_step=3,
        batch_size=BATCH,
        draws=budget.batches,
        capacity=50_000,
        least=min(LEAST, BATCH * budget.batches),
        epsilon_end=0.05,
        explore=1,
        reward_scale=REWARD_SCALE
        * unit
        * (1.0 if local else unit),  # utility to go grows with slots, and with stations
        local=local,
        horizon=round(HORIZON * unit) if local else 0,
        val_episodes=max(round(EPISODES / unit**2), 4),
        seed=budget.seed,
    )
    return Training(module, data, budget.epochs)


def default(options: Any) -> str:
    """Rules that are compared when none are named."""
    return "best_rate,best_rate_admission,argmax,argmax_blocking,least_loaded,random_station"


TASK = Task(
    name="arrivals",
    summary="users that arrive one by one",
    options=Options,
    scenario=SCENARIO,
    group="hetgraph.associations",
    default=default,
    columns=(Column("utility", "ratio"), Column("rejections", "difference"), Column("completions")),
    cases=cases,
    training=training,
    figures=arrival_figures,
    rivals=lambda options: ("best_rate", "best_rate_admission", "argmax", "argmax_blocking", "least_loaded"),
    decisions=decisions,
    by_offsets=by_offsets,
)
