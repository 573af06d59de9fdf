"""The checks of an installation find what is wrong, and say what hetgraph's own metadata asks for."""

import sys
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace

import pytest

from hetgraph.trainers.cli import main
from hetgraph.trainers.doctor import installation, trials


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Metadata of a distribution that asks for what is there, for what is not, and for what is too old."""
    metadata = Message()
    metadata["Requires-Python"] = ">=3.11"
    metadata["Provides-Extra"] = "hub"
    metadata["Provides-Extra"] = "small"
    requires = [
        "numpy>=2",
        "scipy<0.1",
        "no-such-package>=3; python_version>'3'",
        "other-system; sys_platform=='nowhere'",
        "no-such-hub>=2.40; extra=='hub'",
        "numpy<1; extra=='small'",
        "hetgraph[hub]; extra=='small'",
    ]
    distribution = SimpleNamespace(metadata=metadata, requires=requires)
    monkeypatch.setattr(installation, "distribution", lambda name: distribution)
    yield


@pytest.mark.usefixtures("asked")
def test_versions_are_judged_by_the_metadata() -> None:
    checks = {each.name: each for each in installation.version_checks()}
    assert [*checks] == ["python", "numpy", "scipy", "no-such-package"]  # nothing of another system, nor of an extra
    assert not checks["python"].error and not checks["numpy"].error and checks["numpy"].text.endswith("(>=2)")
    assert checks["scipy"].error.startswith("got 1.") and checks["scipy"].error.endswith("expected <0.1")
    assert checks["no-such-package"].error.startswith("got none, expected version >=3; pip install 'no-such-package")


@pytest.mark.usefixtures("asked")
def test_a_missing_extra_is_no_fault_and_one_of_another_version_is() -> None:
    checks = {each.name: each for each in installation.extra_checks()}
    assert [*checks] == ["[hub]", "[small]"]
    assert not checks["[hub]"].error and "Hugging Face Hub" in checks["[hub]"].text
    assert "not installed (no-such-hub): pip install 'hetgraph[hub]'" in checks["[hub]"].text
    assert checks["[small]"].error.startswith("numpy: got 2") and checks["[small]"].error.endswith("expected <1")


def test_each_extra_of_the_project_says_what_it_is_for() -> None:
    lines = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    part = lines.split("[project.optional-dependencies]")[1].split("[project.scripts]")[0]
    extras = {line.split(" = ")[0] for line in part.splitlines() if " = [" in line}
    assert extras == set(installation.PURPOSES)


def test_a_plugin_that_does_not_load_is_named_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("good", "math:pi", "hetgraph.policies"),
        EntryPoint("bad", "broken_plugin:rule", "hetgraph.policies"),
        EntryPoint("gone", "no_such_module:rule", "hetgraph.tasks"),
        EntryPoint("foreign", "no_such_module:rule", "somebody.else"),
    ]

    def found(group: str | None = None) -> EntryPoints:
        return EntryPoints(point for point in points if group in (None, point.group))

    monkeypatch.setattr(installation, "entry_points", found)
    checks = list(installation.plugin_checks())
    assert [(each.name, each.text) for each in checks if not each.error] == [
        ("hetgraph.policies", "1 of 2 load"),
        ("hetgraph.tasks", "0 of 1 load"),
    ]
    assert [each.error for each in checks if each.error] == [
        "bad: got RuntimeError (no licence) of broken_plugin:rule, expected something that loads",
        "gone: got ModuleNotFoundError (No module named 'no_such_module') of no_such_module:rule, expected something that loads",
    ]


def test_small_runs_pass_and_a_folder_that_is_read_only_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert [(each.name, each.error) for each in trials.trial_checks()] == [
        (name, "") for name in ("sampling", "policies", "training", "files")
    ]
    assert not [*tmp_path.iterdir()]

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hetgraph.files.write_file", full)
    last = list(trials.trial_checks())[-1]
    assert last.error == "got OSError ([Errno 28] No space left on device), expected a run without one"


def test_faults_end_in_code_2_and_none_in_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        installation, "plugin_checks", lambda: [installation.Check("hetgraph.policies", "11 of 11 load")]
    )
    monkeypatch.setattr(trials, "trial_checks", list)
    monkeypatch.setattr(installation, "version_checks", lambda: [installation.Check("torch", "2.13.0 (>=2.11)")])
    for error, code in (("", 0), ("got 1.0, expected >=2.11", 2)):
        if error:
            monkeypatch.setattr(
                installation, "version_checks", lambda error=error: [installation.Check("torch", "1.0", error)]
            )
        with pytest.raises(SystemExit) as done:
            main(["doctor"])
        printed = capsys.readouterr()
        assert done.value.code == code and printed.out.isascii()
        assert printed.err == (f"hetgraph: error: torch: {error}\n" if error else "")
        assert printed.out.endswith("1 faults\n" if error else "everything that was checked works\n")


def test_describing_files_starts_without_lightning() -> None:
    import subprocess

    code = "import sys, hetgraph.trainers.doctor.kinds; sys.exit('lightning' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
