"""A task from outside the package, registered as an installed one would be: fit, compare, predict, finetune, report."""

import csv
import tomllib
from pathlib import Path

import pytest

from hetgraph.trainers.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_system"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of packages that holds the example as if it were installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "own_system").symlink_to(EXAMPLE / "own_system")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = folder / f"own_system-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: own-system\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in table.items())
        for group, table in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return folder


def hetgraph(*arguments: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == 0


def test_the_example_of_a_task_of_ones_own(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    tiny = ("--data.init_args.train", "40", "--data.init_args.val", "4", "--trainer.max_epochs", "3")
    hetgraph("fit", str(EXAMPLE / "powers.yaml"), *tiny, "--model.init_args.lr", "0.02")
    policies = "full_power,silence_weak,wmmse,runs/powers/best.ckpt"
    hetgraph("compare", "powers", "--layouts", "6", "--policies", policies, "--out", "out")
    rows = {row["policy"]: row for row in csv.DictReader((tmp_path / "out/results.csv").read_text().splitlines())}
    assert list(rows) == ["full_power", "silence_weak", "wmmse", "powers/best"]
    rate = {name: float(row["sum_rate_bps"]) for name, row in rows.items()}
    assert rate["full_power"] < rate["powers/best"] and rate["full_power"] < rate["wmmse"]
    assert (tmp_path / "out/differences.png").exists()
    hetgraph("report", "out")
    assert "sum rate" in (tmp_path / "out/report.html").read_text()
    hetgraph("predict", "--ckpt", "runs/powers/best.ckpt", "--out", "decided")
    cells = list(csv.DictReader((tmp_path / "decided/cells.csv").read_text().splitlines()))
    assert len(cells) == 20 and all(float(cell["power_w"]) > 0 for cell in cells)
    again = ("--scenario", "interference-k:pairs=8", "--epochs", "1", "--batches", "2", "--layouts", "2", "--size", "2")
    hetgraph("finetune", "--ckpt", "runs/powers/best.ckpt", *again, "--out", "tuned")
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("before", "after", "from scratch", "full_power"))
