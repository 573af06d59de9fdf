"""A queue of trainings that can be stopped and gone on with: each is a process of its own with a log.

A log begins with its command and a digest of the configuration that this names, and ends with ``done`` or ``failed with CODE``;
anything else is a training that was stopped, which goes on from its ``last.ckpt``.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from hetgraph.trainers.judge.machine import machine

POLL_S, PATIENCE_S = 0.25, 20.0  # between two looks at the processes; for which a stopped one may write its last words
DONE, MINUTES = "done", "minutes "
HETGRAPH = (sys.executable, "-P", "-c", "from hetgraph.trainers.cli import main; main()")


@dataclass(frozen=True)
class Job:
    """A command whose work stays.

    Args:
        name: of its log.
        command: ``hetgraph`` and its arguments.
        minutes: estimate for one core.
        folder: of a training, from whose ``last.ckpt`` it goes on; ``None`` for what begins anew.
        needs: jobs that come before it; when one is done again, so is this.
        output: what a job without checkpoints leaves.
        settings: digest of what the command reads beside its options, such as a shipped configuration; with others it is a new job.
    """

    name: str
    command: tuple[str, ...]
    minutes: float = 10.0
    folder: Path | None = None
    needs: tuple[str, ...] = ()
    output: Path | None = None
    settings: str = ""

    @property
    def header(self) -> str:
        """Beginning of the log."""
        return " ".join(self.command) + "\n" + (f"settings: {self.settings}\n" if self.settings else "")

    @property
    def last(self) -> Path | None:
        """Checkpoint to go on from."""
        return None if self.folder is None else self.folder / "last.ckpt"


@dataclass
class _Running:
    job: Job
    process: "subprocess.Popen[bytes]"
    log: IO[str]
    start: float = field(default_factory=time.monotonic)

    def close(self, word: str) -> None:
        self.log.write(f"{MINUTES}{(time.monotonic() - self.start) / 60:.2f}\n{word}\n")
        self.log.close()


def log_of(name: str, logs: Path) -> Path:
    """Log of a job."""
    return logs / f"{name}.log"


def state_of(job: Job, logs: Path) -> str:
    """``done``, ``failed``, ``stopped`` (it can go on), or ``new``: never begun, or with another command."""
    path = log_of(job.name, logs)
    text = path.read_text(errors="replace") if path.exists() else ""
    if not text.startswith(job.header):
        return "new"
    needed = (log_of(need, logs) for need in job.needs)
    if any(need.exists() and need.stat().st_mtime_ns > path.stat().st_mtime_ns for need in needed):
        return "new"
    end = text.rstrip("\n").rpartition("\n")[2]
    if end == DONE:  # what it left may have been moved away since
        left = job.output if job.folder is None else job.folder / "best.ckpt"
        return DONE if left is None or left.exists() else "new"
    if end.startswith("failed"):
        return "failed"
    return "stopped" if job.last is not None and job.last.exists() else "new"


def minutes_of(name: str, logs: Path) -> float | None:
    """Minutes that a job took, over all its parts; ``None`` without a log that says so."""
    path = log_of(name, logs)
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    spent = [float(line.removeprefix(MINUTES)) for line in lines if line.startswith(MINUTES)]
    return sum(spent) if spent else None


def machine_of(name: str, logs: Path) -> str:
    """Machine that a job ran on, as its log says."""
    path = log_of(name, logs)
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line.removeprefix("machine: ") for line in lines if line.startswith("machine: ")), "unknown machine")


def work(jobs: Sequence[Job], at_once: int, logs: Path, console: Console) -> dict[str, str]:
    """Run jobs, some at a time, those that were not done before; a job that fails leaves the others running.

    Args:
        jobs: those that others need come first.
        at_once: processes.
        logs: folder of the logs.
        console: for progress and what failed.

    Returns:
        ``{job: "done" | "failed with CODE" | "not run, as JOB failed"}``.

    Raises:
        KeyboardInterrupt: it was stopped; the processes are, too.
        SystemExit: the same by SIGTERM.
    """
    logs.mkdir(parents=True, exist_ok=True)
    ended, present = dict[str, str](), {job.name for job in jobs}
    for job in jobs:  # what starts from what is made again is made again, too
        if state_of(job, logs) == DONE and all(need in ended for need in job.needs if need in present):
            ended[job.name] = DONE
    waiting, running = [job for job in jobs if job.name not in ended], list[_Running]()
    if not waiting:
        return ended
    total = sum(job.minutes for job in waiting)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with _terminable(), Progress(*columns, console=console) as progress:
        bar = progress.add_task("trainings", total=total, left="")
        start = time.monotonic()
        try:
            while waiting or running:
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    ended[one.job.name] = _end(one, console)
                for job in list(waiting):
                    failed = [need for need in job.needs if ended.get(need, DONE) != DONE]
                    if failed:
                        waiting.remove(job)
                        ended[job.name] = f"not run, as {failed[0]} failed"
                    elif len(running) < at_once and all(need in ended for need in job.needs if need in present):
                        waiting.remove(job)
                        running.append(_begin(job, logs))
                left = sum(job.minutes for job in waiting) + sum(_left(one) for one in running)
                text = (
                    f"{len(running)} running, {len(waiting)} waiting, {_time_left(total - left, left, start, at_once)}"
                )
                progress.update(bar, completed=total - left, left=text)
                time.sleep(POLL_S)
        finally:
            _stop(running)
    return ended


def _begin(job: Job, logs: Path) -> _Running:
    """Start a job, or let it go on where it was stopped."""
    again = state_of(job, logs) == "stopped"
    command = list(job.command)
    if again:
        at = command.index("--overwrite")
        command[at : at + 2] = ["--ckpt_path", str(job.last)]
    elif job.last is not None:  # of another command: nothing to go on from
        shutil.rmtree(job.last) if job.last.is_dir() else job.last.unlink(missing_ok=True)
    log = log_of(job.name, logs).open("a" if again else "w")
    log.write(f"going on: {' '.join(command)}\n" if again else f"{job.header}machine: {machine()}\n")
    log.flush()
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    process = subprocess.Popen(
        [*HETGRAPH, *command[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
        start_new_session=True,
    )  # fmt: skip
    return _Running(job, process, log)


def _end(one: _Running, console: Console) -> str:
    """Note how a job ended."""
    code = one.process.returncode
    word = DONE if code == 0 else f"failed with {code}"
    one.close(word)
    if code != 0:
        console.print(f"{one.job.name}: {word}, see {one.log.name}", highlight=False)
    return word


def _stop(running: Sequence[_Running]) -> None:
    """End what still runs; it can go on later."""
    for one in running:
        _signal(one, signal.SIGTERM)
    for one in running:
        try:
            one.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            _signal(one, signal.SIGKILL)
            one.process.wait()
        one.close("stopped")


def _signal(one: _Running, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(one.process.pid, number)


def _left(one: _Running) -> float:
    """Minutes that a running job is expected to need."""
    return max(one.job.minutes - (time.monotonic() - one.start) / 60, 0.1 * one.job.minutes)


def _time_left(done: float, left: float, start: float, at_once: int) -> str:
    """Remaining time: by the estimates, and by how long what is done took, once a tenth is."""
    passed = (time.monotonic() - start) / 60
    minutes = left * passed / done if done > 0.1 * (done + left) and passed > 0 else left / at_once
    return f"about {minutes:.0f} min left"


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as an exception, so that processes are stopped."""

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
