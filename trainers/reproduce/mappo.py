"""The MAPPO paper: what is trained and which sections its page has."""

from hetgraph.trainers.reproduce import mappo_tables as tables
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import D, M, Run, T, options

TINY = (*options(D, num_envs=4, slots=8, rollouts=2, val_slots=20, val_envs=2), *options(T, max_epochs=1))
TINY_CELLS = (*TINY, *options(D, layouts=4))
CELLS = options(D, scenario="hex-19", load=25, loads="[15, 20, 25]", reward="delay", layouts=16)
SHORT = options(T, max_epochs=8)  # a third of the main rows' budget, for the ablations and what they are compared with
TRAINED = ("random-19-light", "random-19-medium", "random-19-heavy", "hex-19-heavy")
RUNS = (
    Run("conflict-shared", "conflict-8", minutes=6, quick=TINY),
    Run("conflict-individual", "conflict-8", options(M, agents=4), minutes=8, quick=TINY),
    Run("mappo-paper", "mappo-paper", kind="paper's own constants", minutes=15, quick=TINY),
    Run("mappo-paper-individual", "mappo-paper", options(M, agents=4), "paper's own constants", False, 15, TINY),
    Run("mappo-paper-cells", "mappo-paper", (*CELLS, *options(M, levels_db="[0, -5, -10, -15, -20]")), "paper's own constants",
        False, 60, TINY_CELLS),
    *(Run(name, name, main=name.endswith("heavy"), minutes=18 if name.endswith("heavy") else 6, quick=TINY_CELLS) for name in TRAINED),
    *(Run(f"{network}-individual", f"{network}-heavy", options(M, agents=19), main=False, minutes=24, quick=TINY_CELLS)
      for network in ("random-19", "hex-19")),
    *(Run(tables.ablation(name), "random-19-heavy", (*changes, *SHORT), main=False, minutes=6, quick=TINY_CELLS)
      for name, changes in tables.ABLATIONS.items()),
)  # fmt: skip
LOADS = tuple(f"random-19-{load}" for load in ("light", "medium", "heavy"))
PAPER = Paper(
    name="mappo",
    title="Neighbourhood MAPPO on conflict graphs and in cells",
    source="Zhang and Guo, Multi-Agent Reinforcement Learning for Multi-Cell Spectrum and Power Allocation",
    runs=RUNS,
    experiments=(
        Experiment("conflict", "Delays on the conflict graph", ("Figure 7", "Figure 8"), tables.conflict,
                   ("conflict-shared", "conflict-individual", "mappo-paper", "mappo-paper-individual"), 30),
        Experiment("information", "What each method knows, and the time of a decision", ("Table III", "Table IV"), tables.information,
                   ("hex-19-heavy", "hex-19-individual"), 3),
        Experiment("hex-19", "Delays in the regular network", ("Figure 9",), tables.hexagonal,
                   ("hex-19-heavy", "hex-19-individual", "mappo-paper-cells"), 40),
        Experiment("random-19", "Delays in random networks", ("Figure 10", "Figure 11"), tables.scattered,
                   ("random-19-heavy", "random-19-individual"), 40),
        Experiment("training", "Rewards over training", ("Figure 12", "Figure 13"), tables.training,
                   ("hex-19-heavy", "hex-19-individual", "mappo-paper-cells"), 0.2),
        Experiment("mismatch", "Trained at one load, tested at another", ("Table V",), tables.mismatch, LOADS, 25),
        Experiment("ablations", "Without parts of the method", (), tables.ablations,
                   tuple(map(tables.ablation, tables.ABLATIONS)), 25),
        Experiment("larger", "61 and 127 cells without retraining", (), tables.larger, ("random-19-heavy", "hex-19-heavy"), 36),
        Experiment("spread", "How far layouts lie apart", (), tables.spread, (), 10),
    ),
    absent={
        **{f"Figure {number}": "a diagram" for number in (1, 2, 3, 5)},
        "Figure 4": "the deployment behind the conflict graph: `conflict-8`",
        "Figure 6": "maps of the two deployments: `hex-19`, and `random-19`, of which every test network is another draw",
        "Table I": "the parameters of `hex-19` and `random-19`; 10 MHz per subband as in the released code, where the text says 20",
        "Table II": "the constants of `mappo-paper`",
    },
    notes=(
        "A packet that comes at the start of a slot may leave in it: its delay is then one slot (conflict graph) or the part of the"
        " slot until its last bit (cells). The paper's own greedy maximal scheduling drops only in-neighbours: `gms_paper`."
        " The colouring that tells neighbouring stations apart is computed centrally, and the paper has none: see `ablations`.",
    ),
)  # fmt: skip
