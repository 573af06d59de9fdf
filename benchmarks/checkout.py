"""Run the code of a checkout as if it were installed."""

import os
import tempfile
import tomllib
from pathlib import Path


def environment(checkout: Path) -> dict[str, str]:
    """Variables of a process that imports ``hetgraph`` from a checkout, on one thread.

    Packages lie in the checkout in another layout than in an installation, so a temporary folder links them.
    """
    packages = Path(tempfile.mkdtemp()) / "hetgraph"
    packages.mkdir()
    for item in [*(checkout / "hetgraph").iterdir(), checkout / "datasets", checkout / "trainers"]:
        (packages / item.name).symlink_to(item.resolve())
    _entry_points(checkout, packages.parent)
    return os.environ | {"PYTHONPATH": str(packages.parent), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def _entry_points(checkout: Path, folder: Path) -> None:
    """What an installation of the checkout would tell of its policies: they are found by name."""
    groups = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["entry-points"]
    info = folder / "hetgraph-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hetgraph\nVersion: 0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
    (info / "entry_points.txt").write_text("".join(lines))
