"""The README: its python runs, its commands are understood, what it links to is there, and it stays short."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
LINES = 250
# Sizes that take seconds, and data of our own in place of what has to be downloaded.
SMALLER = {
    "sample(8, seed=1)": "sample(1, seed=1)",
    "layouts=4)": "layouts=2)",
    "episode_slots=500)": "episode_slots=10)",
    "num_envs=500": "num_envs=20",
    'HandoverEnv("handover-full", num_envs=2': 'HandoverEnv("handover-full", num_envs=1, steps=3',
    "episode_slots=100)": "episode_slots=3)",
    'LTETraceDataset("traces/", generation="5G"': 'LTETraceDataset("drives/", cells=3, users=5',
    "networks=16, steps=50": "networks=2, steps=5",
    'DeepMIMODataset("deepmimo_scenarios/city_0/", users=100)': 'DeepMIMODataset("town/", users=3)',
}


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_it_stays_short() -> None:
    assert len(README.read_text().splitlines()) <= LINES


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", README.read_text())
    assert links and [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("number", range(len(python_blocks())))
@pytest.mark.filterwarnings("ignore:.*(rows of drive tests|rows kept).*")
def test_its_python_runs(number: int, drives: Path, town: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``drives`` and ``town`` are folders in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    text = python_blocks()[number]
    for given, smaller in SMALLER.items():
        text = text.replace(given, smaller)
    space: dict[str, Any] = {"__name__": "page"}
    exec(compile(text, f"README.md, block {number}", "exec"), space)
    assert set(space) > {"__name__", "__builtins__"}


def test_its_commands_are_understood(runner: Any) -> None:
    """Those of the table and of the blocks, where they are whole."""
    text = README.read_text()
    blocks = "\n".join(re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    table = [" ".join(part.split()) for cell in re.findall(r"`(hetgraph [^`]+)`", text) for part in cell.split(";")]
    seen = set()
    for name, *arguments in runner.commands("\n".join([blocks, *(each for each in table if "..." not in each)])):
        if name != "hetgraph" or arguments[:1] in ([], ["--help"]) or arguments[-1] == "--help":
            continue
        if arguments[0] in ("fit", "validate", "test", "demo") or "[" in " ".join(arguments) or "TASK" in arguments:
            continue
        seen.add(arguments[0])
        runner.understood(arguments)
    assert {"compare", "finetune", "report", "doctor", "reproduce"} <= seen
