"""Processor time of commands that do little: `python benchmarks/startup.py`.

Medians of several runs, each in a process of its own, in turns, so that a busy moment of the machine meets all commands alike.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

MOST_BARE_S, MOST_ABOVE_S = 0.5, 2.0
IMPORT = "import torch, torch_geometric.data"
MAIN = "from hetgraph.trainers.cli import main; main()"
TINY = {
    "snapshot": "--scenario uma-5bs --layouts 1 --policies max_rsrp",
    "queues": "--scenario conflict-8 --load 0.3 --layouts 1 --slots 10 --policies llq",
    "arrivals": "--layouts 1 --policies argmax --probability 1 --demand 10",
    "handover": "--cells 7 --layouts 1 --slots 2 --policies max_rsrp",
    "iot": "--scenario iot-noma:users=20,small_cells=3,subchannels=10 --layouts 1 --slots 2 --policies random",
}


def commands(folder: str) -> dict[str, list[str]]:
    """What is measured: name -> command line of Python."""
    out = {IMPORT: ["-c", IMPORT]}
    for text in ("--version", "--help", "compare iot --help"):
        out[f"hetgraph {text}"] = ["-c", MAIN, *text.split()]
    for task, text in TINY.items():
        more = ["--no-figures", "--overwrite", "--out", f"{folder}/{task}"]
        out[f"compare {task}"] = ["-c", MAIN, "compare", task, *text.split(), *more]
    return out


def seconds(line: list[str]) -> float:
    """Processor time of a process.

    Raises:
        RuntimeError: it failed.
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(line)}: got exit code {process.returncode}, expected 0")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each command")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        lines = commands(temporary)
        rounds = [{name: seconds(line) for name, line in lines.items()} for _ in range(args.runs)]
    base, good = statistics.median(each[IMPORT] for each in rounds), True
    print(f"{'command':40s} {'seconds':>8s} {'above the import':>17s}  target")
    for name in lines:
        median = statistics.median(each[name] for each in rounds)
        above = statistics.median(each[name] - each[IMPORT] for each in rounds)
        bare, compares = name in ("hetgraph --version", "hetgraph --help"), name.startswith("compare")
        met = median < MOST_BARE_S if bare else above <= MOST_ABOVE_S or not compares
        target = f"below {MOST_BARE_S} s" if bare else f"at most {MOST_ABOVE_S} s above" if compares else ""
        good &= met
        print(f"{name:40s} {median:8.2f} {above:17.2f}  {target}{'' if met else ': missed'}")
    raise SystemExit(not good)
