"""A small board: three rules on forty networks of arrivals."""

import shutil
from pathlib import Path

import pytest

from hetgraph.trainers.cli import main

ARGUMENTS = ("compare", "arrivals", "--scenario", "grows-tiny", "--layouts", "40", "--no-figures")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a board as `hetgraph compare --submit` writes it."""
    home = tmp_path_factory.mktemp("submitted")
    arguments = [*ARGUMENTS, "--policies", "best_rate,least_loaded,random_station", "--out", str(home / "out")]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--submit", str(home / "board")])
    assert done.value.code == 0
    return home / "board"


@pytest.fixture
def board(made: Path, tmp_path: Path) -> Path:
    """A copy of the board in another folder."""
    return Path(shutil.copytree(made, tmp_path / "elsewhere" / "board"))
