"""The MADDQN-DMADDPG paper: what is trained and which sections its page has."""

from hetgraph.trainers.reproduce import iot_curves as curves
from hetgraph.trainers.reproduce import iot_own as own
from hetgraph.trainers.reproduce import iot_parts as parts
from hetgraph.trainers.reproduce import iot_rivals as rivals
from hetgraph.trainers.reproduce import iot_tables as tables
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import D, Run, T, options

TINY = (
    *options(D, num_envs=2, episode_slots=6, draws=4, least=8, batch_size=4, val_envs=1, eval_slots=4),
    *options(T, max_epochs=1),
)
TINY_MAPPO = (*options(D, num_envs=2, slots=4, draws=2, val_envs=1, eval_slots=4), *options(T, max_epochs=1))
TINY_SLOTS = (*options(D, num_envs=2, draws=4, val_envs=1, eval_slots=4), *options(T, max_epochs=1))
TINY_TRUNK = (*TINY, *options(D, least=4))
RUNS = (
    Run(tables.STARTED_RUN, "iot-noma", kind="rule + learned", minutes=12, quick=TINY),
    *(Run(own.run_of(row, size), "iot-unrolled", (*own.CHANGES[row], *own.SIZES[size]), main=row != own.MEAN,
          minutes=1 if size == "small" else 5, quick=TINY_SLOTS)
      for size, rows in own.ROWS.items() for row in rows),
    *(Run(name, "iot-unrolled", changes, main=False, minutes=2, quick=TINY_SLOTS) for name, changes in own.attention_runs().items()),
    *(Run(own.run_of(row, "small"), "iot-trunk", changes, minutes=4, quick=TINY_TRUNK) for row, changes in own.TRUNKS.items()),
    *(Run(name, "iot-unrolled", (*own.SIZES["small"], *changes), minutes=2, quick=TINY_SLOTS)
      for name, changes in own.FILTERED.values()),
    *(Run(rivals.run(row), "iot-trunk", changes, minutes=4, quick=TINY_TRUNK) for row, changes in rivals.RIVALS.items()),
    *(Run(rivals.run(row, "paper"), "iot-trunk", changes, "paper's own constants", False, 4, TINY_TRUNK)
      for row, changes in rivals.PAPERS.items()),
    *(Run(rivals.run(row, "long"), "iot-trunk", changes, minutes=10, quick=(*TINY_TRUNK, *options(D, slots=1)))
      for row, changes in rivals.LONGER.items()),
    *(Run(rivals.run(row), "iot-trunk", changes, main=False, minutes=4, quick=TINY_TRUNK)
      for row, changes in rivals.ABLATIONS.items()),
)  # fmt: skip
PAPER = Paper(
    name="iot",
    title="MADDQN-DMADDPG on IoT networks",
    source="Joint user association and channel resource scheduling for heterogeneous IoT by MADDQN-DMADDPG",
    runs=RUNS,
    experiments=(
        Experiment("own-view", "Stations on their own view", (), own.own_view,
                   (*(own.run_of(row, size) for size, rows in own.ROWS.items() for row in rows),
                    *(own.run_of(row, "small") for row in own.TRUNKS)), 20),
        Experiment("filtered", "Filtered interference in stations' own view", (), own.filtered,
                   (*(own.run_of(row, "small") for row in (own.OWN, own.PRICED)), *(run for run, _ in own.FILTERED.values())), 12),
        Experiment("rivals", "Learned and classical methods, from nothing", ("Figure 7", "Table 3", "Table 4"), rivals.rivals,
                   (own.run_of(own.TRUNK, "small"), *map(rivals.run, rivals.RIVALS),
                    *(rivals.run(row, "paper") for row in rivals.PAPERS)), 20),
        Experiment("longer", "With a million network-slots, from nothing", (), rivals.longer,
                   (*(own.run_of(row, "small") for row in own.TRUNKS), *(rivals.run(row, "long") for row in rivals.LONGER)), 20),
        Experiment("parts", "One trunk without parts of the method, from nothing", ("Table 2",), rivals.parts,
                   (own.run_of(own.TRUNK, "small"), *map(rivals.run, rivals.ABLATIONS), rivals.run("MADDPG")), 20),
        Experiment("attention", "Attention over interferers, and their mean", (), own.attention,
                   (own.run_of(own.PRICED, "small"), *own.attention_runs()), 7),
        Experiment("users", "More users", ("Figure 8",), curves.users, tuple(curves.RUNS.values()), 55),
        Experiment("subchannels", "More subchannels", ("Figure 9",), curves.subchannels, tuple(curves.RUNS.values()), 55),
        Experiment("disturbance", "Disturbed channels", ("Figure 10",), curves.disturbance, tuple(curves.RUNS.values()), 55),
        Experiment("cancellation", "Imperfect cancellation, and one user on a subchannel", (), curves.cancellation,
                   tuple(curves.RUNS.values()), 15),
        Experiment("started", "Agents that begin with a rule", (), tables.started, (tables.STARTED_RUN,), 30),
        Experiment("gap", "Which part of the gap to rules is which decision", (), parts.gap, (tables.STARTED_RUN,), 30),
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
