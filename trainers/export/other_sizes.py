"""Graphs of a task with other numbers of users, stations and resource blocks than the one that a program is made from."""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch_geometric.data import HeteroData

from hetgraph.envs.rollout import play, policy_generator
from hetgraph.graph import Scenario
from hetgraph.models.inference import attributes_of, graph_of
from hetgraph.trainers.common.networks import networks_of
from hetgraph.trainers.judge.decisions import one_network
from hetgraph.trainers.task import Task

FACTORS = (
    (0.6, 1.0, 1.0),
    (1.3, 1.0, 2.0),
    (1.0, 0.5, 1.0),
    (0.8, 1.5, 0.6),
    (1.7, 1.0, 1.5),
)  # users, stations, blocks
SLOTS = 3  # that are played before a graph is taken, so that queues and powers are not zero
GIVEN = ("sites", "users", "gain", "radio", "operator", "window", "user_density", "num_users")


def graph_of_task(task: Task, options: Any, policy: Any, slots: int = SLOTS) -> HeteroData:
    """What a policy observes of the first network of some options after a few slots, as a single graph.

    Args:
        task: of the policy.
        options: of the task.
        policy: that decides in these slots.
        slots: their number; fewer where the episode is shorter.
    """
    case = task.cases(one_network(options))[0]
    env = next(case.environments())
    env.reset(seed=case.seed)
    steps = play(env, policy.name, policy, policy_generator(env, case.seed))
    for _ in range(min(slots, env.episode_slots - 1)):
        next(steps)
    obs = env.observe(policy.level)
    return graph_of({name: value.clone() for name, value in attributes_of(obs).items()})


def graphs_of_other_sizes(
    task: Task, options: Any, policy: Any, factors: Sequence[tuple[float, float, float]] = FACTORS
) -> Iterator[HeteroData]:
    """Graphs of the options' scenario with other numbers of nodes and blocks; where none can be drawn, of other networks of it.

    Those of other networks may have the same sizes: :func:`~hetgraph.trainers.export.program.checked` says which sizes there were.

    Args:
        task: of the policy.
        options: of the task.
        policy: whose observations they are.
        factors: on the numbers of users, stations and resource blocks.
    """
    scenario = None if task.scenario is None else networks_of(options, task.scenario)
    drawn = 0
    for number, factor in enumerate(factors):
        if not isinstance(scenario, Scenario):
            break
        try:
            graph = _scaled(task, options, policy, scenario, factor, number)
        except ValueError:  # a scenario or a model that is for this size alone
            continue
        drawn += 1
        yield graph
    if not drawn:
        for number in range(1, 1 + len(factors)):
            yield graph_of_task(task, dataclasses.replace(options, seed=options.seed + number), policy)


def _scaled(
    task: Task, options: Any, policy: Any, scenario: Scenario, factor: tuple[float, float, float], number: int
) -> HeteroData:
    users, stations, blocks = factor
    other = scenario.scaled(users=users, stations=stations)
    radio = other.radio
    if "R" not in getattr(policy, "fixed_sizes", ()) and radio.num_rbs > 1:
        radio = dataclasses.replace(radio, num_rbs=max(round(radio.num_rbs * blocks), 2))
    other = dataclasses.replace(other, radio=radio)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.yaml"
        other.to_yaml(path)
        none = {field.name: field.default for field in dataclasses.fields(options) if field.name in GIVEN}
        changed = dataclasses.replace(options, **none, scenario=str(path), seed=options.seed + 1 + number)
        return graph_of_task(task, changed, policy)
