"""Handovers of moving users: `python benchmarks/handover.py throughput | baselines | tune | learned | sizes | traces`.

`learned`, `sizes` and `traces` read the checkpoints of runs.py (`python benchmarks/runs.py qmix`); what is not trained is
left out. TRACES is the folder with the drive tests, TEST_SEED the seed of the test networks, 2,000,000 where it is not set.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph import load
from hetgraph.datasets import LTETraceDataset
from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.envs.handover.rules import Announced, Mover, ProportionalFair, StrongestCell
from hetgraph.envs.handover.search_rules import DualPrice, Negotiated, Optimum
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.graph import CHANNEL, Trajectories, roaming, user_trajectories
from hetgraph.models import GraphQMIX
from hetgraph.radio import handover_policy
from hetgraph.radio.handover import HandoverRule, ResourceModel
from hetgraph.trainers.handover.price import CROWDING, fitted_price
from hetgraph.trainers.handover.tabular import HandoverTable, handover_q_learning
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.trial import difference, mean, ratio, table

VALIDATION, TEST = 1_000_000, int(os.environ.get("TEST_SEED", 2_000_000))
NAMES = (
    *("stay", "random", "round_robin", "greedy", "max_rsrp", "cre", "genetic"),
    *("pf_greedy", "pf_announced", "pf_negotiated", "dual_price", "pf_optimum", "pf_patient"),
)
SHOWN = ("anu", "asc", "jain", "load_imbalance", "handover_rate", "ping_pong_rate")
SEEDS = range(5)
ONE, LOWER, RATES = "GraphQMIX, one price", "GraphQMIX, one lower price", "GraphQMIX, sum rate and spread"
MODES: dict[tuple[ResourceModel, bool], dict[str, str]] = {
    ("shared", True): {
        "GraphQMIX": "qmix",
        RATES: "qmix-asc",
        "GraphQMIX, crowding": "qmix-crowding",
        LOWER: "qmix-early",
        "GraphQMIX, no announcements": "qmix-plain",
    },
    ("shared", False): {
        "GraphQMIX": "qmix-margin",
        RATES: "qmix-asc-margin",
        ONE: "qmix-one-margin",
        LOWER: "qmix-early-margin",
    },
    ("paper", True): {"GraphQMIX": "qmix-levels"},
    ("paper", False): {
        "GraphQMIX": "qmix-levels-margin",
        ONE: "qmix-one-levels-margin",
        LOWER: "qmix-early-levels-margin",
        f"{LOWER}, sum rate": "qmix-rate-levels-margin",
    },
}
# Price of a handover and its crowding, by range expansion: the best on validation networks, as in runs.py.
PRICE = {True: (0.45, 0.01), False: (0.4, 0.03)}
TRACES: dict[ResourceModel, dict[str, str]] = {
    "shared": {"GraphQMIX": "qmix-traces", "GraphQMIX of hetnet-3tier": "qmix-margin"},
    "paper": {"GraphQMIX": "qmix-traces-levels", "GraphQMIX of hetnet-3tier": "qmix-levels-margin"},
}
# Agents without rules or graphs, with the highest level for all, which is the best resource rule; by range expansion.
ALONE: dict[bool, dict[str, str]] = {
    bias: {label: run + ("" if bias else "-margin") for label, run in rivals.items()}
    for bias in (True, False)
    for rivals in [
        {"flat QMIX": "qmix-flat", "D3QN, global": "d3qn", "D3QN, single": "d3qn-single", "DQN, global": "dqn"}
    ]
}
PATIENT: dict[str, Callable[[float], Any]] = {
    "pf_greedy": ProportionalFair,
    "pf_announced": Announced,
    "pf_negotiated": Negotiated,
    "dual_price": lambda patience: DualPrice(least_gain=patience),
    "pf_patient": Optimum,
}
RIVALS = ("max_rsrp", "cre", "greedy", "genetic", *NAMES[-6:])
RATIOS = ("anu", "asc", "jain", "load_imbalance")


def rate(number: int, batch: int = 128, steps: int = 150) -> tuple[float, float, float]:
    """Network-steps per second of a process by the clock and by its own CPU time, and of copying what a step moves."""
    torch.set_num_threads(1)
    env, g = (
        HandoverEnv(user_trajectories(roaming(), 8, steps=51, seed=number), batch),
        torch.Generator().manual_seed(number),
    )
    shape = (batch, env.num_users)
    actions = [
        HandoverAction(torch.randint(4, shape, generator=g), torch.randint(5, shape, generator=g)) for _ in range(8)
    ]

    def play(count: int) -> None:
        for t in range(count):
            env.step(actions[t % 8])

    play(50)
    wall, own = time.perf_counter(), time.process_time()
    play(steps)
    found = [batch * steps / (time.perf_counter() - wall), batch * steps / (time.process_time() - own)]
    moved = tables(env)
    into = [torch.empty_like(value) for value in moved]
    own = time.process_time()
    for _ in range(steps):
        for source, target in zip(moved, into, strict=True):
            target.copy_(source)
    return found[0], found[1], batch * steps / (time.process_time() - own)


def tables(env: HandoverEnv) -> list[Tensor]:
    """What a step has to read or write at least: the observation, and what users receive from their candidates."""
    obs, links = env.observe("neighbourhood"), env.state.links
    edges, bs, ue = obs[CHANNEL], obs["bs"], obs["ue"]
    read = [links.received_db, links.efficiency, links.efficiency, links.cell]
    written = [edges.edge_index[0], edges.gain, edges.spectral_efficiency, edges.allowed, edges.users, edges.bias_db]
    written += [edges.distance_m, edges.measured, bs.users, bs.room, ue.pos, ue.speed_mps, ue.rate_bps]
    return [*read, *written, ue.level, ue.since_slots, ue.far_interference_w]


def throughput() -> None:
    """Network-steps per second on all cores at 25 cells and 250 users, random actions, observations included."""
    cores = len(os.sched_getaffinity(0))
    env = HandoverEnv(user_trajectories(roaming(), 1, steps=51))
    size = sum(value.numel() * value.element_size() for value in tables(env))
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        wall, own, copy = (sum(column) for column in zip(*pool.map(rate, range(cores)), strict=True))
    print(f"{cores} processes, 128 networks each, 25 cells, 250 users, load average {os.getloadavg()[0]:.1f}")
    print("| | network-steps per second |\n|---|---|")
    print(f"| by the clock | {wall:,.0f} |\n| by CPU time | {own:,.0f} |")
    print(f"| floor: copying the {size / 1e3:.0f} kB that a step moves | {copy:,.0f} |")
    print(f"share of the floor {own / copy:.2f}")


def judged(world: Trajectories, bias: bool, model: ResourceModel, policies: dict[str, Any]) -> Trial:
    """Indicators of each network under each policy, on the same episodes."""
    env = HandoverEnv(world, world.networks, rule=HandoverRule(bias=bias), resource_model=model)
    return rollout(env, policies, seed=TEST)


def show(trial: Trial) -> None:
    """Table of a mode, ANU beside max RSRP's paired difference."""
    print(
        "| policy | ANU | ANU - max_rsrp | ASC | Jain | load imbalance | handover rate | ping-pong |\n"
        + "|---" * 8
        + "|"
    )
    for name in trial.values:
        anu, *others = (mean(trial, name, key).value for key in SHOWN)
        gain = difference(trial, name, "max_rsrp", "anu").text("+.2f", ".2f")
        cells = [
            f"{value:.4g}" if key == "asc" else f"{value:.4f}" for key, value in zip(SHOWN[1:], others, strict=True)
        ]
        print(f"| {name} | {anu:.2f} | {gain} | {' | '.join(cells)} |")


def baselines(networks: int = 20) -> None:
    """All classical policies in the four modes of resources and rule, on the same networks."""
    world = user_trajectories(roaming(), networks, steps=51, seed=TEST)
    policies = {name: handover_policy(name) for name in NAMES} | {"max_rsrp, level 3": StrongestCell(level_of_all=3)}
    for model in ("shared", "paper"):
        for bias in (False, True):
            trial = judged(world, bias, model, policies)  # type: ignore[arg-type]
            room = difference(trial, "pf_optimum", "max_rsrp", "anu")
            part = room.value / mean(trial, "max_rsrp", "anu").value
            print(f"\nresources {model}, rule {'CRE' if bias else 'margin'}, {networks} networks")
            print(f"room max_rsrp to pf_optimum {room.text('.2f', '.2f')} ({part:.2%} of ANU)")
            show(trial)


def agents(name: str) -> list[GraphQMIX]:
    """Best checkpoints of the training seeds, none where one is missing."""
    paths = [Path(f"runs/{name}-{seed}/best.ckpt") for seed in SEEDS]
    return [load(path) for path in paths] if all(path.exists() for path in paths) else []


class AtTop:
    """A policy's places, with the highest level for all users."""

    def __init__(self, policy: Any, levels: int = 5) -> None:
        self.policy, self.levels, self.level = policy, levels, policy.level

    def initial_state(self, obs: HeteroData) -> Any:
        """The policy's."""
        return self.policy.initial_state(obs)

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Its places."""
        action, state = self.policy.act(obs, state, generator)
        return HandoverAction(action.place, torch.full_like(action.place, self.levels - 1)), state


def alone(bias: bool) -> dict[str, list[Any]]:
    """Agents without rules or graphs that are trained, five of each, tables of Q-learning among them."""
    found: dict[str, list[Any]] = {name: [AtTop(one) for one in team] for name, team in teams(ALONE[bias]).items()}
    return found | {"Q-learning": [tabular(bias, seed) for seed in SEEDS]}


def tabular(bias: bool, seed: int, episodes: int = 30) -> HandoverTable:
    """A table trained on 32 networks of its own, with shared resources; kept in a file."""
    kept = Path(f"runs/results/handover/table-{'cre' if bias else 'margin'}-{seed}.pt")
    if kept.exists():
        found = HandoverTable()
        found.table, found.visits = torch.load(kept, weights_only=True)
        return found
    env = HandoverEnv(
        user_trajectories(roaming(), 32, steps=51, seed=seed), 32, rule=HandoverRule(bias=bias), seed=seed
    )
    found = handover_q_learning(env, episodes=episodes, epsilon_decay=0.85, seed=seed, progress=sys.stderr.isatty())
    kept.parent.mkdir(parents=True, exist_ok=True)
    torch.save((found.table, found.visits), kept)
    return found


def teams(names: dict[str, str]) -> dict[str, list[GraphQMIX]]:
    """Agents by what they are called in tables; those that are not trained are left out."""
    found = {label: agents(name) for label, name in names.items()}
    return {label: members for label, members in found.items() if members}


def crowding(bias: bool) -> dict[str, list[Any]]:
    """The rules with the prices that agents begin with."""
    patience, more = PRICE[bias]
    found = {"pf_negotiated": Negotiated(patience, crowding=more), "pf_patient": Optimum(patience, more)}
    return {f"{name}, crowding": [rule] for name, rule in found.items()}


def learned(networks: int = 20) -> None:
    """Agents of each mode beside the classical policies on the same networks."""
    world = user_trajectories(roaming(), networks, steps=51, seed=TEST)
    for (model, bias), names in MODES.items():
        print(f"\nresources {model}, rule {'CRE' if bias else 'margin'}, 25 cells, {networks} networks")
        compare(world, bias, model, crowding(bias) | alone(bias) | teams(names))


def sizes() -> None:
    """Agents of 25 cells on twice and four times as many, as they are."""
    for cells, networks in ((50, 6), (100, 3)):
        world = user_trajectories(roaming(cells, 10 * cells), networks, steps=51, seed=TEST)
        for (model, bias), names in MODES.items():
            print(f"\nresources {model}, rule {'CRE' if bias else 'margin'}, {cells} cells, {networks} networks")
            compare(world, bias, model, crowding(bias) | teams(names))


def traces(folder: str | None = None, networks: int = 16) -> None:
    """Agents on drive tests, the test's files; those of hetnet-3tier beside those trained on other files.

    Rules as they are, and with the patience that is best on the training files.
    """
    root = folder or os.environ.get("TRACES", "traces")
    known, world = (
        LTETraceDataset(root, generation="5G", split=split, cells=22).trajectories(count, 51, seed=seed)  # type: ignore[arg-type]
        for split, count, seed in (("train", 32, 0), ("test", networks, TEST))
    )
    env = HandoverEnv(known, known.networks)
    patience = {name: fitted_price(env, rule, seed=0) for name, rule in PATIENT.items()}
    print("patience fitted on the training files: " + ", ".join(f"{n} {p:g}" for n, p in patience.items()))
    rules: dict[str, list[Any]] = {f"{name}, fitted": [PATIENT[name](price)] for name, price in patience.items()}
    for name, kind in (("pf_negotiated", Negotiated), ("pf_patient", Optimum)):
        rule = partial(kind, patience[name])
        crowding = fitted_price(env, lambda more, rule=rule: rule(crowding=more), seed=0, grid=CROWDING)  # type: ignore[misc]
        print(f"crowding fitted on the training files: {name} {crowding:g}")
        rules[f"{name}, crowding, fitted"] = [rule(crowding=crowding)]
    for model, names in TRACES.items():
        print(f"\nresources {model}, rule margin, 22 cells of the 5G drive tests, {networks} networks")
        compare(world, False, model, rules | teams(names))


def compare(world: Trajectories, bias: bool, model: ResourceModel, members: dict[str, list[Any]]) -> None:
    """Indicators beside max RSRP's, shares of the room to the central searches; intervals over training seeds and networks."""
    policies: dict[str, Any] = {name: handover_policy(name) for name in RIVALS} | members
    trial = judged(world, bias, model, policies)
    heads = ["policy", "ANU - max_rsrp", "of pf_optimum's room", "of pf_patient's", "ANU - pf_patient", *RATIOS]
    heads += ["handover rate", "ping-pong"]
    print(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|")
    base, optimum, patient = (table(trial, name, "anu") for name in ("max_rsrp", "pf_optimum", "pf_patient"))
    for name in trial.values:
        shares = (statistics.share(table(trial, name, "anu"), base, high) for high in (optimum, patient))
        cells = [difference(trial, name, "max_rsrp", "anu").text("+.3f", ".3f")]
        cells += [each.text(".3f", ".3f") for each in shares]
        cells += [difference(trial, name, "pf_patient", "anu").text("+.3f", ".3f")]
        cells += [ratio(trial, name, "max_rsrp", key).text(".4f", ".4f") for key in RATIOS]
        cells += [mean(trial, name, key).text(".4f", ".4f") for key in ("handover_rate", "ping_pong_rate")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def tune(networks: int = 16) -> None:
    """Bias of CRE and patience of the others on validation networks."""
    world = user_trajectories(roaming(), networks, steps=51, seed=VALIDATION)
    policies: dict[str, Mover] = {f"cre {b:g} dB": StrongestCell(b) for b in (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)}
    for gain in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7):
        policies |= {f"pf_greedy {gain:g}": ProportionalFair(gain), f"dual_price {gain:g}": DualPrice(least_gain=gain)}
        policies |= {f"pf_announced {gain:g}": Announced(gain), f"pf_patient {gain:g}": Optimum(gain)}
    for bias in (False, True):
        trial = judged(world, bias, "shared", policies)
        print(f"\nrule {'CRE' if bias else 'margin'}\n| policy | ANU | handover rate |\n|---|---|---|")
        for name in trial.values:
            anu, handovers = (mean(trial, name, key).value for key in ("anu", "handover_rate"))
            print(f"| {name} | {anu:.3f} | {handovers:.4f} |", flush=True)


COMMANDS: dict[str, Callable[[], None]] = {
    "throughput": throughput,
    "baselines": baselines,
    "tune": tune,
    "learned": learned,
    "sizes": sizes,
    "traces": traces,
}

if __name__ == "__main__":
    for command in sys.argv[1:]:
        COMMANDS[command]()
    if len(sys.argv) < 2:
        print(f"usage: python benchmarks/handover.py {' | '.join(COMMANDS)}")
