"""The floors of the house: a file imports only from the floors below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "units": 0,
    "channel": 1,
    "graph": 2,
    "radio": 3,
    "solvers": 4,
    "envs": 5,
    "nn": 5,
    "models": 6,
    "datasets": 7,
    "trainers": 8,
}
STRANGERS = {("envs", "models"), ("models", "envs"), ("envs", "nn"), ("nn", "envs"), ("datasets", "models")}
HEAVY = ("lightning", "matplotlib", "ray", "pytorch_lightning")


def package_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).parts
    return parts[1].removesuffix(".py") if parts[0] == "hetgraph" else parts[0]


def imported(path: Path) -> set[str]:
    """Absolute names that a file imports; relative imports are forbidden in this project."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: got a relative import, expected absolute ones"
            names.add(node.module or "")
            if node.module == "hetgraph":
                names |= {f"hetgraph.{alias.name}" for alias in node.names}
    return names


def faults(root: Path) -> list[str]:
    found = []
    for folder in ("hetgraph", "datasets", "trainers"):
        for path in sorted((root / folder).rglob("*.py")):
            own = package_of(path, root)
            if own == "__init__":
                own = "units"
            for name in sorted(imported(path)):
                if name.startswith("hetgraph.") and not allowed(own, name.split(".")[1]):
                    found.append(f"{path.relative_to(root)}: {own} imports {name}")
                if name.split(".")[0] in HEAVY and own not in ("datasets", "trainers"):
                    found.append(f"{path.relative_to(root)}: {own} imports {name}")
    return found


def allowed(own: str, other: str) -> bool:
    if other == "__version__" or own == other:
        return True
    return FLOORS[other] < FLOORS[own] and (own, other) not in STRANGERS


def test_imports_go_downwards() -> None:
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    "text",
    [
        "from hetgraph.solvers import wmmse",
        "import hetgraph.models.hetgnn",
        "from hetgraph import trainers",
        "import lightning",
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, text: str) -> None:
    for folder in ("hetgraph/graph", "datasets", "trainers"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "hetgraph" / "graph" / "bad.py").write_text(text + "\n")
    assert len(faults(tmp_path)) == 1


def test_import_hetgraph_stays_light() -> None:
    code = (
        "import sys, hetgraph, hetgraph.models, hetgraph.solvers; print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *HEAVY], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["datasets", "trainers"])
def test_the_folders_refuse_their_top_level_names(name: str) -> None:
    out = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode != 0
    assert f"expected hetgraph.{name}" in out.stderr
