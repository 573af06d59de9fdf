"""The list of packages equals the tree, and the wheel carries what it should under the right names."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def in_tree() -> set[str]:
    names = set()
    for folder in ("hetgraph", "datasets", "trainers"):
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT).parts
            names.add(".".join(parts if parts[0] == "hetgraph" else ("hetgraph", *parts)))
    return names


def test_listed_packages_are_those_of_the_tree() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(settings["tool"]["setuptools"]["packages"]) == in_tree()


def test_the_wheel_has_no_top_level_datasets_or_trainers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"hetgraph"}
    assert "hetgraph/trainers/cli.py" in names
    assert "hetgraph/trainers/configs/hetgnn.yaml" in names
    assert "hetgraph/py.typed" in names
