"""The dynamic mode of the HetGNN paper (eq. 1): users walk, and every second somebody decides anew."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, Scenario, user_trajectories
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.streams import stream
from hetgraph.trainers.common.networks import TEST, VALIDATION
from hetgraph.trainers.judge.trial import trial_of
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.hetgnn_handovers import MARGINS, Scores, chosen_margin, played
from hetgraph.trainers.reproduce.hetgnn_tables import BASE, at, untrained, world
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, trial_table
from hetgraph.trainers.snapshot.task import TASK

SPEEDS = {"on foot": (1.0, 2.0), "in cars": (8.0, 14.0)}  # m/s
SECOND_S, SECONDS = 1.0, 20
TEACHER = "pf_teacher"
STALE = ("pathloss_db", "shadow_db", "distance_m", "rsrp_dbm", "los")  # of the place where a user was drawn
LEARNED = {
    "label-free": "label-free",
    "label-free, velocity as a column": "velocity",
    "distilled, then label-free": "hetnet",
}
MEASURES = (
    Measure("pf_utility", form=".4f", half=".4f"),
    Measure("pf_utility", "difference", TEACHER, "+.4f", ".4f"),
    Measure("handover_rate", form=".2f", half=".2f"),
    Measure("handover_rate", "ratio", TEACHER, ".3f", ".3f"),
)
NOTES = (
    "Handovers are changes of the serving station per user and second. The gains hold each second's fading on the blocks, which no"
    " method filters.",
    "With a margin a user stays at its cell unless the new one is better by so much of its own log utility, at the new powers and"
    " loads; the margin is that of the fewest handovers whose utility on validation networks is not below the teacher's without"
    " one, or, where there is none, that of the highest utility.",
    "Velocity as a column: trained on users of 10 m/s in random directions, on each network's utility of the moment, for which where"
    " users go does not matter; on walks it is the velocity of the last second.",
)


def walk(
    scenario: Scenario, number: int, seconds: int, speed: tuple[float, float], seed: int = TEST
) -> Iterator[HeteroData]:
    """A network's graphs, a second apart: slow gains of the users' places, Rayleigh fading drawn anew in each.

    Args:
        scenario: of the network, in which every station is a candidate of every user.
        number: of the network.
        seconds: graphs.
        speed: smallest and largest speed, m/s.
        seed: of the networks.
    """
    base = scenario.sample(1, seed=seed, first=number)
    mobility = Waypoints(speed_mps=speed, pause_s=0.0)
    path = user_trajectories(scenario, 1, steps=seconds, slot_s=SECOND_S, mobility=mobility, seed=seed, first=number)
    generator = stream(seed, number, "fading")
    bs, ue = base[CHANNEL].edge_index
    for second in range(seconds):
        graph = base.clone()
        fading = base[CHANNEL].gain.new_empty(base[CHANNEL].gain.shape).exponential_(generator=generator)
        graph[CHANNEL].gain = path.gain[0, second][ue, bs].unsqueeze(1) * fading
        graph["ue"].pos[:, :2] = path.ue_pos[0, second]
        graph["bs"].pos[:, :2] = path.bs_pos[0]
        if seconds > 1:  # that of the last second; at the beginning, of the first one
            last = max(second, 1)
            graph["ue"].velocity = (path.ue_pos[0, last] - path.ue_pos[0, last - 1]) / SECOND_S
        for name in STALE:
            if name in graph[CHANNEL]:
                del graph[CHANNEL][name]
        yield graph


def dynamic(bench: Bench) -> Section:
    """Utility and handovers of 20 seconds, decided each second, beside the teacher that solves each second anew."""
    networks, tables = bench.count(24, 1), []
    scenario = world(bench, "hetnet-3tier")
    methods = rules(TASK, BASE, "pf", TEACHER) | untrained(bench, "label-free", 12)
    learned = bench.learned(LEARNED, "untrained")
    for rounds in (8, 12)[: bench.count(2, 1)]:
        last = at(learned, rounds)
        methods |= last
    with_margins = {name: methods[name] for name in (TEACHER, *last)}
    for speed, limits in list(SPEEDS.items())[: bench.count(2, 1)]:
        margins = tuned(bench, scenario, limits, with_margins)
        scores, shown = defaultdict[str, list[list[Scores]]](list), dict(methods)
        for graphs in walks(scenario, networks, bench.count(SECONDS, 3), limits):
            for name, method in methods.items():
                answers = [[policy(graph) for graph in graphs] for policy in method.members]
                scores[name].append([played(graphs, one) for one in answers])
                if name in margins:
                    row = f"{name}, margin {margins[name]:g} nat"
                    scores[row].append([played(graphs, one, margins[name]) for one in answers])
                    shown[row] = Method(method.members, method.kind)
                if name == TEACHER:
                    scores[f"{name}, first second's"].append([played(graphs, one[:1] * len(graphs)) for one in answers])
        trial = trial_of({name: _indicators(rows) for name, rows in scores.items()})
        tables.append(trial_table(trial, shown, f"{speed}, {limits[0]:g} to {limits[1]:g} m/s", MEASURES, timed=False))
    return Section(
        tuple(tables), NOTES, networks=f"{networks} networks of hetnet-3tier, {bench.count(SECONDS, 3)} s each"
    )


def tuned(bench: Bench, scenario: Scenario, speed: tuple[float, float], methods: Methods) -> dict[str, float]:
    """Margins of methods, tuned on validation networks to a utility not below the teacher's, :func:`chosen_margin`."""
    scores = {name: defaultdict[float | None, list[Scores]](list) for name in methods}
    for graphs in walks(scenario, bench.count(8, 1), bench.count(SECONDS, 3), speed, VALIDATION):
        for name, method in methods.items():
            for policy in method.members:
                proposed = [policy(graph) for graph in graphs]
                for margin in (None, *MARGINS):
                    scores[name][margin].append(played(graphs, proposed, margin))
    means = {name: {margin: _mean(rows) for margin, rows in found.items()} for name, found in scores.items()}
    least = means[TEACHER].pop(None)[0]
    return {
        name: chosen_margin({margin: score for margin, score in found.items() if margin is not None}, least)
        for name, found in means.items()
    }


def walks(
    scenario: Scenario, networks: int, seconds: int, speed: tuple[float, float], seed: int = TEST
) -> Iterator[list[HeteroData]]:
    """The walks of some networks, one after the other."""
    for number in range(networks):
        yield list(walk(scenario, number, seconds, speed, seed))


def _mean(rows: list[Scores]) -> Scores:
    utility, handovers = np.array(rows).mean(0)
    return float(utility), float(handovers)


def _indicators(rows: list[list[Scores]]) -> dict[str, NDArray[np.float64]]:
    """Indicators ``[S, K]`` of pairs of each network and seed."""
    table = np.array(rows).transpose(2, 1, 0)
    return {"pf_utility": table[0], "handover_rate": table[1]}
