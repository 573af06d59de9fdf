"""The GROWS paper: what is trained and which sections its page has."""

from hetgraph.trainers.reproduce import grows_elsewhere as elsewhere
from hetgraph.trainers.reproduce import grows_tables as tables
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import D, M, Run, T, Tuned, options

TINY = (*options(D, draws=20, num_envs=20, batch_size=32, least=64, val_episodes=8), *options(T, max_epochs=1))
TINY_CITY = (*options(D, draws=4, num_envs=4, batch_size=32, least=64, val_episodes=2), *options(T, max_epochs=1))
TINY_TUNED = ("--epochs", "1", "--batches", "10")
PLAIN = options(M, users=False)  # the graph of stations alone
TUNE = ("--epochs", "4", "--batches", "400", "--lr", "1e-3")
TUNE_LOAD = ("--epochs", "6", "--batches", "400", "--lr", "1e-3")
RUNS = (
    Run("grows", "grows", minutes=8, quick=TINY),
    Run("grows-paper", "grows-paper", options(D, probability=0.5, demand=14), "paper's own constants", minutes=12, quick=TINY),
    Run("grows-returns", "grows-returns", minutes=9, quick=TINY),
    Run("dqn-flat", "grows", options(M, flat=3, users=False, dueling=False), minutes=2, quick=TINY),
    Run("grows-stations", "grows", PLAIN, main=False, minutes=3, quick=TINY),
    Run("grows-no-graph", "grows", (*PLAIN, *options(M, taps=1)), main=False, minutes=3, quick=TINY),
    Run("grows-paper-inputs", "grows", (*PLAIN, *options(M, features="paper")), main=False, minutes=3, quick=TINY),
    Run("grows-tiny", "grows", (*options(D, scenario="grows-tiny"), *options(M, widths="[32,32]"), *options(T, max_epochs=2)),
        minutes=2, quick=TINY),
    Run("grows-city", "grows-city", minutes=12, quick=TINY_CITY),
    Tuned("grows-city-tuned", "", ("--scenario", "grows-city:stations=21", *TUNE), minutes=2, quick=TINY_TUNED, needs=("grows",),
          of="grows"),
    *(
        Tuned(elsewhere.tuned(p, d), "", ("--probability", f"{p:g}", "--demand", f"{d:g}", *TUNE_LOAD), main=False, minutes=2,
              quick=TINY_TUNED, needs=("grows",), of="grows")
        for p, d in elsewhere.LOADS
    ),
)  # fmt: skip
PAPER = Paper(
    name="grows",
    title="GROWS on users that arrive one by one",
    source="Randall et al., GROWS: association of users in wireless networks by graph networks and reinforcement learning",
    runs=RUNS,
    experiments=(
        Experiment("table", "Utilities and rejections of 15 loads", ("Table I",), tables.table_1,
                   ("grows", "grows-returns", "dqn-flat"), 60),
        Experiment("curve", "Utility over training", ("Figure 4",), tables.curve, ("grows-paper",), 20),
        Experiment("graph", "What the graph adds, and what the inputs", (), tables.graph,
                   ("grows", "grows-returns", "grows-stations", "grows-no-graph", "dqn-flat", "grows-paper-inputs"), 1),
        Experiment("loads", "Fine-tuned on single loads", (), elsewhere.loads,
                   ("grows", *(elsewhere.tuned(*load) for load in elsewhere.LOADS)), 5),
        Experiment("sizes", "Other numbers of stations, without retraining", (), elsewhere.sizes, ("grows", "grows-returns"), 12),
        Experiment("city", "A city of 300 stations", (), elsewhere.city, ("grows", "grows-city-tuned", "grows-city"), 20),
        Experiment("tiny", "A network small enough for dynamic programming", (), elsewhere.tiny, ("grows-tiny",), 5),
        Experiment("calibration", "Constants that the paper does not print", (), elsewhere.calibration, (), 3),
    ),
    absent={
        "Figure 1": "a drawing of the candidates",
        "Figure 2": "a drawing of the system",
        "Figure 3": "a drawing of the graph",
    },
    notes=(
        "Capacities, demands, signals and rates are undisclosed; those of `grows-3` are fitted to Table I, so that utilities are"
        " compared by their ratios to the baseline's. In the text the strongest station 'with available resources' takes a user"
        " (`argmax`), but the printed rejections are those of a strongest station that rejects when it is full (`argmax_blocking`).",
        "The claims of +10% utility and -20% rejections hold in single cells of Table I; at p = 0.7 and demand 6 the printed"
        " rejections are 31% more than the baseline's.",
    ),
)  # fmt: skip
