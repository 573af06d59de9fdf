"""Rivals on the trunk of the method, from nothing: with its constants, and with the paper's own."""

from hetgraph.trainers.iot.task import TASK
from hetgraph.trainers.reproduce.bench import Bench, rules
from hetgraph.trainers.reproduce.iot_own import SMALL, TRUNK, TRUNK_PRICED, WITH, run_of, untrained
from hetgraph.trainers.reproduce.iot_tables import (
    CLASSICAL,
    FIGURE_7,
    METHOD,
    STRONG,
    TABLE_2,
    WMMSE,
    costs,
    judged,
    learning_figures,
    training,
)
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, Printed, trial_table
from hetgraph.trainers.reproduce.trainings import D, M, options

# As many slots as the method, 248 rollouts of 8 slots of 16 networks, and 16 steps of 32 rows on each. The best of three settings on
# validation networks: with the team's reward it unlearns, with a discount above 0 it learns half as fast.
MAPPO = ("--model", "hetgraph.trainers.TrunkMAPPOModule", *options(D, slots=8, num_envs=16, draws=31))
MAPPO += options(M, own=True, gamma=0, lam=0, lr=4e-3, epochs=4)
RIVALS = {
    "DQN-DDDPG": options(M, scope="central"),
    "MADDPG": options(M, joint=0, twin=False),  # the actor's shares choose clusters
    "QMIX": options(M, actor=0, twin=False, mixing="monotonic", power="equal"),
    "MAPPO": MAPPO,
}
# Section 3.1 and Table 1 of the paper; 500 draws of 128 rows and four slots each (250 of 256 and eight): as many slots and rows.
PAPER = options(M, gamma=0.95, lr=1e-4, lr_end=1, critic_lr=1e-3, soft=0.005, dueling=False)
DRAWS = options(D, batch_size=128, slots=4, draws=62, capacity=32000, steps=1)
PAPERS = {
    METHOD: (*PAPER, *DRAWS),
    "DQN-DDDPG": (*PAPER, *DRAWS, *options(M, scope="central", critic_lr=3e-4)),
    "MADDPG": (
        *PAPER,
        *DRAWS,
        *options(M, joint=0, twin=False, soft=0.01),
        *options(D, batch_size=256, slots=8, draws=31),
    ),
    "QMIX": (*PAPER, *DRAWS, *options(M, actor=0, twin=False, mixing="monotonic", power="equal", lr=5e-4)),
}
FEW = "32,000 network-slots"  # of all others
# Thirty times the slots for as many draws: 160 networks, three slots before each draw; the memory reaches a hundred slots back.
LONG = options(D, num_envs=160, slots=3, capacity=51200)
LONGER = {
    METHOD: LONG,
    f"{METHOD}, {WITH}": (*LONG, *options(M, filtered=True)),
    TRUNK_PRICED: (*LONG, *options(M, prices=True)),
}
ABLATIONS = {
    "no twin critic": options(M, twin=False),
    "no double Q": options(M, double=False),
    "no attention": options(M, attention=False),
    "throughput only": options(D, weights="[1, 0, 0, 0, 0]"),
    "no joint value": options(M, joint=0),
    "no gradient of critics": options(M, actor=0),
}


# Of U users, S subchannels, N stations and L layers: attention of width W, R rounds of H columns; I iterations of WMMSE.
TRUNK_ORDER, WMMSE_ORDER = "U S (N W + R H²)", "I N² S L"


def run(row: str, kind: str = "") -> str:
    """Run of a rival, with the paper's constants (``kind`` is ``paper``) or a million slots (``long``), or of an ablation."""
    short = row.lower().replace(",", "").replace(" ", "-")
    return "-".join(part for part in ("trunk", kind, short) if part)


def rivals(bench: Bench) -> Section:
    """Learned methods on one trunk, of one budget, beside rules."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    names = {METHOD: run_of(TRUNK, "small")} | {row: run(row) for row in RIVALS}
    names |= {f"{row}, the paper's constants": run(row, "paper") for row in PAPERS}
    return _section(bench, names, networks, slots, {**FIGURE_7, (METHOD, f"throughput_bps_ratio_{WMMSE}"): 1.33})


def longer(bench: Bench) -> Section:
    """The method, and with prices of neighbours, with thirty times the network-slots, beside those of above."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    names = {row: run(row, "long") for row in LONGER}
    names |= {f"{METHOD}, {FEW}": run_of(TRUNK, "small"), f"{TRUNK_PRICED}, {FEW}": run_of(TRUNK_PRICED, "small")}
    return _section(bench, names, networks, slots, {})


def parts(bench: Bench) -> Section:
    """The method without one of its parts each: Table 2 from nothing, on stations' own views."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    names = {METHOD: run_of(TRUNK, "small")} | {row: run(row) for row in ABLATIONS} | {"MADDPG": run("MADDPG")}
    return _section(bench, names, networks, slots, TABLE_2)


def _section(bench: Bench, names: dict[str, str], networks: int, slots: int, printed: Printed) -> Section:
    learned = bench.learned(names, "untrained")
    methods = rules(TASK, *CLASSICAL, "own_view") | untrained(bench, run_of(TRUNK, "small")) | learned
    trial = judged(bench, SMALL, methods, networks, slots)
    base = METHOD if METHOD in learned else STRONG
    measures = (
        Measure("throughput_bps"),
        *(Measure("throughput_bps", "ratio", to, ".3f", ".3f") for to in (WMMSE, STRONG)),
        Measure("bit_per_j", "ratio", STRONG, ".2f", ".2f"),
        Measure("qos_violation", form=".2f", half=".2f"),
        Measure("throughput_bps", "ratio", base, ".3f", ".3f"),
        Measure("bit_per_j", "ratio", base, ".3f", ".3f"),
        Measure("qos_violation", "difference", base, "+.2f", ".2f"),
        Measure("jain", form=".3f", half=".3f"),
        Measure("handover_rate", form=".2f", half=".2f"),
        Measure("return"),
    )
    orders = dict.fromkeys(learned, TRUNK_ORDER) | dict.fromkeys((WMMSE, STRONG), WMMSE_ORDER)
    tables = (
        trial_table(trial, methods, SMALL, measures, printed=printed),
        training(bench, names, learned),
        costs(bench, rules(TASK, WMMSE, STRONG) | learned, SMALL, orders),
    )
    note = (
        "The paper claims 1.33 of WMMSE's throughput. Returns are of training episodes, under exploration. Orders are of all stations:"
        " U users, S subchannels, N stations, L layers, attention of width W, R rounds with H columns, I iterations. All but DQN-DDDPG"
        " decide station by station."
    )
    return Section(tables, (note,), learning_figures(bench, names, learned), f"{networks} networks, {slots} slots")
