"""The QMIX paper: what is trained and which sections its page has."""

from hetgraph.trainers.reproduce import qmix_tables as tables
from hetgraph.trainers.reproduce import qmix_traffic as traffic
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import Chosen, D, M, Run, T, Tuned, options

TINY = (
    *options(D, networks=2, num_envs=2, val_networks=1, steps=8, episodes=1, batch_size=16, least=16),
    *options(T, max_epochs=1),
)
TINY_TRAFFIC = (
    *options(D, num_envs=2, networks=2, val_networks=1, episodes=1, updates=2, batch_size=4),
    *options(T, max_epochs=1),
)
HIGHEST = ("--together", "--load", f"{traffic.LOADS[-1]:g}")  # the load at which limits bind
TINY_TUNE = ("--layouts", "1", "--slots", "4", "--draws", "2")
STARTS = (
    "qmix-traffic-first",
    "qmix-traffic-second",
    "qmix-traffic-third",
)  # trainings whose values each seed averages
MARGIN = options(D, cre=False)
LEVELS = options(D, resource_model="paper")
SCALED_LEVELS = (*LEVELS, *options(M, level_scale=5.0))  # with 1 a seed in five stays at the level below the highest
NEGOTIATED = (*options(T, max_epochs=2), *options(M, intentions=4, agreements=4, lr="2e-4"))
CROWDING = options(M, crowding=0.03)  # the best on validation where users need a margin
DRIVES = (*MARGIN, *options(D, scenario=tables.TRACES, generation="5G", cells=22))
FLAT = options(
    M, mixing="qmix", encoder="flat-full", flat_cells=25, hidden=128, importance="sum", credit=1.0, joint=0.1
)
ALONE = {
    "d3qn-margin": (),
    "d3qn-single-margin": options(M, encoder="single"),
    "qmix-flat-margin": FLAT,
    "dqn-margin": options(M, dueling=False, double=False),
}  # under the paper's rule alone


CHANGES = {
    "qmix": (),
    "qmix-margin": MARGIN,
    "qmix-levels": SCALED_LEVELS,
    "qmix-levels-margin": (*MARGIN, *SCALED_LEVELS),
    "qmix-vdn": options(M, mixing="vdn"),
    "qmix-credit": options(M, joint=0),
    "qmix-joint": options(M, joint=1, credit=0),
    "qmix-traces": DRIVES,
    "qmix-traces-levels": (*DRIVES, *SCALED_LEVELS),
}
OWN = ("--sites", f"{traffic.OWN}/sites.csv", "--users", f"{traffic.OWN}/users.csv", "--load", f"{traffic.OWN_LOAD:g}")
STARTED = {"qmix-negotiated": NEGOTIATED, "qmix-negotiated-margin": (*MARGIN, *NEGOTIATED, *CROWDING)}
MAIN = ("qmix", "qmix-margin", "qmix-levels", "qmix-levels-margin")
RUNS = (
    *(Run(name, "qmix", changes, main=name in MAIN, minutes=2, quick=TINY) for name, changes in CHANGES.items()),
    *(Run(name, "qmix", changes, "rule + learned", False, 2, TINY) for name, changes in STARTED.items()),
    *(Run(name, "qmix-traffic", minutes=14, quick=TINY_TRAFFIC, first_seed=100 * number)
      for number, name in enumerate(STARTS)),
    Chosen("qmix-traffic", "", HIGHEST, minutes=4, quick=TINY_TUNE, needs=STARTS, of=STARTS),
    Tuned("qmix-traffic-there", "", (*OWN, "--epochs", "1", "--batches", "96"), minutes=5,
          quick=("--epochs", "1", "--batches", "2"), needs=("qmix-traffic",), of="qmix-traffic"),
    Chosen("qmix-traffic-there-tuned", "", (*OWN, "--layouts", "10"), minutes=4, quick=TINY_TUNE,
           needs=("qmix-traffic-there",), of=("qmix-traffic-there",)),
    *(
        Run(traffic.change(name), "qmix-traffic", (*changes, *options(T, max_epochs=traffic.SHORT)), main=False, minutes=5,
            quick=TINY_TRAFFIC)
        for name, changes in traffic.CHANGES.items()
    ),
    *(
        Run(run, "qmix-traffic", traffic.CHANGES[name], main=False, minutes=12, quick=TINY_TRAFFIC)
        for name, run in traffic.LONG.items() if name != traffic.WHOLE
    ),
    Run("qmix-paper", "qmix-paper", LEVELS, "paper's own constants", minutes=10, quick=TINY),
    *(
        Run(name, "d3qn", (*changes, *options(T, max_epochs=6), *MARGIN), main=False, minutes=4, quick=TINY)
        for name, changes in ALONE.items()
    ),
)  # fmt: skip
READ = {mode: tuple(tables.MODES[mode].values()) for mode in tables.MODES}
LEARNED = tuple(dict.fromkeys([name for names in READ.values() for name in names] + list(ALONE)))
PAPER = Paper(
    name="qmix",
    title="GraphQMIX on handovers",
    source="Multi-agent QMIX for joint user association and resource allocation in heterogeneous cellular networks, on LTE traces",
    runs=RUNS,
    experiments=(
        Experiment("traffic", "With traffic: cells' offsets beside tuned rules", (), traffic.traffic, ("qmix-traffic",), 20),
        Experiment("traffic-room", "With traffic: offsets that know the future", (), traffic.room, ("qmix-traffic",), 20),
        Experiment("traffic-decisions", "With traffic: decisions beside those of rules", (), traffic.decisions,
                   ("qmix-traffic",), 2),
        Experiment("traffic-parts", "With traffic: parts of the method", (), traffic.parts,
                   tuple(map(traffic.change, traffic.CHANGES)), 15),
        Experiment("traffic-long", "With traffic: parts of the method at full length", (), traffic.long,
                   tuple(traffic.LONG.values()), 10),
        Experiment("traffic-sizes", "With traffic: more cells and other traffic, as they are", (), traffic.sizes,
                   ("qmix-traffic",), 40),
        Experiment("traffic-own", "With traffic: somebody's sites and users", (), traffic.own,
                   ("qmix-traffic", "qmix-traffic-there-tuned"), 13,
                   requires=traffic.OWN),
        Experiment("learned", "Agents and rules, four modes", ("Table III", "Table IV", "Figure 7", "Figure 8"), tables.learned,
                   LEARNED, 15),
        Experiment("training", "Learning curves", ("Figure 5", "Figure 6", "Table II"), tables.training, ("qmix", "qmix-paper"), 0.2),
        Experiment("sizes", "Twice and four times the cells, as they are", (), tables.sizes,
                   tuple(dict.fromkeys(name for mode in tables.SIZE_MODES for name in tables.free(mode).values())), 15),
        Experiment("traces", "Drive tests", (), tables.traces,
                   ("qmix-traces", "qmix-traces-levels", "qmix-margin", "qmix-levels-margin"), 10, requires=tables.TRACES),
        Experiment("tune", "Biases and prices on validation networks", (), tables.tune, (), 1),
    ),
    absent={
        **{f"Figure {number}": "a diagram" for number in (1, 2, 3, 4)},
        "Table I": "the constants of `qmix-paper`",
    },
    notes=(
        "Sections with traffic are beyond the paper, whose users always have something to receive."
        " The others: full buffers, as in the paper.",
        "The printed sums have undisclosed units (P_0, ASC and ANU are never defined), so that methods"
        " compare by ratios; +11% ASC is the highest resource level over the next one (1 / 0.9). Printed load imbalance is 0.133 to"
        " 0.2 in Table II, 0.51 to 0.69 in Table IV; by eq. 12 with loads in [0, 1] it cannot exceed 0.5.",
    ),
)  # fmt: skip
