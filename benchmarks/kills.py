"""Kill trainings at random moments, resume them, and compare what they end with: `python benchmarks/kills.py`.

Each system's shipped configuration, shrunk, trains once undisturbed. Then it trains again and is killed, half of the time at a
moment drawn uniformly over the undisturbed run's time, half of the time within 30 ms of a write in its folder, and resumed from
last.ckpt (or begun anew where there is none yet) until it ends. Weights, the state to resume from and metrics.csv must be bit-equal.

Trainings are processes of their own, forked from this one after its imports, so that moments are those of training.
"""

import argparse
import csv
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch.cli  # noqa: F401  imported before processes are forked, as are the next
import torch

from hetgraph.envs import ArrivalEnv, CellularEnv, HandoverEnv, IoTEnv  # noqa: F401
from hetgraph.models.weights import read_weights
from hetgraph.trainers.cli import main
from hetgraph.trainers.common.resume import read_checkpoint
from hetgraph.trainers.tasks import task_names, task_of

M, D, T = "--model.init_args.", "--data.init_args.", "--trainer."
AFTER_WRITE_S = 0.03
POLL_S = 0.002
LOG_SIGNS = 2000
EARLY_STOP = (
    '{"class_path": "lightning.pytorch.callbacks.EarlyStopping", '
    '"init_args": {"monitor": "val/score", "mode": "max", "patience": 1, "min_delta": 10.0}}'
)


def options(model: dict[str, Any], data: dict[str, Any], trainer: dict[str, Any]) -> list[str]:
    """Options of the command line that shrink a configuration."""
    parts = [(M, model), (D, data), (T, trainer)]
    return [text for prefix, values in parts for key, value in values.items() for text in (prefix + key, str(value))]


SYSTEMS: dict[str, tuple[str, list[str]]] = {
    "hetgnn": (
        "hetgnn-distill",
        options({"hidden": 8, "rounds": 3}, {"train": 16, "val": 4}, {"max_epochs": 6}),
    ),
    "hetgnn-early-stop": (  # ends by patience, not by its last epoch
        "hetgnn",
        options(
            {"hidden": 8, "rounds": 2},
            {"train": 12, "val": 4},
            {"max_epochs": 9, "log_every_n_steps": 2, "callbacks": f"[{EARLY_STOP}]"},
        ),
    ),
    "mappo-conflict": (
        "conflict-8",
        options(
            {"hidden": 16},
            {"num_envs": 16, "rollouts": 8, "val_slots": 50, "val_envs": 4},
            {"max_epochs": 5, "log_every_n_steps": 3},
        ),
    ),
    "mappo-cells": (
        "random-19-light",
        options(
            {"hidden": 8},
            {"num_envs": 4, "layouts": 4, "slots": 8, "rollouts": 3, "val_slots": 30, "val_envs": 2},
            {"max_epochs": 5, "log_every_n_steps": 2},
        ),
    ),
    "grows": (
        "grows",
        options(
            {"widths": "[16,16]", "target_every": 20},
            {"num_envs": 40, "draws": 60, "batch_size": 64, "capacity": 3000, "least": 400, "explore": 100}
            | {"val_episodes": 20},
            {"max_epochs": 5, "log_every_n_steps": 20},
        ),
    ),
    "qmix": (
        "qmix",
        options(
            {"hidden": 8},
            {"cells": 7, "users": 30, "networks": 4, "num_envs": 2, "val_networks": 2, "steps": 6, "episodes": 8}
            | {"batch_size": 4, "least": 4},
            {"max_epochs": 5, "log_every_n_steps": 3},
        ),
    ),
    "iot": (
        "iot-small",
        options(
            {"hidden": 8},
            {"num_envs": 4, "episode_slots": 20, "batch_size": 8, "draws": 10, "capacity": 200, "least": 16}
            | {"val_envs": 2, "eval_slots": 8},
            {"max_epochs": 5, "log_every_n_steps": 4},
        ),
    ),
}


@dataclass
class Chain:
    """A training from its start to its end, however often it was killed."""

    folder: Path
    kills: int = 0
    resumed: int = 0


def command(system: str, folder: Path, data: Path) -> list[str]:
    """Command line that trains a system in a folder, and goes on where there is a checkpoint to go on from."""
    config, shrunk = SYSTEMS[system]
    line = ["fit", config, *shrunk, f"{T}default_root_dir", str(folder)]
    if config.startswith("hetgnn"):
        line += [f"{D}root", str(data)]
    last = folder / "last.ckpt"
    return [*line, "--ckpt_path", str(last)] if last.exists() else [*line, "--overwrite", "true"]


def start(system: str, folder: Path, data: Path, *more: str) -> int:
    """Start the training, or go on with it, in a process, with more options; its number."""
    folder.mkdir(parents=True, exist_ok=True)
    line = [*command(system, folder, data), *more]
    process = os.fork()
    if process:
        return process
    log = os.open(folder.parent / f"{folder.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        main(line)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def finish(process: int, folder: Path) -> bool:
    """Wait for a process; whether it ended, not killed.

    Raises:
        RuntimeError: it failed.
    """
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code not in (0, -signal.SIGKILL):
        log = (folder.parent / f"{folder.name}.log").read_text()[-LOG_SIGNS:]
        raise RuntimeError(f"{folder.name}: got exit code {code}, expected 0\n{log}")
    return code == 0


def written(folder: Path) -> dict[str, int]:
    """When each file of a folder was written, but for events of TensorBoard, which are written at every step."""
    out = {}
    for entry in os.scandir(folder):
        if not entry.name.startswith("events"):
            try:
                out[entry.name] = entry.stat().st_mtime_ns
            except FileNotFoundError:
                continue  # renamed meanwhile
    return out


def kill(process: int, folder: Path, draw: random.Random, duration: float) -> None:
    """Kill a training at a random moment, if it does not end before."""
    moment = time.monotonic() + draw.uniform(0, duration)
    at_write = draw.random() < 0.5
    writes, delay, state = draw.randint(1, 12), draw.uniform(0, AFTER_WRITE_S), written(folder)
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if at_write:
            now = written(folder)
            if now != state:
                state, writes = now, writes - 1
            if not writes:
                time.sleep(delay)
                break
        elif time.monotonic() > moment:
            break
        time.sleep(POLL_S)
    os.kill(process, signal.SIGKILL)  # of one that has ended, too: it is nobody's number before it is waited for


def chains(system: str, root: Path, data: Path, kills: int, draw: random.Random, duration: float) -> Iterator[Chain]:
    """Trainings that are killed and resumed, one after the other, until there were that many kills."""
    left, number = kills, 0
    while left:
        chain = Chain(root / f"{system}-{number}")
        number += 1
        while True:
            chain.resumed += (chain.folder / "last.ckpt").exists()
            process = start(system, chain.folder, data)
            if left:
                kill(process, chain.folder, draw, duration)
            if finish(process, chain.folder):
                break
            chain.kills, left = chain.kills + 1, left - 1
        yield chain


def differences(first: Path, second: Path) -> list[str]:
    """What differs between two finished runs."""
    header, tensors = read_weights(first / "best.ckpt")
    other_header, others = read_weights(second / "best.ckpt")
    out = [f"best.ckpt {path}" for path in differing(tensors, others)]
    out += [f"best.ckpt {path}" for path in differing(vars(header), vars(other_header))]
    last = [_comparable(read_checkpoint(folder / "last.ckpt")) for folder in (first, second)]
    out += [f"last.ckpt {path}" for path in differing(*last)]
    rows = [metrics(folder / "metrics.csv") for folder in (first, second)]
    if len(rows[0]) != len(rows[1]):
        return [*out, f"metrics.csv: {len(rows[0])} and {len(rows[1])} rows"]
    return out + [f"metrics.csv row {path}" for path in differing(*rows)]


def metrics(path: Path) -> list[dict[str, str]]:
    """Rows of a run's indicators without times."""
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if "time" not in key} for row in csv.DictReader(file)]


def _comparable(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint without the paths of its folder."""
    callbacks = checkpoint["callbacks"].values()
    for state in callbacks:
        for key in ("dirpath", "best_model_path", "kth_best_model_path", "last_model_path"):
            state.pop(key, None)
        state["best_k_models"] = list(state.get("best_k_models", {}).values())
    return checkpoint


def differing(first: Any, second: Any, path: str = "") -> Iterator[str]:
    """Places at which two nested values are not bit-equal."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        same = first.shape == second.shape and first.dtype == second.dtype
        if not same or not torch.equal(_bits(first), _bits(second)):
            yield path
    elif isinstance(first, dict) and isinstance(second, dict):
        for key in [*first, *(key for key in second if key not in first)]:
            if key in first and key in second:
                yield from differing(first[key], second[key], f"{path}/{key}")
            else:
                yield f"{path}/{key} (in one alone)"
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for i, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differing(one, other, f"{path}/{i}")
    elif repr(first) != repr(second):  # NaN equals NaN
        yield f"{path}: {first!r:.60} and {second!r:.60}"


def _bits(value: torch.Tensor) -> torch.Tensor:
    """Bytes of a tensor, in which NaN equals NaN and 0.0 is not -0.0."""
    return value.contiguous().reshape(-1).view(torch.uint8)


def judge(system: str, root: Path, kills: int, seed: int) -> bool:
    """Print one system's row; whether all its trainings ended equal."""
    data, whole = root / "data", root / f"{system}-whole"
    finish(start(system, whole, data), whole)  # draws and labels the networks where a configuration has labels
    shutil.rmtree(whole)
    begin = time.monotonic()
    finish(start(system, whole, data), whole)
    duration = time.monotonic() - begin
    done, resumed, found = 0, 0, []
    for chain in chains(system, root, data, kills, random.Random(f"{seed} {system}"), duration):
        done, resumed = done + chain.kills, resumed + chain.resumed
        found += [f"{chain.folder.name}: {text}" for text in differences(whole, chain.folder)]
    verdict = "bit-equal" if not found else f"{len(found)} differences"
    print(f"{system:18s} {duration:7.1f} s {done:6d} {resumed:8d}  {verdict}", flush=True)
    for text in found[:12]:
        print(f"    {text}", flush=True)
    return not found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=12, help="of each system")
    parser.add_argument("--only", default=",".join(SYSTEMS), help="systems, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", default=None, help="folder that keeps the runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for task in task_names():
        task_of(task)
    with tempfile.TemporaryDirectory() as temporary:
        print(f"{'system':18s} {'whole run':>9s} {'kills':>6s} {'resumed':>8s}  end")
        equal = [judge(name, Path(args.keep or temporary), args.kills, args.seed) for name in args.only.split(",")]
    raise SystemExit(not all(equal))
