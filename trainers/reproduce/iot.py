"""The MADDQN-DMADDPG paper: what is trained and which sections its page has."""

from hetgraph.trainers.judge.kinds import Kind
from hetgraph.trainers.reproduce import iot_own as own
from hetgraph.trainers.reproduce import iot_parts as parts
from hetgraph.trainers.reproduce import iot_rivals as rivals
from hetgraph.trainers.reproduce import iot_tables as tables
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import D, M, Run, T, options

TINY = (
    *options(D, num_envs=2, episode_slots=6, draws=4, least=8, batch_size=4, val_envs=1, eval_slots=4),
    *options(T, max_epochs=1),
)
TINY_MAPPO = (*options(D, num_envs=2, slots=4, draws=2, val_envs=1, eval_slots=4), *options(T, max_epochs=1))
# 396 rollouts of 12 slots of 8 networks, 8 steps of 24 rows on each: 38,016 slots of networks and 3,168 steps, where the others have
# 19,456 and 1,200 of 16 rows. The better of two settings on validation networks.
MAPPO = ("--model", "hetgraph.trainers.IoTMAPPO", *options(D, slots=12, num_envs=8, draws=33))
MAPPO += ("--model.lr", "2e-4", "--model.bid_lr", "0.1", "--model.deviation", "0.1", "--model.lam", "0.8")
TINY_SLOTS = (*options(D, num_envs=2, draws=4, val_envs=1, eval_slots=4), *options(T, max_epochs=1))
TINY_TRUNK = (*TINY, *options(D, least=4))
CHANGES = {
    "noma": (),
    "central": options(M, scope="central", mixing="mean"),
    "maddpg": options(M, discrete="greedy", twin=False),
    "powers": options(M, discrete="rule", twin=False),
    "qmix": options(M, power="equal"),
    "bids": options(M, power="rule"),
    "single": options(M, twin=False),
    "max": options(M, double=False),
    "mean": options(M, attention=False),
    "throughput": options(D, weights="[1, 0, 0, 0, 0]"),
}
# The same as in the paper: no rule to begin with, no reports of users, the maximum over choices one of estimates. On networks small
# enough to learn all of it from nothing.
BARE = options(M, prior=False, reports=False, dueling=False, lr="1e-3", stop_window=0)
BARE += (*options(D, draws=200, episode_slots=60), *options(T, max_epochs=9))
RULED: Kind = "rule + learned"
ABLATIONS = ("single", "max", "mean", "throughput")
RUNS = (
    *(Run(f"iot-{name}", "iot-noma", changes, RULED, name not in ABLATIONS, 12, TINY) for name, changes in CHANGES.items()),
    Run("iot-mappo", "iot-noma", MAPPO, RULED, minutes=5, quick=TINY_MAPPO),
    *(Run(f"bare-{name}", "iot-small", (*BARE, *changes), main=name not in ABLATIONS, minutes=4, quick=TINY)
      for name, changes in CHANGES.items() if name not in ("powers", "bids")),
    *(Run(own.run_of(row, size), "iot-unrolled", (*changes, *where), main=row != own.MEAN, minutes=1 if size == "small" else 6,
          quick=TINY_SLOTS)
      for row, changes in own.CHANGES.items() for size, where in own.SIZES.items()),
    *(Run(name, "iot-unrolled", changes, main=False, minutes=2, quick=TINY_SLOTS) for name, changes in own.attention_runs().items()),
    *(Run(own.run_of(row, "small"), "iot-trunk", changes, minutes=6, quick=TINY_TRUNK) for row, changes in own.TRUNKS.items()),
    *(Run(rivals.run(row), "iot-trunk", changes, minutes=6, quick=TINY_TRUNK) for row, changes in rivals.RIVALS.items()),
    *(Run(rivals.run(row, "paper"), "iot-trunk", changes, "paper's own constants", False, 6, TINY_TRUNK)
      for row, changes in rivals.PAPERS.items()),
    *(Run(rivals.run(row), "iot-trunk", changes, main=False, minutes=6, quick=TINY_TRUNK)
      for row, changes in rivals.ABLATIONS.items()),
)  # fmt: skip
PAPER = Paper(
    name="iot",
    title="MADDQN-DMADDPG on IoT networks",
    source="Joint user association and channel resource scheduling for heterogeneous IoT by MADDQN-DMADDPG",
    runs=RUNS,
    experiments=(
        Experiment("learned", "Learned and classical methods", ("Figure 7", "Table 3", "Table 4"), tables.learned,
                   tuple(tables.RUNS[name] for name in (tables.METHOD, *tables.RIVALS)), 60),
        Experiment("ablations", "Without parts of the method", ("Table 2",), tables.ablations,
                   tuple(tables.RUNS[name] for name in (tables.METHOD, *tables.ABLATIONS, "MADDPG")), 40),
        Experiment("nothing", "Agents that learn from nothing", ("Table 2", "Table 3"), tables.nothing,
                   tuple(tables.NOTHING.values()), 40),
        Experiment("own-view", "Stations on their own view", (), own.own_view,
                   (*(own.run_of(row, size) for row in own.CHANGES for size in own.SIZES),
                    *(own.run_of(row, "small") for row in own.TRUNKS)), 60),
        Experiment("rivals", "Rivals on one trunk, from nothing", ("Table 3",), rivals.rivals,
                   (own.run_of(own.TRUNK, "small"), *map(rivals.run, rivals.RIVALS),
                    *(rivals.run(row, "paper") for row in rivals.PAPERS)), 20),
        Experiment("parts", "One trunk without parts of the method, from nothing", ("Table 2",), rivals.parts,
                   (own.run_of(own.TRUNK, "small"), *map(rivals.run, rivals.ABLATIONS), rivals.run("MADDPG")), 20),
        Experiment("attention", "Attention over interferers, and their mean", (), own.attention,
                   (own.run_of(own.PRICED, "small"), *own.attention_runs()), 20),
        Experiment("users", "More users", ("Figure 8",), tables.users, tables.CURVE_RUNS, 30),
        Experiment("subchannels", "More subchannels", ("Figure 9",), tables.subchannels, tables.CURVE_RUNS, 30),
        Experiment("disturbance", "Disturbed channels", ("Figure 10",), tables.disturbance, tables.CURVE_RUNS, 30),
        Experiment("oma", "Two users on a subchannel, and one", (), tables.oma, ("iot-noma",), 40),
        Experiment("gap", "Which part of the gap to rules is which decision", (), parts.gap, ("iot-noma",), 30),
        Experiment("baselines", "Rules with two users on a subchannel, and one", (), parts.baselines, (), 40),
        Experiment("weights", "Variants of the strong rule", (), parts.weights, (), 60),
    ),
    absent={
        **{f"Figure {number}": "a diagram" for number in range(1, 7)},
        "Table 1": "ranges of parameters; those taken are in `iot-noma`",
        "Table 5": "its two rivals are not identified",
        "Table 6": "figures of other papers on other networks",
    },
    notes=(
        "Printed values are of networks whose traffic, powers and circuits are undisclosed: absolute values are shown beside ours, but"
        " methods compare by their order and ratios. MADDPG's QoS violations are 13.45% in the text and 9.14% in Table 2; 432.18 Mbit"
        "/s is double Q's in the table, and the 435.18 of the text beside it are said of attention.",
    ),
)  # fmt: skip
