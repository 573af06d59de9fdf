"""What tells others of the project: version, citation, links, and the Python versions that it claims."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

import hetgraph

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/hetgraph/hetgraph"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project: dict[str, Any] = settings["project"]
    assert settings["tool"]["setuptools"]["dynamic"] == {"version": {"attr": "hetgraph.__version__"}}
    return project


def test_the_version_stands_in_one_place(project: dict[str, Any]) -> None:
    assert project["dynamic"] == ["version"] and "version" not in project
    assert str(Version(hetgraph.__version__)) == hetgraph.__version__


def test_the_citation_is_of_this_project_and_version(project: dict[str, Any]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["version"] == hetgraph.__version__
    assert citation["title"] == f"{project['name']}: {project['description']}"
    assert citation["license"] == project["license"] and citation["repository-code"] == REPOSITORY
    assert [each["name"] for each in citation["authors"]] == [each["name"] for each in project["authors"]]
    assert citation["keywords"] == project["keywords"] and citation["message"]


def test_links_are_those_of_the_repository(project: dict[str, Any]) -> None:
    assert project["urls"]["Homepage"] == REPOSITORY
    for name in ("Documentation", "Changelog"):
        path = project["urls"][name].removeprefix(REPOSITORY).split("/main/")[1]
        assert (ROOT / path).exists()


def test_only_versions_of_python_that_ran_are_claimed(project: dict[str, Any]) -> None:
    claimed = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert claimed == ["3.11"] and project["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_links_within_pages_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", text)
    assert targets and [target for target in targets if not (ROOT / target).exists()] == []


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "hetgraph", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"hetgraph {hetgraph.__version__}\n"
