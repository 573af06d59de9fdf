"""The floors of the house: a file imports only from the floors below it."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("hetgraph", "datasets", "trainers")
FLOORS = {
    "__init__": -1,
    "extras": 0,
    "files": 0,
    "kpi_table": 0,
    "plugins": 0,
    "serialization": 0,
    "units": 0,
    "channel": 1,
    "field_types": 1,
    "graph": 2,
    "weights": 2,
    "radio": 3,
    "solvers": 4,
    "envs": 5,
    "nn": 5,
    "models": 6,
    "datasets": 7,
    "trainers": 8,
    "__main__": 9,
}
STRANGERS = {("models", "envs"), ("datasets", "models"), ("datasets", "nn")}
HEAVY = ("lightning", "matplotlib", "tensorboard")
LONGEST = 350  # lines of a file
NOWHERE = ("pytorch_lightning", "datasets", "trainers")  # these names belong to others


def module_of(path: Path, root: Path) -> list[str]:
    """Installed name of a file, in parts: datasets/splits.py is hetgraph.datasets.splits."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    return parts if parts[0] == "hetgraph" else ["hetgraph", *parts]


def imported(path: Path, root: Path) -> set[str]:
    """Absolute names that a file imports, relative imports and ``import_module("...")`` included."""
    names: set[str] = set()
    module = module_of(path, root)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*(module[: -node.level] if node.level else []), *filter(None, [node.module])]
            # `from hetgraph import graph` imports a floor; deeper names are not needed.
            names |= {f"hetgraph.{alias.name}" for alias in node.names} if base == ["hetgraph"] else {".".join(base)}
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                names.add(node.args[0].value)
    return names


def faults(root: Path) -> list[str]:
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            own, where = module_of(path, root)[1], path.relative_to(root)
            if own not in FLOORS:
                found.append(f"{where}: got {own}, expected one of the floors {sorted(FLOORS)}")
                continue
            found += [
                f"{where}: {own} imports {name}" for name in sorted(imported(path, root)) if not allowed(own, name)
            ]
    return found


def allowed(own: str, name: str) -> bool:
    """Whether a file of floor `own` may import `name`."""
    top, *rest = name.split(".")
    if top in NOWHERE or (top in HEAVY and own not in ("datasets", "trainers")):
        return False
    if top != "hetgraph" or not rest or rest[0] in (own, "__version__"):
        return True
    if own == "__init__" and name == "hetgraph.models.checkpoint":
        return True  # hetgraph.load; that importing hetgraph stays light has a test of its own
    return rest[0] in FLOORS and FLOORS[rest[0]] < FLOORS[own] and (own, rest[0]) not in STRANGERS


def plant(root: Path, file: str, text: str) -> None:
    for folder in FOLDERS:
        (root / folder).mkdir()
    path = root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")


def test_imports_go_downwards() -> None:
    assert faults(ROOT) == []


def test_the_files_are_found() -> None:
    seen = {module_of(path, ROOT)[1] for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert {"__init__", "units", "channel", "graph", "radio", "solvers", "nn", "models", "datasets", "trainers"} <= seen


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("hetgraph/graph/bad.py", "from hetgraph.solvers import wmmse"),
        ("hetgraph/graph/bad.py", "import hetgraph.models.hetgnn"),
        ("hetgraph/graph/bad.py", "from hetgraph import trainers"),
        ("hetgraph/graph/bad.py", "from ..models import HetGNN"),
        ("hetgraph/graph/bad.py", "from .. import solvers"),
        ("hetgraph/graph/__init__.py", "from ..radio import evaluate"),
        ("hetgraph/graph/bad.py", "def f():\n    import lightning.pytorch as L"),
        ("hetgraph/graph/bad.py", "import importlib\nimportlib.import_module('hetgraph.trainers.cli')"),
        ("hetgraph/graph/bad.py", "import datasets"),
        ("hetgraph/graph/bad.py", "import hetgraph.attic"),
        ("hetgraph/attic/bad.py", "import torch"),
        ("hetgraph/__init__.py", "from hetgraph.graph import check"),
        ("hetgraph/units.py", "from .channel import noise"),
        ("hetgraph/envs/bad.py", "from hetgraph.models import HetGNN"),
        ("hetgraph/models/bad.py", "from hetgraph.envs import CellEnv"),
        ("hetgraph/nn/bad.py", "import hetgraph.envs"),
        ("datasets/bad.py", "from ..trainers import cli"),
        ("datasets/bad.py", "from hetgraph.models import HetGNN"),
        ("trainers/bad.py", "import pytorch_lightning"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, text: str) -> None:
    plant(tmp_path, file, text)
    assert len(faults(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "hetgraph/graph/good.py",
            "from hetgraph.channel import pathloss_db\nfrom . import schema\nfrom .. import units",
        ),
        ("hetgraph/graph/__init__.py", "from .check import check\nfrom hetgraph import __version__"),
        ("datasets/good.py", "import lightning\nfrom hetgraph.solvers import wmmse"),
        ("trainers/good.py", "from hetgraph.datasets import splits\nfrom hetgraph import models"),
    ],
)
def test_downward_imports_pass(tmp_path: Path, file: str, text: str) -> None:
    plant(tmp_path, file, text)
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("import hetgraph", ("torch", "hetgraph.datasets", "hetgraph.trainers", *HEAVY)),
        ("import hetgraph.models, hetgraph.solvers", ("hetgraph.datasets", "hetgraph.trainers", *HEAVY)),
        ("import hetgraph.trainers.cli", ("torch", *HEAVY)),
        ("from hetgraph.trainers.commands import models; models.run([]); models.run(['grows'])", ("torch", *HEAVY)),
        (
            "from hetgraph.trainers.commands import compare; compare.foreign_options(compare.task_of('iot'))",
            ("scipy.stats", *HEAVY),  # of all tasks
        ),
    ],
)
def test_imports_stay_light(text: str, absent: tuple[str, ...]) -> None:
    code = f"import sys; {text}; print([m for m in sys.argv[1:] if m in sys.modules])"
    command = [sys.executable, "-W", "ignore", "-c", code, *absent]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["datasets", "trainers"])
def test_the_folders_refuse_their_top_level_names(name: str) -> None:
    out = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode != 0
    assert f"expected hetgraph.{name}" in out.stderr


def modules(root: Path) -> dict[str, Path]:
    """Files by the name under which they are installed; a package is its ``__init__``."""
    files = {tuple(module_of(path, root)): path for folder in FOLDERS for path in (root / folder).rglob("*.py")}
    return {".".join(name[:-1] if name[-1] == "__init__" else name): path for name, path in files.items()}


def circles(root: Path) -> list[list[str]]:
    """Groups of files that import each other, whether at the top, inside a function or for types only."""
    files, graph = modules(root), networkx.DiGraph()
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *filter(None, [node.module])])
                names = [f"{base}.{alias.name}" for alias in node.names]
                targets = [name if name in files else base for name in names]
            else:
                continue
            graph.add_edges_from((module, target) for target in targets if target in files)
    return sorted(sorted(group) for group in networkx.strongly_connected_components(graph) if len(group) > 1)


def test_no_circle_of_imports() -> None:
    assert circles(ROOT) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    from hetgraph.graph import two",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .two import B",
        "import hetgraph.graph.two",
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, text: str) -> None:
    plant(tmp_path, "hetgraph/graph/one.py", text)
    (tmp_path / "hetgraph/graph/two.py").write_text("from hetgraph.graph.one import A\n")
    assert circles(tmp_path) == [["hetgraph.graph.one", "hetgraph.graph.two"]]


def too_long(root: Path) -> list[str]:
    """Python files of the project that have more than `LONGEST` lines."""
    folders = (*FOLDERS, "benchmarks", "docs", "examples", "tests")
    files = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    sizes = [(path.relative_to(root), len(path.read_text().splitlines())) for path in files]
    return [f"{path}: got {lines} lines, expected at most {LONGEST}" for path, lines in sizes if lines > LONGEST]


def test_no_file_is_too_long() -> None:
    assert too_long(ROOT) == []


def test_a_long_file_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "hetgraph/graph/long.py", "\n" * 349 + "x = 1")
    assert too_long(tmp_path) == []
    folder = tmp_path / "tests" / "envs"
    folder.mkdir(parents=True)
    (folder / "test_long.py").write_text("x = 1\n" * 351)
    assert too_long(tmp_path) == ["tests/envs/test_long.py: got 351 lines, expected at most 350"]
