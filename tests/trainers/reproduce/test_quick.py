"""Every system's quick run, from nothing to the page."""

import subprocess
import sys
from pathlib import Path

import pytest

from hetgraph.trainers.reproduce.page import anchor
from hetgraph.trainers.reproduce.paper import paper_names, paper_of

COMMAND = (sys.executable, "-P", "-c", "from hetgraph.trainers.cli import main; main()")


@pytest.mark.all
@pytest.mark.parametrize("name", paper_names())
def test_quick(name: str, tmp_path: Path) -> None:
    arguments = (*COMMAND, "reproduce", name, "--quick")
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "runs/reproduce/quick" / f"{name}.md").read_text()
    assert page.startswith("# Quick run")
    for experiment in paper_of(name).experiments:
        assert (f"## {experiment.title}\n" in page) == experiment.possible
        assert f"(#{anchor(experiment.title)})" in page or not experiment.possible
    assert "Not trained" not in page
    assert not (tmp_path / "results").exists()
    again = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "measuring" not in again.stdout  # nothing is trained or measured twice
