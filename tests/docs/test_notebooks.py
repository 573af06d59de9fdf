"""The notebooks: valid, without outputs, and running from top to bottom in under a minute of one core."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
SECONDS = 60  # of processor time
CELL = {"cell_type", "id", "metadata", "source"}


def cells(path: Path, kind: str) -> list[str]:
    book: dict[str, Any] = json.loads(path.read_text())
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == kind]


def test_there_are_five() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_graph_and_scenario", "02_solvers_and_hetgnn", "03_environment_and_rule", "04_training_and_fine_tuning",
        "05_own_sites_to_plan",
    ]  # fmt: skip


@EACH
def test_a_notebook_is_valid_and_without_outputs(path: Path) -> None:
    """What the format 4.5 of notebooks asks for, and nothing that a run has left."""
    book = json.loads(path.read_text())
    assert set(book) == {"cells", "metadata", "nbformat", "nbformat_minor"} and (
        book["nbformat"],
        book["nbformat_minor"],
    ) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in book["cells"]:
        assert all(isinstance(line, str) for line in cell["source"]) and cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert set(cell) == CELL | {"outputs", "execution_count"}
            assert cell["outputs"] == [] and cell["execution_count"] is None
        else:
            assert cell["cell_type"] == "markdown" and set(cell) == CELL
    assert cells(path, "markdown")[0].startswith("# ")
    for number, code in enumerate(cells(path, "code")):
        compile(code, f"{path.name}, cell {number}", "exec")


@pytest.mark.all
@EACH
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "examples/notebooks"
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "examples/own_network", tmp_path / "examples/own_network")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", "\n\n".join(cells(path, "code"))]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < SECONDS, f"got {seconds:.0f} s of processor time, expected under {SECONDS}"
    assert not list(folder.iterdir()), "nothing is left beside the notebooks"
