"""Optional packages: each is of an extra of the project, and where it is missing one sentence says which."""

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hetgraph.envs import to_gymnasium, to_pettingzoo
from hetgraph.extras import EXTRAS, advice, present, require

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize("package", EXTRAS)
def test_the_extra_that_is_named_installs_the_package(package: str) -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert package.replace("_", "-") in [Requirement(each).name for each in extras[EXTRAS[package]]]
    assert advice(package) == f"pip install 'hetgraph[{EXTRAS[package]}]'"


def test_a_package_that_is_there_is_imported() -> None:
    import gymnasium

    assert present("gymnasium") and require("gymnasium", "this test") is gymnasium


def test_one_that_is_missing_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not present("matplotlib")
    with pytest.raises(
        ValueError, match=r"^figures: got no matplotlib, expected it; pip install 'hetgraph\[report\]'$"
    ):
        require("matplotlib", "figures")


def test_one_that_is_broken_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorboard.py").write_text("import no_such_part_of_it\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorboard", raising=False)
    with pytest.raises(ValueError, match=r"got a tensorboard that cannot be imported \(No module named 'no_such_part"):
        require("tensorboard", "trainer.logger")


@pytest.mark.parametrize(("package", "adapt"), [("gymnasium", to_gymnasium), ("pettingzoo", to_pettingzoo)])
def test_adapters_ask_first(package: str, adapt: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is not looked at: here there is none."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ValueError, match=rf"^to_{package}: got no {package}, expected it; pip install 'hetgraph\[env\]'$"
    ):
        adapt(None)  # type: ignore[operator]
