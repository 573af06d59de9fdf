"""The twelve questions: all are there, each with something to type and a page that says more, and what is to be typed works."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/questions.md"
TOPICS = (
    "install", "without training", "own sites", "rule of my own", "model of my own", "Stable-Baselines3", "resume",
    "several machines", "sweep", "report", "deploy", "cite",
)  # fmt: skip
LONGEST = 60  # lines of an answer


def answers() -> dict[str, str]:
    """Text of each answer by its question."""
    parts = re.split(r"^## \d+\. (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_all_twelve_are_answered() -> None:
    questions = list(answers())
    assert len(questions) == 12
    for topic, question in zip(TOPICS, questions, strict=True):
        assert topic in question, f"got {question!r}, expected the question of {topic!r}"


@pytest.mark.parametrize("number", range(12))
def test_an_answer_is_short_and_says_what_to_type_and_where_more_is(number: int) -> None:
    text = list(answers().values())[number]
    assert len(text.splitlines()) <= LONGEST and "```" in text
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links and all((PAGE.parent / link).is_file() for link in links), links
    assert "More:" in text


def test_the_python_runs(runner: Any) -> None:
    runner.checkpoints([PAGE.read_text()])
    space: dict[str, Any] = {"__name__": "page"}
    for block in runner.blocks(PAGE):
        if block.language == "python":
            exec(compile(block.text, str(PAGE), "exec"), space)


def test_the_commands_are_understood(runner: Any) -> None:
    seen = set()
    for block in runner.blocks(PAGE):
        if block.language == "bash":
            calls = runner.commands(block.text)
            assert calls, block.text
            for name, *arguments in calls:
                seen.add(arguments[0])
                if name == "hetgraph" and arguments[0] != "fit":  # these need Lightning, see the next test
                    runner.understood(arguments)
    assert seen == {"install", "doctor", "compare", "models", "plan", "predict", "fit", "report", "--version"}


@pytest.mark.all
@pytest.mark.filterwarnings("ignore:.*(by default|not used).*")
def test_the_commands_run(runner: Any) -> None:
    assert runner.run_page(PAGE) > 0
