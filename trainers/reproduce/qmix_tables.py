"""Sections of handovers: agents beside rules, in four modes of resources and handover rule."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.datasets import LTETraceDataset
from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.envs.handover.rules import Announced, Mover, ProportionalFair, StrongestCell
from hetgraph.envs.handover.search_rules import DualPrice, Negotiated, Optimum
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.graph import Trajectories, roaming, user_trajectories
from hetgraph.radio import indicator
from hetgraph.radio.handover import HandoverRule, ResourceModel
from hetgraph.trainers.common.networks import TEST, VALIDATION
from hetgraph.trainers.handover.price import CROWDING, fitted_price
from hetgraph.trainers.handover.tabular import HandoverTable, handover_q_learning
from hetgraph.trainers.handover.task import TASK
from hetgraph.trainers.judge.measured import measured_share
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, digest_of, rules
from hetgraph.trainers.reproduce.learning import Metric, learning
from hetgraph.trainers.reproduce.section import Section, Table
from hetgraph.trainers.reproduce.tables import Measure, Printed, Room, trial_table
from hetgraph.trainers.reproduce.trainings import MAIN_SEEDS

TRACES = os.environ.get("TRACES", "traces")  # folder with the drive tests of Raca et al.
NAMES = (
    *("stay", "random", "round_robin", "greedy", "max_rsrp", "cre", "genetic"),
    *("pf_greedy", "pf_announced", "pf_negotiated", "dual_price", "pf_optimum", "pf_patient"),
)
RIVALS = ("greedy", "max_rsrp", "cre", "genetic", *NAMES[-6:])  # where agents go as they are
# Of the paper's resources the second highest level has 0.9 of the highest's rates: what its printed gain in ASC is.
SECOND_LEVEL = {"max_rsrp, level 3": Method([StrongestCell(level_of_all=3)])}
AGENTS, STARTED, CONSTANTS = "GraphQMIX", "GraphQMIX from pf_negotiated", "QMIX, the paper's"
RULE = {
    True: "pf_negotiated",
    False: "pf_negotiated, crowding",
}  # that the second begins with, with a margin at a price that falls
Mode = tuple[ResourceModel, bool]  # resources, and whether range expansion counts
MODES: Mapping[Mode, Mapping[str, str]] = {
    ("shared", True): {
        AGENTS: "qmix", f"{AGENTS}, VDN": "qmix-vdn", f"{AGENTS}, credits alone": "qmix-credit",
        f"{AGENTS}, joint value alone": "qmix-joint", STARTED: "qmix-negotiated",
    },
    ("shared", False): {AGENTS: "qmix-margin", STARTED: "qmix-negotiated-margin"},
    ("paper", True): {AGENTS: "qmix-levels"},
    ("paper", False): {AGENTS: "qmix-levels-margin", CONSTANTS: "qmix-paper"},
}  # fmt: skip
SIZE_MODES: Sequence[Mode] = (("shared", True), ("paper", False))  # of agents that go to other numbers of cells
PRICE = {True: (0.45, 0.01), False: (0.4, 0.03)}  # of a handover, and its crowding: the best on validation networks
DRIVES: Mapping[ResourceModel, Mapping[str, str]] = {
    "shared": {AGENTS: "qmix-traces", "GraphQMIX of hetnet-3tier": "qmix-margin"},
    "paper": {AGENTS: "qmix-traces-levels", "GraphQMIX of hetnet-3tier": "qmix-levels-margin"},
}
ALONE = {
    "flat QMIX": "qmix-flat-margin",
    "D3QN, global": "d3qn-margin",
    "D3QN, single": "d3qn-single-margin",
    "DQN, global": "dqn-margin",
}
PATIENT: Mapping[str, Callable[[float], Any]] = {
    "pf_greedy": ProportionalFair,
    "pf_announced": Announced,
    "pf_negotiated": Negotiated,
    "dual_price": lambda patience: DualPrice(least_gain=patience),
    "pf_patient": Optimum,
}
MEASURES = (
    Measure("anu", form=".2f"),
    Measure("anu", "difference", "max_rsrp", "+.3f", ".3f"),
    Measure("anu", "difference", "dual_price", "+.3f", ".3f"),
    Measure("asc", form=".2f"),
    *(Measure(kpi, "ratio", "max_rsrp", ".4f", ".4f") for kpi in ("anu", "asc", "jain", "load_imbalance")),
    Measure("jain", form=".4f", half=".4f"),
    Measure("load_imbalance", form=".4f", half=".4f"),
    Measure("handover_rate", form=".2f", half=".2f"),
    Measure("ping_pong_rate", form=".2f", half=".2f"),
)
ROOMS = (Room("anu", "max_rsrp", "pf_optimum"), Room("anu", "max_rsrp", "pf_patient"))
COLUMNS = ("asc", "anu", "jain", "load_imbalance")
_PRINTED: Mapping[str, tuple[float, ...]] = {  # Tables III and IV
    "D3QN, global": (52.51, 23.53), "D3QN, single": (52.51, 23.53), "DQN, global": (52.51, 23.53),
    "Q-learning": (52.83, 23.68), "genetic": (38.11, 19.38), "max_rsrp": (68.15, 31.71),
    "random": (45.78, 25.67, 0.8838, 0.6175), "greedy": (47.27, 26.47, 0.94, 0.6949),
    "round_robin": (45.83, 25.67, 0.88, 0.6202), AGENTS: (75.70, 34.39, 0.99, 0.5132),
}  # fmt: skip
PRINTED: Printed = {
    **{(row, key): value for row, values in _PRINTED.items() for key, value in zip(COLUMNS, values, strict=False)},
    (AGENTS, "asc_ratio_max_rsrp"): 1.111, (AGENTS, "anu_ratio_max_rsrp"): 1.085,
}  # fmt: skip


class AtTop:
    """A policy's places, with the highest level for all users, which is the best resource rule."""

    def __init__(self, policy: Any, levels: int = 5) -> None:
        self.policy, self.levels, self.level = policy, levels, policy.level

    def initial_state(self, obs: HeteroData) -> Any:
        """The policy's."""
        return self.policy.initial_state(obs)

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Its places."""
        action, state = self.policy.act(obs, state, generator)
        place, _ = action.moves()
        return HandoverAction(place, torch.full_like(place, self.levels - 1)), state


def title(mode: Mode, what: str) -> str:
    """Of a table."""
    model, bias = mode
    return f"resources {model}, rule {'range expansion' if bias else 'margin'}, {what}"


def judged(bench: Bench, world: Trajectories, mode: Mode, methods: Methods) -> Trial:
    """Indicators of each network under each policy, on the same episodes."""
    env = HandoverEnv(
        world, world.networks, rule=HandoverRule(bias=mode[1]), resource_model=mode[0], steps=world.steps - 1
    )
    return bench.episode(env, methods, TEST)


def walks(bench: Bench, networks: int, cells: int = 25, seed: int = TEST) -> Trajectories:
    """Users who walk through networks of so many cells, ten users each."""
    steps = bench.count(51, 6)
    return user_trajectories(roaming(cells, 10 * cells), networks, steps=steps, seed=seed)


def crowding(bias: bool) -> Methods:
    """Rules with the prices that are best on validation networks."""
    patience, more = PRICE[bias]
    found = {"pf_negotiated": Negotiated(patience, crowding=more), "pf_patient": Optimum(patience, more)}
    return {f"{name}, crowding": Method([one]) for name, one in found.items()}


def agents(bench: Bench, names: Mapping[str, str], bias: bool) -> Methods:
    """Trained agents by the names of their rows; those that begin with a rule are measured against it."""
    found = bench.learned(names, RULE[bias])
    return {name: Method(m.members, m.kind, m.start if m.kind == "rule + learned" else "") for name, m in found.items()}


def free(mode: Mode) -> Mapping[str, str]:
    """Agents of a mode that are taken to other numbers of cells; the paper's flat network is one of 25."""
    return {name: run for name, run in MODES[mode].items() if name in (AGENTS, STARTED)}


def alone(bench: Bench) -> Methods:
    """Agents without graphs, and tables of Q-learning, of the paper's rule; trained with shared resources for both models."""
    found = bench.learned(ALONE)
    teams = {name: Method([AtTop(one) for one in method.members], method.kind) for name, method in found.items()}
    tables = [tabular(bench, seed) for seed in range(bench.count(MAIN_SEEDS, 1))]
    return {**teams, "Q-learning": Method(tables, "learned from nothing")}


def tabular(bench: Bench, seed: int) -> HandoverTable:
    """A table trained on 32 networks of its own, with shared resources; kept in a file."""
    networks, episodes = bench.count(32, 2), bench.count(30, 1)
    world = walks(bench, networks, seed=seed)
    env = HandoverEnv(world, networks, rule=HandoverRule(), seed=seed, steps=world.steps - 1)
    here = digest_of(rollout(env, {"": StrongestCell()}, seed=seed).values[""])
    kept = bench.root / "qmix-tables" / f"margin-{seed}-{here}.safetensors"
    if kept.exists():
        found = HandoverTable()
        arrays = load_file(kept)
        found.values.value, found.values.visits = arrays["value"], arrays["visits"]
        return found
    found = handover_q_learning(env, episodes=episodes, epsilon_decay=0.85, seed=seed, progress=False)
    kept.parent.mkdir(parents=True, exist_ok=True)
    save_file({"value": found.values.value, "visits": found.values.visits}, kept)
    return found


def table_of(
    bench: Bench, world: Trajectories, mode: Mode, methods: Methods, heading: str, printed: Printed | None = None
) -> Table:
    """A mode's table."""
    return trial_table(judged(bench, world, mode, methods), methods, heading, MEASURES, rooms=ROOMS, printed=printed)


def learned(bench: Bench) -> Section:
    """Tables III and IV: agents of each mode beside the rules on the same networks."""
    networks, tables = bench.count(40, 2), []
    world = walks(bench, networks)
    for mode in list(MODES)[:: bench.count(1, 3)]:
        methods = rules(TASK, *NAMES) | SECOND_LEVEL | crowding(mode[1]) | ({} if mode[1] else alone(bench))
        methods |= agents(bench, MODES[mode], mode[1])
        tables.append(
            table_of(
                bench, world, mode, methods, title(mode, "25 cells"), PRINTED if mode == ("paper", False) else None
            )
        )
    note = "MRSP of Table III is `max_rsrp`, GA `genetic`."
    note += (
        " Agents without a graph were trained under the margin, the paper's rule, and have the highest level for all."
    )
    return Section(tuple(tables), (note,), networks=f"{networks} networks of 25 cells and 250 users")


def training(bench: Bench) -> Section:
    """Figures 5 and 6, Table II: what validation says over training."""
    printed = {"handover_rate": "0.075", "jain": "> 0.998", "load_imbalance": "0.50", "anu": ""}
    metrics = tuple(Metric(f"val/{kpi}", indicator(kpi).label, text) for kpi, text in printed.items())
    note = "The printed rewards (800 to 850), losses (0.10), throughputs (0.021 Mbit/s), spectral efficiencies (0.020 bit/s/Hz),"
    note += " energy efficiencies and RSRP (0.20 dBm) are in units that the paper does not state, or of no network: not comparable."
    return learning(bench, {AGENTS: "qmix", CONSTANTS: "qmix-paper"}, metrics, (note,))


def sizes(bench: Bench) -> Section:
    """Agents of 25 cells on twice and four times as many, as they are: our resources and rule, and the paper's."""
    tables, counts = [], {cells: bench.count(40, 1) for cells in (50, 100)}
    for cells, networks in list(counts.items())[: bench.count(2, 1)]:
        world = walks(bench, networks, cells)
        for mode in SIZE_MODES:
            methods = rules(TASK, *RIVALS) | crowding(mode[1]) | agents(bench, free(mode), mode[1])
            tables.append(table_of(bench, world, mode, methods, title(mode, f"{cells} cells")))
    return Section(tuple(tables), networks=", ".join(f"{n} networks of {cells} cells" for cells, n in counts.items()))


def traces(bench: Bench) -> Section:
    """Agents on drive tests, the test's files; rules as they are, and with the prices that are best on the training files."""
    steps, tables = bench.count(51, 6), []
    known, world = (
        LTETraceDataset(TRACES, generation="5G", split=split, cells=22).trajectories(count, steps, seed=seed)  # type: ignore[arg-type]
        for split, count, seed in (("train", bench.count(32, 2), 0), ("test", bench.count(40, 2), TEST))
    )
    methods, notes = fitted(HandoverEnv(known, known.networks, steps=known.steps - 1))
    for model, runs in DRIVES.items():
        mode: Mode = (model, False)
        chosen = rules(TASK, *RIVALS) | methods | bench.learned(runs)
        tables.append(table_of(bench, world, mode, chosen, title(mode, "22 cells of the 5G drive tests")))
    env = HandoverEnv(world, world.networks, steps=world.steps - 1)
    env.reset(seed=TEST)
    share = 100 * (measured_share(env) or 0.0)
    notes = [*notes, f"{share:.3g}% of the links of the test networks are measured, the others imputed."]
    return Section(tuple(tables), tuple(notes), networks=f"{world.networks} networks of the test's files")


def fitted(env: HandoverEnv) -> tuple[Methods, Sequence[str]]:
    """Rules with their prices of a handover, and crowding, fitted to some networks; and what the prices are."""
    patience = {name: fitted_price(env, rule, seed=0) for name, rule in PATIENT.items()}
    notes = ["Patience fitted on the training files: " + ", ".join(f"{n} {p:g}" for n, p in patience.items()) + "."]
    methods: Methods = {f"{name}, fitted": Method([PATIENT[name](price)]) for name, price in patience.items()}
    for name, kind in (("pf_negotiated", Negotiated), ("pf_patient", Optimum)):
        rule = partial(kind, patience[name])
        more = fitted_price(env, lambda price, rule=rule: rule(crowding=price), seed=0, grid=CROWDING)  # type: ignore[misc]
        notes.append(f"Crowding fitted on the training files: {name} {more:g}.")
        methods[f"{name}, crowding, fitted"] = Method([rule(crowding=more)])
    return methods, notes


def tune(bench: Bench) -> Section:
    """Bias of CRE and patience of the others on validation networks."""
    world, tables = walks(bench, bench.count(16, 1), seed=VALIDATION), []
    policies: dict[str, Mover] = {f"cre {b:g} dB": StrongestCell(b) for b in (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)}
    for gain in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)[: bench.count(7, 2)]:
        policies |= {f"pf_greedy {gain:g}": ProportionalFair(gain), f"dual_price {gain:g}": DualPrice(least_gain=gain)}
        policies |= {f"pf_announced {gain:g}": Announced(gain), f"pf_patient {gain:g}": Optimum(gain)}
    methods: Methods = {name: Method([policy]) for name, policy in policies.items()}
    for bias in (False, True):
        mode: Mode = ("shared", bias)
        measures = (Measure("anu", form=".3f", half=".3f"), Measure("handover_rate", form=".2f", half=".2f"))
        tables.append(
            trial_table(judged(bench, world, mode, methods), methods, title(mode, "validation networks"), measures)
        )
    return Section(tuple(tables), networks=f"{world.networks} validation networks, none of the test's")
