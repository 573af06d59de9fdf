"""Pages of the documentation as tests see them: their blocks, the commands that a shell makes of them, and a folder to run in."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch  # noqa: F401  before output is captured: its log goes where it was at its import
import pytest
import torch

from hetgraph.models import (
    GROWS,
    GraphQMIX,
    HetGNN,
    HybridMADDPG,
    NeighbourhoodMAPPO,
    OffsetQMIX,
    SpatialHetGNN,
    UnrolledScheduler,
    checkpoint,
    save,
)
from hetgraph.trainers.cli import main
from hetgraph.trainers.commands import (
    compare,
    doctor,
    export,
    finetune,
    generate,
    leaderboard,
    models,
    plan,
    predict,
    report,
    reproduce,
    serve,
    tune,
)

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
# A command that writes down how it was called, in place of each that pages name.
STUB = '#!/bin/bash\nprintf \'%s\\0\' "${0##*/}" "$@" $\'\\1\' >> "$CALLS"\n'
STUBBED = ("torchrun", "hetgraph", "pip", "make", "python", "tensorboard", "mkdocs")
MODULES = {
    "compare": compare, "doctor": doctor, "export": export, "finetune": finetune, "generate": generate, "leaderboard": leaderboard,
    "models": models, "plan": plan, "predict": predict, "report": report, "reproduce": reproduce, "serve": serve, "tune": tune,
}  # fmt: skip
MODELS: dict[str, Callable[[], Any]] = {
    "grows": lambda: GROWS(widths=(4, 4), features="full", users=True),
    "qmix-traffic": lambda: OffsetQMIX(hidden=8),
    "qmix": lambda: GraphQMIX(hidden=8),
    "conflict-8": lambda: NeighbourhoodMAPPO(hidden=8),
    "random-19": lambda: NeighbourhoodMAPPO(hidden=8),
    "iot-unrolled": lambda: UnrolledScheduler(hidden=8, width=4),
    "iot": lambda: HybridMADDPG(hidden=8),
    "mimo": lambda: SpatialHetGNN(hidden=8, rounds=1),
    "": lambda: HetGNN(hidden=8, rounds=1),
}
SLOTS = {"queues": "20", "handover": "3", "handover-traffic": "2", "iot": "3"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the name of the file that it is, and its text."""

    language: str
    title: str
    text: str


class Parsed(Exception):
    """The command line was understood."""


class PageRunner:
    """A folder with the files that pages name, in which their blocks are run."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.calls, stubs = folder / "calls", folder / "stubs"
        stubs.mkdir()
        for name in STUBBED:
            (stubs / name).write_text(STUB)
            (stubs / name).chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "CALLS": str(self.calls)}

    def blocks(self, page: Path) -> list[Block]:
        """Blocks of a page; those with a title are written as files."""
        out = [Block(*found) for found in FENCE.findall(page.read_text())]
        for block in out:
            if block.title:
                (self.folder / block.title).write_text(block.text)
        return [block for block in out if not block.title]

    def commands(self, script: str) -> list[list[str]]:
        """Calls that a shell script makes, of the commands in ``STUBBED``."""
        self.calls.write_text("")
        subprocess.run(["bash", "-euc", script], cwd=self.folder, env=self.environment, check=True)
        return [each.split("\0")[:-1] for each in self.calls.read_text().split("\1\0")[:-1]]

    def checkpoints(self, arguments: Sequence[str]) -> None:
        """Untrained models at the places of checkpoints that are not there."""
        for name in re.findall(r"[\w./*-]+best\.ckpt", " ".join(arguments)):
            path = self.folder / name.replace("*", "0")
            if not path.exists() and not list(self.folder.glob(name)):
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.manual_seed(0)
                save(next(make for part, make in MODELS.items() if part in path.parent.name)(), path)

    def understood(self, arguments: Sequence[str]) -> None:
        """Let a command parse its arguments and stop it there: a renamed option, or one that is gone, is an error."""
        self.checkpoints(arguments)
        if arguments[0] == "fit":
            main_ends(["fit", *arguments[1:], "--print_config"])
            return
        if arguments[0].startswith("--"):
            main_ends(arguments)
            return
        module: Any = MODULES[arguments[0]]
        real = compare.parse

        def parse(*given: Any) -> None:
            raise Parsed(real(*given))

        with self.patch.context() as patch:
            patch.setattr(module, "parse", parse)
            with pytest.raises(Parsed):
                module.run(list(arguments[1:]))

    def run(self, arguments: Sequence[str]) -> None:
        """Run a command on sizes that take seconds."""
        if "--seed_everything" in arguments and arguments[arguments.index("--seed_everything") + 1] != "0":
            return  # one seed of a loop over seeds will do
        self.checkpoints(arguments)
        main_ends([*arguments, *fewer(arguments)])

    def run_page(self, page: Path) -> int:
        """Run the python and the commands of a page in order; their number."""
        space: dict[str, Any] = {"__name__": "page"}
        count = 0
        for block in self.blocks(page):
            if block.language == "python":
                exec(compile(block.text, str(page), "exec"), space)
                count += 1
            elif block.language == "bash":
                for name, *arguments in self.commands(block.text):
                    if name == "hetgraph":
                        self.run(arguments)
                        count += 1
        return count


def main_ends(arguments: Sequence[str]) -> None:
    """Run ``hetgraph``, which is to end well."""
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code in (0, None), arguments


def fewer(arguments: Sequence[str]) -> list[str]:
    """Options with which a command takes seconds."""
    command, rest = arguments[0], list(arguments[1:])
    if command == "fit":
        return ["--trainer.accelerator", "cpu", *tiny_fit(rest)]
    task = rest[0] if rest and not rest[0].startswith("-") else "snapshot"
    slots = ["--slots", SLOTS[task]] if task in SLOTS else []
    if command == "compare":
        return ["--layouts", "2", "--no-figures", *slots]
    if command == "finetune":
        return ["--epochs", "1", "--batches", "2", "--layouts", "2", "--no-scratch", "--no-figures"]
    if command == "plan":
        return ["--draws", "2", "--no-figures", *slots]
    if command == "generate":
        return ["--count", "2"]
    if command == "reproduce" and "--list" not in rest:
        raise ValueError("reproduce: got no --list, expected it: whole papers are not run here")
    return slots if command == "predict" else []


def tiny_fit(arguments: list[str]) -> list[str]:
    """Options with which a training takes seconds; one that is resumed has an epoch left."""
    name = arguments[arguments.index("--config") + 1] if "--config" in arguments else arguments[0]
    place = ROOT / "tests/trainers/commands/test_fit.py"
    spec = importlib.util.spec_from_file_location("test_fit", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options: list[str] = module.tiny(name)
    if name.endswith(".yaml"):
        options = [part for part in options if part not in ("--model.init_args.hidden", "8")]
    return [*options, "--trainer.max_epochs", "2" if "--ckpt_path" in arguments else "1"]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageRunner]:
    """The working folder, with the example's files; what is imported from it, and the models there, are forgotten."""
    shutil.copytree(ROOT / "examples/own_network", tmp_path / "examples/own_network")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = dict(checkpoint._REGISTERED)
    yield PageRunner(tmp_path, monkeypatch)
    checkpoint._REGISTERED.clear()
    checkpoint._REGISTERED.update(known)
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]
