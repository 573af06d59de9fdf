"""What a policy decides on one network, as tables of its cells and its users."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hetgraph.envs.association import Association
from hetgraph.envs.base import GraphEnv
from hetgraph.envs.rollout import play, policy_generator
from hetgraph.envs.step import Step
from hetgraph.kpi_table import INDICATORS
from hetgraph.trainers.judge.decision_columns import dbm
from hetgraph.trainers.judge.identities import Identities, identities
from hetgraph.trainers.judge.measured import SHARE, measured_share, noted
from hetgraph.trainers.judge.offsets import with_offsets
from hetgraph.trainers.judge.progress import late_progress_bar
from hetgraph.trainers.task import Case, Decisions, Task

Row = dict[str, Any]


@dataclass(frozen=True)
class Decided:
    """A policy's decisions on one network.

    Args:
        policy: its name.
        case: which networks.
        cells: rows of cells, in their owner's order.
        users: rows of users, in their owner's order or, of arriving users, in the order in which they come.
        kpis: indicators of the episode.
        offset_agreement: see :class:`~hetgraph.trainers.task.Decisions`.
    """

    policy: str
    case: Case
    cells: list[Row]
    users: list[Row]
    kpis: dict[str, float]
    offset_agreement: float | None = None


def decide(task: Task, options: Any, name: str, policy: Any) -> Decided:
    """Run a policy on the first network of some options for an episode.

    Args:
        task: whose policy it is.
        options: of the task; of several cases, such as loads, the first one counts.
        name: of the policy.
        policy: what decides.

    Raises:
        ValueError: a task without tables of decisions, options that do not fit, or a policy that returns what it must not.
    """
    options = one_network(options)
    case = task.cases(options)[0]
    env = next(case.environments())
    with late_progress_bar(f"{name}: {case.title}", env.episode_slots) as counted:
        played = play_episode(task, env, name, policy, case.seed, counted)
    share = measured_share(env)
    if share is not None:
        case = dataclasses.replace(case, title=noted(case.title, share), keys={**case.keys, SHARE: share})
    return decided(name, case, with_offsets(played.decisions), played.kpis, identities(options, env.num_stations))


def one_network(options: Any) -> Any:
    """The options with one network, where they say how many."""
    if any(field.name == "layouts" for field in dataclasses.fields(options)):
        return dataclasses.replace(options, layouts=1)
    return options


def decided(name: str, case: Case, result: Decisions, kpis: dict[str, float], who: Identities) -> Decided:
    """Decisions as rows, under their owner's names."""
    return Decided(name, case, _cell_rows(result, who), _user_rows(result, who), kpis, result.offset_agreement)


@dataclass(frozen=True)
class Episode:
    """An episode of a policy on the first network of an environment.

    Args:
        decisions: what was decided.
        kpis: indicators of the network.
        seconds: of each decision.
        details: see :meth:`~hetgraph.envs.base.GraphEnv.details`.
        association: who served whom at the end, where there are positions.
    """

    decisions: Decisions
    kpis: dict[str, float]
    seconds: list[float]
    details: Any
    association: Association | None


def play_episode(
    task: Task,
    env: GraphEnv[Any],
    name: str,
    policy: Any,
    seed: int,
    counted: Callable[[Iterator[Any]], Iterator[Any]] = iter,
) -> Episode:
    """Run a policy for an episode, which begins anew.

    Args:
        task: whose policy it is.
        env: whose first network counts.
        name: of the policy.
        policy: what decides.
        seed: of the environment and of the policy's random numbers.
        counted: shows the progress of an iterator of slots.

    Raises:
        ValueError: a task without tables of decisions, or a policy that returns what it must not.
    """
    if task.decisions is None:
        raise ValueError(f"task {task.name}: got no tables of its decisions, expected Task.decisions")
    env.record_episodes()
    env.reset(seed=seed)
    kpis: dict[str, float] = {}
    times, steps = list[float](), list[Step]()
    result = task.decisions(env, counted(_noted(env, name, policy, seed, kpis, times, steps)))
    if not result.serving.numel():
        raise ValueError(
            f"{name}: got no users in {env.episode_slots} slots, expected some; more arrivals or another --seed"
        )
    last = steps[-1]
    return Episode(result, kpis, times, env.details(), Association.of(last.info.get("final_obs", last.obs)))


def _noted(
    env: GraphEnv[Any],
    name: str,
    policy: Any,
    seed: int,
    kpis: dict[str, float],
    times: list[float],
    last: list[Step],
) -> Iterator[tuple[Any, Step]]:
    """An episode, whose indicators are noted when it ends, and its last step as the only one of ``last``."""
    for action, step in play(env, name, policy, policy_generator(env, seed), times):
        known = step.info.get("episode", {})
        kpis |= {kpi: float(value[0]) for kpi, value in known.items() if kpi in INDICATORS}
        last[:] = [step]
        yield action, step


def _cell_rows(result: Decisions, who: Identities) -> list[Row]:
    """Names, power in total and by block, and the task's columns of each cell."""
    rows = []
    for number in who.order:
        row: Row = dict(who.cells[number])
        if result.power_w is not None:
            by_block = result.power_w[number].tolist()
            total = math.fsum(by_block)
            row |= {"power_w": total, "power_dbm": dbm(total)}
        row |= {name: value[number].item() for name, value in result.cells.items()}
        if result.power_w is not None:
            row |= {f"power_w_rb{block}": value for block, value in enumerate(by_block)}
            row |= {f"power_dbm_rb{block}": dbm(value) for block, value in enumerate(by_block)}
        rows.append(row)
    return rows


def _user_rows(result: Decisions, who: Identities) -> list[Row]:
    """Name, mast and cell, and the task's columns of each user."""
    serving = result.serving.tolist()
    numbers = range(len(serving)) if result.user is None else result.user.tolist()
    nobody = dict.fromkeys(("site", "cell") if "site" in who.cells[0] else ("cell",), "")
    rows = []
    for place, (number, station) in enumerate(zip(numbers, serving, strict=True)):
        cell = {name: who.cells[station][name] for name in nobody} if station >= 0 else nobody
        rows.append({"user": who.user(number), **cell} | {k: v[place].item() for k, v in result.users.items()})
    return rows
