"""Train every checkpoint that results/ speaks of: `python benchmarks/runs.py [NAME ...]`; two runs at a time.

A run whose log begins with its command and ends with "done" is not run again.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import iot_learned

SEEDS = range(5)
ENCODERS = ("hetero", "no_antennas", "homogeneous", "bs_only", "edge_mlp")
TRACES = os.environ.get("TRACES", "traces")  # folder with the drive tests of Raca et al.
M, D, T = "--model.init_args.", "--data.init_args.", "--trainer."


def fit(name: str, config: str, seed: int, *options: str) -> list[str]:
    """Command of one run; everything it writes is under runs/NAME-SEED."""
    folder = f"runs/{name}-{seed}"
    return [
        "hetgraph", "fit", "--config", config, "--overwrite", "true", "--seed_everything", str(seed),
        f"{T}default_root_dir", folder, *options,
    ]  # fmt: skip


def each(name: str, config: str, *options: str, data_seed: bool = True) -> dict[str, list[str]]:
    """A run of each training seed, which is that of its data, too."""
    own = [(f"{D}seed", str(seed)) if data_seed else () for seed in SEEDS]
    return {f"{name}-{seed}": fit(name, config, seed, *own[seed], *options) for seed in SEEDS}


def jobs() -> dict[str, list[str]]:
    """Name -> command, in the order in which they run."""
    return snapshots() | packets() | arrivals() | handovers() | alone() | iot_learned.commands() | ablations()


def snapshots() -> dict[str, list[str]]:
    """HetGNN. In this order labels are there before distillation starts, and distilled weights before they are used."""
    labels = ["--teacher", "pf_teacher", "--count", "256", "--seed", "0"]
    out = {"labels-hetnet": ["hetgraph", "generate", "--scenario", "hetnet-3tier", *labels, "--out", hetnet_folder()]}
    out |= each("interference", "interference") | each("distill", "hetgnn-distill", data_seed=False)
    for seed in SEEDS:
        start = f"runs/distill-{seed}/best.ckpt"
        out[f"hetnet-{seed}"] = fit("hetnet", "hetgnn", seed, f"{D}seed", str(seed), f"{M}init_from", start)
    out |= each("uma", "hetgnn-uma") | each("uma-sum", "hetgnn-uma-sum-rate", data_seed=False)
    out |= each("iid", "interference-iid")
    paper = [f"{M}encoder", "sage", f"{M}association", "edge", f"{M}rounds", "0"]  # its student: one pass, an edge head
    return out | each("paper", "hetgnn-distill", *paper, data_seed=False) | each("paper-uma", "hetgnn-uma", *paper)


def packets() -> dict[str, list[str]]:
    """MAPPO on conflict graphs and on cells."""
    out = each("conflict-shared", "conflict-8") | each("conflict-individual", "conflict-8", f"{M}agents", "4")
    return out | each("random-19-heavy", "random-19-heavy") | each("hex-19-heavy", "hex-19-heavy")


def arrivals() -> dict[str, list[str]]:
    """GROWS and the network without a graph."""
    small = [f"{D}scenario", "grows-tiny", f"{T}max_epochs", "2", f"{M}widths", "[32,32]"]
    plain = [f"{M}flat", "3", f"{M}users", "false", f"{M}dueling", "false"]
    out = each("grows", "grows") | each("grows-tiny", "grows", *small) | each("dqn-flat", "grows", *plain)
    return out | each("grows-paper", "grows-paper", f"{D}probability", "0.5", f"{D}demand", "14")


def handovers() -> dict[str, list[str]]:
    """GraphQMIX: what is changed of the shipped configuration in each of its runs."""
    runs = {
        "qmix": [],
        "qmix-margin": ["margin"],
        "qmix-levels": ["levels"],
        "qmix-levels-margin": ["margin", "levels"],
    }
    runs |= {"qmix-asc": ["asc"], "qmix-asc-margin": ["margin", "more"], "qmix-crowding": ["crowding"]}
    runs |= {"qmix-one-margin": ["margin", "one"], "qmix-one-levels-margin": ["margin", "one", "levels"]}
    runs |= {"qmix-early": ["early"], "qmix-early-margin": ["margin", "early"]}
    runs |= {"qmix-early-levels-margin": ["margin", "levels", "early"]}
    runs |= {"qmix-rate-levels-margin": ["margin", "levels", "early", "association"], "qmix-plain": ["plain"]}
    runs |= {"qmix-traces": ["margin", "traces"], "qmix-traces-levels": ["margin", "levels", "traces"]}
    bare = {"intentions": "0", "agreements": "0", "personal": "false", "warm": "0", "lr": "2e-3"}
    change = {
        "margin": [f"{D}cre", "false", f"{M}crowding", "0.03"],  # the best on validation
        "levels": [f"{D}resource_model", "paper"],
        "crowding": [f"{M}patience", "0.45", f"{M}crowding", "0.01"],
        "one": [f"{M}crowding", "0"],  # one price of a handover
        "early": [f"{M}patience", "0.35", f"{M}crowding", "0"],
        "asc": [f"{D}weights.sum_rate", "0.3", f"{D}weights.spread", "0.048"],
        # The least for which the sum rate of validation networks is above the strongest cell's by more than its interval.
        "more": [f"{D}weights.sum_rate", "0.32", f"{D}weights.spread", "0.0512"],
        "association": [f"{D}weights.sum_rate", "2"],  # levels cost nothing there, so that it is the association's alone
        "plain": [f"{T}max_epochs", "4", *(part for k, v in bare.items() for part in (M + k, v))],
        # Phones in cars, not users on foot: the price is fitted.
        "traces": [
            *(f"{D}scenario", TRACES, f"{D}generation", "5G", f"{D}cells", "22"),
            *(f"{M}patience", "null", f"{M}crowding", "null"),
        ],
    }  # fmt: skip
    out: dict[str, list[str]] = {}
    for name, changes in runs.items():
        out |= each(name, "qmix", *(part for key in changes for part in change[key]))
    return out


def alone() -> dict[str, list[str]]:
    """Agents without rules or graphs on the same handovers."""
    flat = {"mixing": "qmix", "encoder": "flat-full", "flat_cells": "25", "hidden": "128", "importance": "sum"}
    runs = {"d3qn": [], "d3qn-single": [f"{M}encoder", "single"]}
    runs["qmix-flat"] = [part for k, v in (flat | {"credit": "1.0", "joint": "0.1"}).items() for part in (M + k, v)]
    runs["dqn"] = [f"{M}dueling", "false", f"{M}double", "false"]
    out: dict[str, list[str]] = {}
    for name, options in runs.items():
        for suffix, bias in (("", "true"), ("-margin", "false")):
            out |= each(name + suffix, "d3qn", *options, f"{T}max_epochs", "6", f"{D}cre", bias)
    return out


def ablations() -> dict[str, list[str]]:
    """HetGNN with other encoders, with and without refinement."""
    out: dict[str, list[str]] = {}
    for rounds in ("0", "8"):
        for encoder in ENCODERS:
            options = [f"{M}encoder", encoder, f"{M}rounds", rounds, f"{T}max_epochs", "6"]
            out |= each(f"ablation-{encoder}-r{rounds}", "hetgnn", *options)
    return out


def hetnet_folder() -> str:
    """Where the data module looks for its labels."""
    from hetgraph.datasets import SnapshotDataModule

    return str(SnapshotDataModule("hetnet-3tier", "pf_teacher", train=256).folder)


def run(item: tuple[str, list[str]]) -> None:
    """Run one job, its output in runs/logs/NAME.log."""
    name, command = item
    log = Path("runs/logs") / f"{name}.log"
    said = log.read_text() if log.exists() else ""
    if said.startswith(" ".join(command) + "\n") and said.endswith("done\n"):
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        file.write(" ".join(command) + "\n")
        file.flush()
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        file.write("done\n" if code == 0 else f"failed with {code}\n")
    print(name, "done" if code == 0 else f"failed with {code}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen = {n: c for n, c in jobs().items() if len(sys.argv) < 2 or any(n.startswith(p) for p in sys.argv[1:])}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, chosen.items()))
