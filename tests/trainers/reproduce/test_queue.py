"""The queue of trainings, with commands that stand for them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hetgraph.trainers.reproduce import queue
from hetgraph.trainers.reproduce.queue import Job, machine_of, minutes_of, state_of, work
from hetgraph.trainers.reproduce.trainings import digest

# In place of `hetgraph`: writes what it was called with, and does what its first word says.
SCRIPT = """
import pathlib, sys, time
kind, folder, *rest = sys.argv[1:]
folder = pathlib.Path(folder)
folder.mkdir(parents=True, exist_ok=True)
with (folder / "calls").open("a") as file:
    print(kind, *rest, file=file)
if kind == "fail":
    raise SystemExit(3)
if kind == "slow" and "--ckpt_path" not in rest:
    (folder / "last.ckpt").write_text("half")
    time.sleep(60)
(folder / "best.ckpt").touch()
(folder / "order").write_text(str(time.monotonic()))
"""


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "HETGRAPH", (sys.executable, "-c", SCRIPT))


def job(kind: str, folder: Path, *, needs: tuple[str, ...] = (), option: str = "a") -> Job:
    command = ("hetgraph", kind, str(folder), "--overwrite", "true", option)
    return Job(folder.name, command, 0.01, folder, needs)


def run(jobs: list[Job], logs: Path, at_once: int = 2) -> dict[str, str]:
    return work(jobs, at_once, logs, Console(stderr=True))


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_job_whose_configuration_changed_is_a_new_one(tmp_path: Path) -> None:
    one, logs = replace(job("good", tmp_path / "one"), settings="abc"), tmp_path / "logs"
    run([one], logs)
    assert state_of(one, logs) == "done"
    assert state_of(replace(one, settings="abd"), logs) == state_of(replace(one, settings="ab"), logs) == "new"


def test_the_digest_of_a_configuration_is_that_of_what_it_says(tmp_path: Path) -> None:
    texts = {"one": "a: 1  # first\nb: 2\n", "two": "b: 2\na: 1\n", "three": "a: 1\nb: 3\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    one, two, three = (digest(str(tmp_path / name)) for name in texts)
    assert one == two != three and digest("") == ""


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    one = job("good", tmp_path / "one")
    assert run([one], tmp_path / "logs") == {"one": "done"}
    assert run([one], tmp_path / "logs") == {"one": "done"}
    assert calls(tmp_path / "one") == ["good --overwrite true a"]
    assert minutes_of("one", tmp_path / "logs") is not None
    assert "core" in machine_of("one", tmp_path / "logs")


def test_what_was_deleted_is_made_again(tmp_path: Path) -> None:
    one = job("good", tmp_path / "one")
    run([one], tmp_path / "logs")
    (tmp_path / "one" / "best.ckpt").unlink()
    assert state_of(one, tmp_path / "logs") == "new"
    run([one], tmp_path / "logs")
    assert (tmp_path / "one" / "best.ckpt").exists()


def test_what_started_from_what_is_made_again_is_made_again(tmp_path: Path) -> None:
    logs, first = tmp_path / "logs", job("good", tmp_path / "first")
    second = job("good", tmp_path / "second", needs=("first",))
    run([first, second], logs)
    run([job("good", tmp_path / "first", option="b"), second], logs)
    assert len(calls(tmp_path / "second")) == 2
    run([job("good", tmp_path / "first", option="b"), second], logs)
    assert len(calls(tmp_path / "second")) == 2


def test_labels_that_were_deleted_are_drawn_again(tmp_path: Path) -> None:
    logs, folder = tmp_path / "logs", tmp_path / "labels"
    labels = Job("labels", ("hetgraph", "good", str(folder)), 0.01, output=folder)
    run([labels], logs)
    shutil.rmtree(folder)
    run([labels], logs)
    assert folder.is_dir()


def test_another_command_begins_anew_without_the_old_checkpoint(tmp_path: Path) -> None:
    run([job("good", tmp_path / "one")], tmp_path / "logs")
    (tmp_path / "one" / "last.ckpt").write_text("of the old command")
    other = job("good", tmp_path / "one", option="b")
    assert state_of(other, tmp_path / "logs") == "new"
    assert run([other], tmp_path / "logs") == {"one": "done"}
    assert calls(tmp_path / "one")[-1] == "good --overwrite true b"
    assert not (tmp_path / "one" / "last.ckpt").exists()


def test_a_failure_loses_nothing_but_what_needs_it(tmp_path: Path) -> None:
    jobs = [
        job("fail", tmp_path / "bad"),
        job("good", tmp_path / "after", needs=("bad",)),
        job("good", tmp_path / "other"),
    ]
    ended = run(jobs, tmp_path / "logs", 1)
    assert ended == {"bad": "failed with 3", "after": "not run, as bad failed", "other": "done"}
    assert state_of(jobs[0], tmp_path / "logs") == "failed"
    run(jobs, tmp_path / "logs", 1)  # tries again, from the beginning
    assert calls(tmp_path / "bad") == ["fail --overwrite true a"] * 2


def test_what_is_needed_comes_first(tmp_path: Path) -> None:
    jobs = [job("good", tmp_path / "second", needs=("first",)), job("good", tmp_path / "first")]
    run(jobs, tmp_path / "logs")
    times = [float((tmp_path / name / "order").read_text()) for name in ("first", "second")]
    assert times[0] < times[1]


def test_an_interrupted_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    one, logs = job("slow", tmp_path / "one"), tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "last.ckpt").write_text("half")
    (logs / "one.log").write_text(" ".join(one.command) + "\nminutes 2.00\nstopped\n")
    assert state_of(one, logs) == "stopped"
    assert run([one], logs) == {"one": "done"}
    assert calls(tmp_path / "one") == [f"slow --ckpt_path {tmp_path / 'one' / 'last.ckpt'} a"]
    minutes = minutes_of("one", logs)
    assert minutes is not None
    assert 2.0 <= minutes < 3.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_children(tmp_path: Path, number: int) -> None:
    """The queue in a process of its own, stopped while a training runs."""
    code = f"""
import signal, sys
from pathlib import Path
from rich.console import Console
from hetgraph.trainers.reproduce import queue
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests themselves run in the background
queue.HETGRAPH = (sys.executable, "-c", {SCRIPT!r})
folder = Path({str(tmp_path / "one")!r})
job = queue.Job("one", ("hetgraph", "slow", str(folder), "--overwrite", "true"), 1.0, folder)
try:
    queue.work([job], 1, Path({str(tmp_path / "logs")!r}), Console())
except KeyboardInterrupt:  # as the command line does
    sys.exit(130)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last = tmp_path / "one" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    code_of_exit = process.wait(30)
    assert code_of_exit == 128 + number
    log = (tmp_path / "logs" / "one.log").read_text()
    assert log.endswith("stopped\n")
    command = ("hetgraph", "slow", str(last.parent), "--overwrite", "true")
    assert state_of(Job("one", command, 1.0, last.parent), tmp_path / "logs") == "stopped"
    assert _alive(str(tmp_path)) == []


def _alive(text: str) -> list[int]:
    """Processes whose command line names a path."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if text in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
