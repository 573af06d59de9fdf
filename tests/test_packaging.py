"""The list of packages equals the tree; wheel and editable install carry what they should under the right names."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import hetgraph
from hetgraph.weights.shipped import CARD, WEIGHTS, shipped_names

ROOT = Path(__file__).parents[1]
FOLDERS = ("hetgraph", "datasets", "trainers")
MOST_BYTES = 6_000_000  # of a wheel
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2])"


def installed_name(path: Path, root: Path = ROOT) -> str:
    """Where a file of the tree lies in an installation."""
    name = path.relative_to(root).as_posix()
    return name if name.startswith("hetgraph/") else f"hetgraph/{name}"


def in_tree() -> set[str]:
    inits = [init for folder in FOLDERS for init in (ROOT / folder).rglob("__init__.py")]
    return {installed_name(init.parent / "x").removesuffix("/x").replace("/", ".") for init in inits}


def listed() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(settings["tool"]["setuptools"]["packages"])


def build(kind: str, tree: Path, out: Path) -> Path:
    """Build `kind` from a copy of the tree: what earlier builds left in it stays out."""
    out.mkdir()
    done = subprocess.run([sys.executable, "-c", BUILD, kind, str(out)], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("source") / "project"
    copy.mkdir()
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_listed_packages_are_those_of_the_tree() -> None:
    assert listed() == in_tree()


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_the_wheel_holds_the_tree_and_nothing_else(tree: Path, tmp_path: Path) -> None:
    wheel = build("wheel", tree, tmp_path / "out")
    assert wheel.name.startswith(f"hetgraph-{hetgraph.__version__}-") and wheel.stat().st_size < MOST_BYTES
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for folder in FOLDERS for path in (tree / folder).rglob("*")]
    expected = {
        installed_name(path, tree)
        for path in files
        if path.suffix in (".py", ".yaml", ".typed", ".safetensors", ".json")
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {"hetgraph/trainers/cli.py", "hetgraph/trainers/configs/hetgnn.yaml", "hetgraph/py.typed"} <= names
    assert {f"hetgraph/weights/{name}{end}" for name in shipped_names() for end in (WEIGHTS, CARD)} <= names


def test_an_editable_install_finds_every_package_in_the_tree(tree: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(build("editable", tree, tmp_path / "out")).extractall(site)
    # -S: nothing but this install is on the path. Packages are located, not run: their dependencies are not there.
    code = """
import sys, site
site.addsitedir(sys.argv[1])
import hetgraph
print(hetgraph.__file__)
for name in sys.argv[2:]:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, hetgraph.__path__)
        if spec:
            print(name, spec.origin)
            break
"""
    names = sorted(name for name in listed() if name.count(".") == 1)
    command = [sys.executable, "-I", "-S", "-c", code, str(site), *names]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    first, *rest = out.stdout.splitlines()
    assert Path(first) == tree / "hetgraph" / "__init__.py"
    mapped = {"hetgraph.datasets": tree / "datasets", "hetgraph.trainers": tree / "trainers"}
    expected = {name: mapped.get(name, tree / name.replace(".", "/")) / "__init__.py" for name in names}
    assert {line.split()[0]: Path(line.split()[1]) for line in rest} == expected


@pytest.mark.parametrize("name", ["datasets", "trainers"])
def test_an_editable_install_offers_no_top_level_name(tree: Path, tmp_path: Path, name: str) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(build("editable", tree, tmp_path / "out")).extractall(site)
    code = "import site, sys; site.addsitedir(sys.argv[1]); import importlib.util as u; print(u.find_spec(sys.argv[2]))"
    command = [sys.executable, "-I", "-S", "-c", code, str(site), name]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert out.stdout.strip() == "None"
