"""Stations that precode, beyond the papers: what is trained and which sections the page has."""

from hetgraph.trainers.reproduce import mimo_tables as tables
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.trainings import D, Labels, M, Run, T, options

UMA = "uma-5bs:users=200,num_rbs=4,mimo=true"
SUM_RATE = ("mimo", "mimo-16", "mimo-distilled", "mimo-blind")
TINY = (*options(D, train=16, val=2), *options(T, max_epochs=1))
BLIND = options(M, antennas=False)

RUNS = (
    Run("mimo", "hetgnn-mimo", minutes=8, quick=TINY),
    Run("mimo-16", "hetgnn-mimo", options(D, scenario="mimo-7:antennas=16,users=8"), minutes=14, quick=TINY),
    Run("mimo-distilled", "hetgnn-mimo", (*options(M, weight_utility=0, weight_rate=1), *options(D, teacher="vector_wmmse", train=512),
        *options(T, max_epochs=40)), "rule + learned", False, 6, TINY, needs=("labels-mimo-7",), data_seed=False, labelled=True),
    Run("mimo-blind", "hetgnn-mimo", BLIND, main=False, minutes=6, quick=TINY),
    Run("mimo-paper", "hetgnn-mimo-paper", (), "paper's own constants", False, 4, TINY, False, ("labels-uma-5bs-mimo",), True),
    Run("mimo-tiers", "hetgnn-mimo-tiers", minutes=15, quick=TINY),
    Run("mimo-tiers-blind", "hetgnn-mimo-tiers", BLIND, main=False, minutes=12, quick=TINY),
)  # fmt: skip
PAPER = Paper(
    name="mimo",
    title="Stations that precode: HetGNN beside vector WMMSE",
    source="beyond the papers; rules of Shi et al. 2011 and Sadek et al. 2007, structure of Bjornson et al. 2014",
    labels=(
        Labels("labels-mimo-7", "mimo-7", "vector_wmmse", 512, minutes=3),
        Labels("labels-uma-5bs-mimo", UMA, "vector_wmmse", 128, minutes=4),
    ),
    runs=RUNS,
    experiments=(
        Experiment("sum-rate", "Sum rate of seven cells", (), tables.sum_rate, SUM_RATE, 20),
        Experiment("sizes", "Other numbers of antennas, users, cells and blocks, as they are", (), tables.sizes, ("mimo",), 15),
        Experiment("tiers", "Proportional fairness of three tiers", (), tables.tiers, ("mimo-tiers", "mimo-tiers-blind"), 25),
        Experiment("paper", "The HetGNN paper's network where antennas transmit", (), tables.paper, ("mimo-paper",), 6),
        Experiment("times", "Time over the number of antennas", (), tables.times, ("mimo",), 2),
    ),
    notes=(
        "Rows named by WMMSE rounds start from SLNR at the strongest station; the best of ten starts takes 100 rounds from SLNR,"
        " regularised zero forcing, zero forcing, maximum ratio and six random precoders.",
        "The network's first round is SLNR; with weights of zero it stays there.",
    ),
)  # fmt: skip
