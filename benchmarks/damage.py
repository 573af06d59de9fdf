"""Damage checkpoints in every way and see that none loads: `python benchmarks/damage.py`.

Each of the five systems is trained for an epoch. Its best.ckpt and last.ckpt are then flipped, truncated, forged and replaced. In this
process the functions of the commands must raise one sentence; of some files the whole command line must end with exit code 2 and one
sentence, within 10 s of processor time and 2 GiB of memory, and run nothing of the file.
"""

import argparse
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from kills import SYSTEMS, finish, start

from hetgraph.models import weights
from hetgraph.models.checkpoint import LEAST_BOUND
from hetgraph.trainers.common.policies import trained
from hetgraph.trainers.common.resume import WholeCheckpoints, check_resumable, read_checkpoint
from hetgraph.trainers.tasks import task_of

TASKS = {"hetgnn": "snapshot", "mappo-conflict": "queues", "grows": "arrivals", "qmix": "handover", "iot": "iot"}
FLIPS, CUTS = 100, 20
MOST_S, MOST_BYTES = 10.0, 2 << 30
HUGE = 10**12
LOADED = "loaded"
LONG = 10**9
LARGE = "large option"  # may load where no weights depend on it, such as rounds of messages, but within the time


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@dataclass
class Row:
    """What happened to the files of one kind.

    Args:
        files: how many.
        faults: what was not refused, or not as it must be.
        seconds: most processor time of a file.
        peak: most memory of a process, in bytes.
    """

    files: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    peak: int = 0


def damaged(whole: bytes, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Flipped and truncated files."""
    for _ in range(FLIPS):
        place, content = draw.randrange(8 * len(whole)), bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        yield "flipped bit", bytes(content)
    for number in range(CUTS):
        yield "truncated", whole[: number * len(whole) // CUTS]


def forged(best: Path) -> Iterator[tuple[str, bytes]]:
    """Files of weights with a right digest, made on purpose."""
    for value in (float("nan"), float("inf")):
        yield (
            "NaN or Inf",
            forge(best, lambda header, tensors, v=value: first_weight(tensors).view(-1)[:1].fill_(v)),
        )
    header = weights.read_weights(best)[0]
    for name, value in header.options.items():
        if isinstance(value, bool) or not isinstance(value, int | list):
            continue
        for kind, large in (("huge option", LONG), (LARGE, LEAST_BOUND)):
            wrong = [large] * 64 if isinstance(value, list) else large
            yield kind, forge(best, lambda header, tensors, n=name, w=wrong: header["options"].update({n: w}))
    yield "huge tensor", claiming(best.read_bytes())


def first_weight(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """The first tensor that is no counter."""
    return next(tensor for tensor in tensors.values() if tensor.is_floating_point())


def forge(path: Path, edit: Callable[[dict[str, Any], dict[str, torch.Tensor]], Any]) -> bytes:
    """Content of an edited file with a digest of its own."""
    with safetensors.safe_open(path, "pt") as file:
        header = json.loads(file.metadata()[weights.KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    edit(header, tensors)
    header["sha256"] = "0" * 64
    raw = safetensors.torch.save(tensors, {weights.KEY: json.dumps(header)})
    header["sha256"] = weights._digest(*weights._split(raw))
    content: bytes = safetensors.torch.save(tensors, {weights.KEY: json.dumps(header)})
    return content


def claiming(whole: bytes) -> bytes:
    """A file whose header claims a tensor of many elements."""
    length = int.from_bytes(whole[:8], "little")
    table = json.loads(whole[8 : 8 + length])
    next(entry for name, entry in table.items() if name != "__metadata__")["shape"] = [HUGE]
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + whole[8 + length :]


def foreign(folder: Path, mark: Path) -> Iterator[tuple[str, Path]]:
    """Things at a path that are no checkpoints of anything."""
    path = folder / "foreign.ckpt"
    safetensors.torch.save_file({"weight": torch.zeros(8, 8)}, path)
    yield "foreign safetensors", path
    path.write_bytes(pickle.dumps(Payload(mark)))
    yield "pickle that runs code", path
    torch.save({"state_dict": {}, "loops": Payload(mark)}, path)
    yield "pickle that runs code", path
    WholeCheckpoints().save_checkpoint({"state_dict": {}, "loops": Payload(mark)}, path)
    yield "pickle that runs code", path
    path.write_bytes(b"")
    yield "empty", path
    with path.open("wb") as file:
        file.truncate(weights.MOST_BYTES * 8)  # sparse
    yield "huge file", path
    path.unlink()
    path.mkdir()
    yield "directory", path
    path.rmdir()
    os.mkfifo(path)
    yield "pipe", path
    path.unlink()


def forged_last(last: Path) -> Iterator[tuple[str, bytes]]:
    """Checkpoints to resume from with a right digest, made on purpose."""
    path = last.with_name("forged.ckpt")
    for kind, value in (("NaN or Inf", torch.nan), ("NaN or Inf", torch.inf), ("huge tensor", None)):
        content = read_checkpoint(last)
        name = next(key for key, each in content["state_dict"].items() if each.is_floating_point())
        one = torch.zeros(1).expand(HUGE) if value is None else torch.full_like(content["state_dict"][name], value)
        content["state_dict"][name] = one
        WholeCheckpoints().save_checkpoint(content, path)
        yield kind, path.read_bytes()
    path.unlink()


def refused(read: Callable[[], Any]) -> str | None:
    """What is wrong with how a file was refused; nothing if it was, by one sentence."""
    try:
        read()
    except (ValueError, FileNotFoundError) as error:
        return None if len(str(error).splitlines()) == 1 and ": got " in str(error) else f"said {str(error)!r:.200}"
    except Exception as error:
        return f"raised {type(error).__name__}: {str(error)!r:.200}"
    return LOADED


def look(row: Row, kind: str, read: Callable[[], Any], mark: Path) -> None:
    """Read a file in this process."""
    begin = time.process_time()
    fault = refused(read)
    seconds = time.process_time() - begin
    row.files, row.seconds = row.files + 1, max(row.seconds, seconds)
    if mark.exists():
        row.faults.append("ran code of the file")
    elif seconds > MOST_S or (fault and not (fault == LOADED and kind == LARGE)):
        row.faults.append(fault or f"took {seconds:.1f} s")


def command(row: Row, line: list[str], mark: Path, folder: Path) -> None:
    """Read a file by the command line, in a process of its own."""
    begin = "from hetgraph.trainers.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", begin, *line],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak = used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss
    row.files, row.seconds, row.peak = row.files + 1, max(row.seconds, seconds), max(row.peak, peak)
    # Lightning says on which device and with which seed it begins; what is wrong is the last line.
    errors = [line for line in said.splitlines() if line.startswith("hetgraph: error: ")]
    good = process.returncode == 2 and errors == said.splitlines()[-1:] and "Traceback" not in said
    if not good or mark.exists() or seconds > MOST_S or peak > MOST_BYTES:
        row.faults.append(f"exit code {process.returncode}, {seconds:.1f} s, {peak >> 20} MiB, {said!r:.200}")


def show(system: str, table: dict[str, Row]) -> bool:
    """Print the rows of a system; whether all files were refused."""
    for kind, row in table.items():
        peak = f"{row.peak >> 20:7d} MiB" if row.peak else " " * 11
        verdict = "all refused" if not row.faults else f"{len(row.faults)} not, such as: {row.faults[0]}"
        print(f"{system:15s} {kind:34s} {row.files:5d} {row.seconds:7.2f} s {peak}  {verdict}", flush=True)
    return not any(row.faults for row in table.values())


def judge(system: str, others: dict[str, Path], root: Path, commands: int, seed: int) -> bool:
    """All files of a system."""
    folder, draw, mark = others[system], random.Random(f"{seed} {system}"), root / "executed"
    task, table = task_of(TASKS[system]), {}
    best, last, bad = folder / "best.ckpt", folder / "last.ckpt", root / "bad.ckpt"
    readers: dict[str, Callable[[Path], Any]] = {
        "best.ckpt": lambda path: trained(task, str(path)),
        "last.ckpt": check_resumable,
    }
    lines = {
        "best.ckpt": lambda path: ["compare", task.name, "--policies", str(path)],
        "last.ckpt": lambda path: ["fit", *_shrunk(system), "--ckpt_path", str(path)],
    }
    made = {
        "best.ckpt": [*damaged(best.read_bytes(), draw), *forged(best)],
        "last.ckpt": [*damaged(last.read_bytes(), draw), *forged_last(last)],
    }
    for name, contents in made.items():
        for kind, content in contents:
            bad.write_bytes(content)
            look(table.setdefault(f"{name}: {kind}", Row()), kind, lambda r=readers[name]: r(bad), mark)
        for _, content in draw.sample([each for each in contents if each[0] != LARGE], commands):
            bad.write_bytes(content)
            command(table.setdefault(f"{name}: command line", Row()), lines[name](bad), mark, root)
        for kind, path in foreign(root, mark):
            look(table.setdefault(f"{name}: {kind}", Row()), kind, lambda r=readers[name], p=path: r(p), mark)
            if system == next(iter(TASKS)) and commands:
                command(table.setdefault(f"{name}: foreign, command line", Row()), lines[name](path), mark, root)
    for other, path in others.items():
        if other != system:
            look(
                table.setdefault("best.ckpt: of another task", Row()),
                "",
                lambda p=path: trained(task, str(p / "best.ckpt")),
                mark,
            )
    return show(system, table)


def _shrunk(system: str) -> list[str]:
    config, options = SYSTEMS[system]
    return [config, *options]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--commands", type=int, default=5, help="files of each system and kind that go through the command line"
    )
    parser.add_argument("--only", default=",".join(TASKS), help="systems, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="of flips")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root, runs = Path(temporary), {}
        for system in TASKS:
            runs[system] = root / system
            finish(start(system, runs[system], root / "data", "--trainer.max_epochs", "1"), runs[system])
        print(f"{'system':15s} {'file':34s} {'files':>5s} {'most':>9s} {'memory':>11s}")
        good = [judge(system, runs, root, args.commands, args.seed) for system in args.only.split(",")]
    raise SystemExit(not all(good))
