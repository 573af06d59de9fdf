"""Fixtures that several folders share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def lte_traces() -> Path:
    """Folder of the real traces, read in place."""
    folder = Path(os.environ.get("HETGRAPH_DATA", ROOT.parent / "shared" / "data" / "lte_traces"))
    if not folder.is_dir():
        pytest.skip(f"no traces at {folder}; set HETGRAPH_DATA to a folder that holds them")
    return folder


@pytest.fixture(scope="session")
def real_files(lte_traces: Path) -> Path:
    """Folder of real files of all kinds, beside the traces."""
    return lte_traces.parent
