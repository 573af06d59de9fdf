"""The HetGNN paper: what is trained and which sections its page has."""

from hetgraph.trainers.reproduce import hetgnn_extra as extra
from hetgraph.trainers.reproduce import hetgnn_tables as tables
from hetgraph.trainers.reproduce.hetgnn_dynamic import dynamic
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import D, Labels, M, Run, T, options

UMA = "uma-5bs:users=600,num_rbs=17"  # on which the paper's scenario is trained; judged at full size
TINY = (*options(D, train=8, val=2), *options(T, max_epochs=1))
TINY_PAIRS = (*options(D, train=192, val=8), *options(T, max_epochs=1))
ONE_PASS = options(M, encoder="sage", association="edge", rounds=0)  # the paper's student: one pass, an edge head
DISTILLED = {"kind": "rule + learned", "data_seed": False, "labelled": True, "quick": TINY}
ASCENDED = {"needs": ("labels-hetnet-3tier-ascent",), **DISTILLED}
HETNET, SUM_RATE = {"needs": ("labels-hetnet-3tier",), **DISTILLED}, {"needs": ("labels-uma-5bs",), **DISTILLED}

RUNS = (
    Run("hetgnn-paper", "hetgnn-paper", minutes=1, **{**SUM_RATE, "kind": "paper's own constants"}),  # type: ignore[arg-type]
    Run("distill", "hetgnn-distill", minutes=6, **HETNET),  # type: ignore[arg-type]
    Run("distill-ascent", "hetgnn-distill", options(D, teacher="pf_teacher_ascent"), minutes=6, **ASCENDED),  # type: ignore[arg-type]
    Run("hetnet", "hetgnn", (*options(M, init_from="{runs}/distill-{seed}/best.ckpt"), *options(T, max_epochs=4)), "rule + learned",
        minutes=6, quick=TINY, needs=("distill",)),
    Run("label-free", "hetgnn", minutes=9, quick=TINY),
    Run("velocity", "hetgnn", (*options(M, velocity=True), *options(D, scenario="hetnet-3tier:speed_mps=10")), main=False, minutes=9,
        quick=TINY),
    *(Run(f"no-{tier}", "hetgnn", options(D, scenario=f"hetnet-3tier:{tier}=0"), main=False, minutes=9, quick=TINY)
      for tier in tables.TIERS),
    Run("paper", "hetgnn-distill", ONE_PASS, minutes=2, **HETNET),  # type: ignore[arg-type]
    Run("uma", "hetgnn-uma", minutes=5, quick=TINY),
    Run("uma-sum", "hetgnn-uma-sum-rate", minutes=2, **SUM_RATE),  # type: ignore[arg-type]
    Run("paper-uma", "hetgnn-uma", ONE_PASS, minutes=1, quick=TINY),
    Run("interference", "interference", minutes=10, quick=TINY_PAIRS),
    Run("iid", "interference-iid", minutes=10, quick=TINY_PAIRS),
    *(
        Run(f"ablation-{encoder}-r{rounds}", "hetgnn", (*options(M, encoder=encoder, rounds=rounds), *options(T, max_epochs=6)),
            main=False, minutes=1 + rounds / 2, quick=TINY)
        for rounds in (0, 8)
        for encoder in tables.ENCODERS
    ),
)  # fmt: skip

ONE, ROUNDS = (tuple(f"ablation-{encoder}-r{rounds}" for encoder in tables.ENCODERS) for rounds in (0, 8))
PAPER = Paper(
    name="hetgnn",
    title="HetGNN distilled from WMMSE, and without labels",
    source="Tsachrelias et al., Heterogeneous Graph Neural Network for Joint User Association in 5G MIMO HetNets",
    labels=(
        Labels("labels-hetnet-3tier", "hetnet-3tier", "pf_teacher", 256, minutes=5),
        Labels("labels-hetnet-3tier-ascent", "hetnet-3tier", "pf_teacher_ascent", 256, minutes=6),
        Labels("labels-uma-5bs", UMA, "sum_rate_teacher", 256, minutes=0.5),
    ),
    runs=RUNS,
    experiments=(
        Experiment("paper", "The paper's own experiment", ("Figure 3", "Figure 4", "Figure 5"), tables.paper,
                   ("hetgnn-paper", "uma-sum", "uma", "paper-uma"), 30),
        Experiment("training", "Learning curves", ("Figure 6", "Figure 7"), extra.training, ("hetgnn-paper",), 0.2),
        Experiment("complexity", "Time over the number of users", ("Table 2",), extra.complexity, ("hetgnn-paper",), 2),
        Experiment("hetnet", "Against the strongest reference", (), tables.hetnet, ("label-free", "hetnet", "distill", "paper"), 40),
        Experiment("distilled", "Distilled from a stronger teacher", (), tables.distilled, ("distill", "distill-ascent"), 25),
        Experiment("generalise", "Twice the users, stations or area, without retraining", (), tables.generalise,
                   ("label-free", "hetnet"), 80),
        Experiment("tiers", "Tiers unseen in training", (), tables.tiers,
                   ("label-free", *(f"no-{tier}" for tier in tables.TIERS)), 20),
        Experiment("dynamic", "Users who walk, decided each second", (), dynamic, ("label-free", "velocity", "hetnet"), 60),
        Experiment("one-pass", "What the graph is worth in one pass", (), tables.one_pass, ONE, 3),
        Experiment("rounds", "What the graph is worth with eight rounds", (), tables.eight_rounds, ROUNDS, 20),
        Experiment("ascent", "Step sizes of the ascent without a network", (), extra.ascent, (), 5),
        Experiment("antennas", "The antenna head against its teacher", (), extra.antennas, ("distill",), 3),
        Experiment("interference", "The K-user interference channel with path loss", (), extra.interference, ("interference",), 15),
        Experiment("iid", "The K-user interference channel with independent gains", (), extra.iid, ("iid",), 15),
    ),
    absent={
        "Figure 1": "a diagram of the data flow",
        "Figure 2": "a map of the five stations: the layout of `uma-5bs`",
        "Table 1": "the parameters of `uma-5bs` and `hetgnn-paper`; its 51 blocks of 20 MHz are 392 kHz wide, not 360",
    },
    notes=(
        "Printed: student, baseline and teacher have 0.32, 0.34 and 0.37 Gbit/s: the student is below the baseline in all figures,"
        " where the text claims a gain over it. The paper names neither the weights of its losses nor the number of its WMMSE rounds.",
        "What is distilled learns from a rule's answers, and so is rule + learned; label-free training begins with new weights.",
    ),
)  # fmt: skip
