"""Train every checkpoint that RESULTS.md speaks of: `python benchmarks/runs.py [NAME ...]`; two runs at a time.

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
        "hetgraph", "fit", "--config", config, "--seed_everything", str(seed), f"{T}default_root_dir", folder, *options,
    ]  # fmt: skip


def jobs() -> dict[str, list[str]]:
    """Name -> command, in the order in which they run."""
    out: dict[str, list[str]] = {}
    # Two at a time, in this order: labels are there before distillation starts, and distilled weights before they are used.
    labels = ["--teacher", "pf_teacher", "--count", "256", "--seed", "0"]
    out["labels-hetnet"] = ["hetgraph", "generate", "--scenario", "hetnet-3tier", *labels, "--out", hetnet_folder()]
    for seed in SEEDS:
        out[f"interference-{seed}"] = fit("interference", "interference", seed, f"{D}seed", str(seed))
    for seed in SEEDS:
        out[f"distill-{seed}"] = fit("distill", "hetgnn-distill", seed)
    for seed in SEEDS:
        start = f"runs/distill-{seed}/best.ckpt"
        out[f"hetnet-{seed}"] = fit("hetnet", "hetgnn", seed, f"{D}seed", str(seed), f"{M}init_from", start)
    for seed in SEEDS:
        out[f"uma-{seed}"] = fit("uma", "hetgnn-uma", seed, f"{D}seed", str(seed))
    for seed in SEEDS:
        out[f"uma-sum-{seed}"] = fit("uma-sum", "hetgnn-uma-sum-rate", seed)
    for seed in SEEDS:
        out[f"iid-{seed}"] = fit("iid", "interference-iid", seed, f"{D}seed", str(seed))
    paper = [f"{M}encoder", "sage", f"{M}association", "edge", f"{M}rounds", "0"]  # its student: one pass, an edge head
    for seed in SEEDS:
        out[f"paper-{seed}"] = fit("paper", "hetgnn-distill", seed, *paper)
    for seed in SEEDS:
        out[f"paper-uma-{seed}"] = fit("paper-uma", "hetgnn-uma", seed, f"{D}seed", str(seed), *paper)
    for seed in SEEDS:
        out[f"conflict-shared-{seed}"] = fit("conflict-shared", "conflict-8", seed, f"{D}seed", str(seed))
    for seed in SEEDS:
        own = [f"{D}seed", str(seed), f"{M}agents", "4"]
        out[f"conflict-individual-{seed}"] = fit("conflict-individual", "conflict-8", seed, *own)
    for seed in SEEDS:
        for network in ("random-19", "hex-19"):
            name = f"{network}-heavy"
            out[f"{name}-{seed}"] = fit(name, name, seed, f"{D}seed", str(seed))
    for seed in SEEDS:
        out[f"grows-{seed}"] = fit("grows", "grows", seed, f"{D}seed", str(seed))
    for seed in SEEDS:
        small = [f"{D}scenario", "grows-tiny", f"{T}max_epochs", "2", f"{M}widths", "[32,32]"]
        out[f"grows-tiny-{seed}"] = fit("grows-tiny", "grows", seed, f"{D}seed", str(seed), *small)
    for seed in SEEDS:
        plain = [f"{M}flat", "3", f"{M}users", "false", f"{M}dueling", "false"]
        out[f"dqn-flat-{seed}"] = fit("dqn-flat", "grows", seed, f"{D}seed", str(seed), *plain)
    for seed in SEEDS:
        cell = [f"{D}probability", "0.5", f"{D}demand", "14"]
        out[f"grows-paper-{seed}"] = fit("grows-paper", "grows-paper", seed, f"{D}seed", str(seed), *cell)
    modes = {"qmix": [], "qmix-margin": ["cre"], "qmix-levels": ["model"], "qmix-levels-margin": ["cre", "model"]}
    modes |= {"qmix-asc": ["asc"], "qmix-asc-margin": ["cre", "more"]}
    modes |= {"qmix-crowding": ["crowding"]}
    modes |= {"qmix-one-margin": ["cre", "one"], "qmix-one-levels-margin": ["cre", "one", "model"]}
    modes |= {"qmix-early": ["early"], "qmix-early-margin": ["cre", "early"]}
    modes |= {"qmix-early-levels-margin": ["cre", "model", "early"]}
    modes |= {"qmix-rate-levels-margin": ["cre", "model", "early", "association"]}
    modes |= {"qmix-plain": ["plain"]}
    modes |= {"qmix-traces": ["traces", "cre"], "qmix-traces-levels": ["traces", "cre", "model"]}
    change = {
        "cre": [f"{D}cre", "false", f"{M}crowding", "0.03"],  # the best on validation
        "crowding": [f"{M}patience", "0.45", f"{M}crowding", "0.01"],
        "model": [f"{D}resource_model", "paper"],
        # The least for which the sum rate of validation networks is above the strongest cell's by more than its interval.
        "asc": [f"{D}weights.sum_rate", "0.3", f"{D}weights.spread", "0.048"],
        "more": [f"{D}weights.sum_rate", "0.32", f"{D}weights.spread", "0.0512"],
        "association": [f"{D}weights.sum_rate", "2"],  # levels cost nothing there, so that it is the association's alone
        "one": [f"{M}crowding", "0"],  # one price of a handover
        "early": [f"{M}patience", "0.35", f"{M}crowding", "0"],
        "traces": [f"{D}scenario", TRACES, f"{D}generation", "5G", f"{D}cells", "22"],
    }  # fmt: skip
    bare = {"crowding": "0", "intentions": "0", "agreements": "0", "personal": "false", "warm": "0", "lr": "2e-3"}
    change["plain"] = [f"{T}max_epochs", "4", *(part for k, v in bare.items() for part in (M + k, v))]
    for name, changes in modes.items():
        for seed in SEEDS:
            options = [part for key in changes for part in change[key]]
            if "traces" in changes:  # phones in cars, not users on foot
                options += [f"{M}patience", "null", f"{M}crowding", "null"]
            out[f"{name}-{seed}"] = fit(name, "qmix", seed, f"{D}seed", str(seed), *options)
    alone = {"d3qn": [], "d3qn-single": [f"{M}encoder", "single"]}
    flat = {"mixing": "qmix", "encoder": "flat-full", "flat_cells": "25", "hidden": "128", "importance": "sum"}
    alone["qmix-flat"] = [part for k, v in (flat | {"credit": "1.0", "joint": "0.1"}).items() for part in (M + k, v)]
    alone["dqn"] = [f"{M}dueling", "false", f"{M}double", "false"]
    for name, options in alone.items():
        for seed in SEEDS:
            for suffix, bias in (("", "true"), ("-margin", "false")):
                kind = [*options, f"{T}max_epochs", "6", f"{D}cre", bias, f"{D}seed", str(seed)]
                out[f"{name}{suffix}-{seed}"] = fit(name + suffix, "d3qn", seed, *kind)
    out |= iot_learned.commands()
    for rounds in ("0", "8"):
        for encoder in ENCODERS:
            for seed in SEEDS:
                name = f"ablation-{encoder}-r{rounds}"
                options = [f"{M}encoder", encoder, f"{M}rounds", rounds, f"{D}seed", str(seed), f"{T}max_epochs", "6"]
                out[f"{name}-{seed}"] = fit(name, "hetgnn", seed, *options)
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
