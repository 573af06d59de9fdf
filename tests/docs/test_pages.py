"""Pages of the documentation: their python runs, their commands are understood and run, and the site is built without a warning."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MADE = {"RESULTS.md", "api/schema.md"}  # by docs/site_hooks.py
TESTED = ("questions.md", "ten-minutes.md")  # by tests of their own
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.name not in TESTED)
PYTHON = [page for page in PAGES if "```python" in (DOCS / page).read_text()]
COMMANDS = [page for page in PAGES if "```bash" in (DOCS / page).read_text()]
SHIPPED = ("index.md", "getting-started.md", *(f"{folder}/" for folder in ("tasks", "papers", "howto", "api")))


def test_every_page_of_the_library_is_in_the_site() -> None:
    def leaves(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [leaf for each in (entry.values() if isinstance(entry, dict) else entry) for leaf in leaves(each)]

    nav = leaves(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=yaml.BaseLoader)["nav"])
    written = set(nav) - MADE
    assert written >= {page for page in PAGES if page.startswith(SHIPPED)}
    assert all((DOCS / page).is_file() for page in written)
    assert {page for page in nav if page.startswith("api/")} == {
        f"api/{name}.md"
        for name in (
            "index",
            "schema",
            "graph",
            "channel",
            "radio",
            "solvers",
            "envs",
            "nn",
            "models",
            "datasets",
            "trainers",
        )
    }


@pytest.mark.parametrize("page", PYTHON)
def test_the_python_of_a_page_runs(page: str, runner: Any) -> None:
    runner.checkpoints([(DOCS / page).read_text()])
    space: dict[str, Any] = {"__name__": "page"}
    for block in runner.blocks(DOCS / page):
        if block.language == "python":
            exec(compile(block.text, page, "exec"), space)


@pytest.mark.parametrize("page", COMMANDS)
def test_the_commands_of_a_page_are_understood(page: str, runner: Any) -> None:
    scripts = [block.text for block in runner.blocks(DOCS / page) if block.language == "bash"]
    assert scripts
    for script in scripts:
        for name, *arguments in runner.commands(script):
            if (
                name == "hetgraph"
                and arguments[0] not in ("fit", "validate", "test", "demo")
                and "--help" not in arguments
            ):
                runner.understood(arguments)


@pytest.mark.all
@pytest.mark.parametrize("page", COMMANDS)
@pytest.mark.filterwarnings("ignore:.*(by default|not used|networks of training).*")
def test_a_page_runs_from_top_to_bottom(page: str, runner: Any) -> None:
    assert runner.run_page(DOCS / page) > 0


@pytest.mark.all
@pytest.mark.skipif(shutil.which("mkdocs") is None, reason="pip install '.[docs]'")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    links = ROOT / "build/types/hetgraph"
    if not links.is_dir():
        pytest.skip("no links of the package's layout: `make docs` makes them")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site/api/datasets/index.html").read_text()
    assert "SnapshotDataset" in page and ":class:" not in page
    assert (tmp_path / "site/results/hetgnn/index.html").is_file()
    assert "rb_power_max_w" in (tmp_path / "site/api/schema/index.html").read_text()
