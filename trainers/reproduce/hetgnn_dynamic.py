"""The dynamic mode of the HetGNN paper (eq. 1): users walk, and every second somebody decides anew."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, Scenario, user_trajectories
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.streams import stream
from hetgraph.radio import Allocation, evaluate
from hetgraph.trainers.common.networks import TEST
from hetgraph.trainers.judge.trial import trial_of
from hetgraph.trainers.reproduce.bench import Bench, rules
from hetgraph.trainers.reproduce.hetgnn_tables import BASE, at, untrained, world
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, trial_table
from hetgraph.trainers.snapshot.task import TASK

SPEEDS = {"on foot": (1.0, 2.0), "in cars": (8.0, 14.0)}  # m/s
SECOND_S, SECONDS = 1.0, 20
TEACHER = "pf_teacher"
STALE = ("pathloss_db", "shadow_db", "distance_m", "rsrp_dbm", "los")  # of the place where a user was drawn
Decide = Callable[[HeteroData], Allocation]


def walk(scenario: Scenario, number: int, seconds: int, speed: tuple[float, float]) -> Iterator[HeteroData]:
    """A network's graphs, a second apart: slow gains of the users' places, Rayleigh fading drawn anew in each.

    Args:
        scenario: of the network, in which every station is a candidate of every user.
        number: of the network.
        seconds: graphs.
        speed: smallest and largest speed, m/s.
    """
    base = scenario.sample(1, seed=TEST, first=number)
    mobility = Waypoints(speed_mps=speed, pause_s=0.0)
    path = user_trajectories(scenario, 1, steps=seconds, slot_s=SECOND_S, mobility=mobility, seed=TEST, first=number)
    generator = stream(TEST, number, "fading")
    bs, ue = base[CHANNEL].edge_index
    for second in range(seconds):
        graph = base.clone()
        fading = base[CHANNEL].gain.new_empty(base[CHANNEL].gain.shape).exponential_(generator=generator)
        graph[CHANNEL].gain = path.gain[0, second][ue, bs].unsqueeze(1) * fading
        graph["ue"].pos[:, :2] = path.ue_pos[0, second]
        graph["bs"].pos[:, :2] = path.bs_pos[0]
        for name in STALE:
            if name in graph[CHANNEL]:
                del graph[CHANNEL][name]
        yield graph


def played(graphs: list[HeteroData], decide: Decide, *, once: bool = False) -> tuple[float, float]:
    """Mean log utility of a walk, and handovers per user and second.

    Args:
        graphs: a second apart.
        decide: makes each second's allocation.
        once: keep the first one.
    """
    utilities, moved = [], list[float]()
    allocation = decide(graphs[0])
    for graph in graphs:
        before = allocation
        allocation = allocation if once else decide(graph)
        utilities.append(float(evaluate(graph, allocation).pf_utility.mean()))
        moved.append(float((allocation.serving != before.serving).double().mean()))
    return float(np.mean(utilities)), float(np.mean(moved[1:])) if len(moved) > 1 else 0.0


def dynamic(bench: Bench) -> Section:
    """Utility and handovers of 20 seconds, decided each second, beside the teacher that solves each second anew."""
    networks, seconds, tables = bench.count(40, 1), bench.count(SECONDS, 3), []
    scenario = world(bench, "hetnet-3tier")
    methods = rules(TASK, BASE, "pf", TEACHER) | untrained(bench, "label-free", 12)
    learned = bench.learned({"label-free": "label-free", "distilled, then label-free": "hetnet"}, "untrained")
    for rounds in (8, 12)[: bench.count(2, 1)]:
        methods |= at(learned, rounds)
    once = f"{TEACHER}, first second's"
    for speed, limits in list(SPEEDS.items())[: bench.count(2, 1)]:
        values: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in (*methods, once)}
        for number in range(networks):
            graphs = list(walk(scenario, number, seconds, limits))
            for name, method in methods.items():
                values[name].append([played(graphs, policy) for policy in method.members])
            values[once].append([played(graphs, methods[TEACHER].members[0], once=True)])
        trial = trial_of({name: _indicators(rows) for name, rows in values.items()})
        measures = (
            Measure("pf_utility", form=".4f", half=".4f"),
            Measure("pf_utility", "difference", TEACHER, "+.4f", ".4f"),
            Measure("handover_rate", form=".2f", half=".2f"),
            Measure("handover_rate", "ratio", TEACHER, ".3f", ".3f"),
        )
        tables.append(
            trial_table(trial, methods, f"{speed}, {limits[0]:g} to {limits[1]:g} m/s", measures, timed=False)
        )
    note = "Handovers are changes of the serving station per user and second. Velocities are no input of the network;"
    note += " the gains hold each second's fading on the blocks, which no method filters."
    return Section(tuple(tables), (note,), networks=f"{networks} networks of hetnet-3tier, {seconds} s each")


def _indicators(rows: list[list[tuple[float, float]]]) -> dict[str, NDArray[np.float64]]:
    """Indicators ``[S, K]`` of pairs of each network and seed."""
    table = np.array(rows).transpose(2, 1, 0)
    return {"pf_utility": table[0], "handover_rate": table[1]}
