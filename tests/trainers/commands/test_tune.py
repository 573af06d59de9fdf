"""``hetgraph tune``: the best of some checkpoints with tuned numbers, and what is refused."""

from pathlib import Path

import pytest
import torch

import hetgraph
from hetgraph.envs import HandoverTrafficEnv
from hetgraph.models import HetGNN, OffsetQMIX, save
from hetgraph.models.weights import read_weights
from hetgraph.trainers import OffsetQMIXModule
from hetgraph.trainers.cli import main
from hetgraph.trainers.common.modules import loaded

SMALL = ("--scenario", "handover-traffic:cells=5,users=20", "--layouts", "2", "--slots", "6", "--draws", "4")


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[Path]:
    """Two untrained models whose margin no search would choose."""
    paths = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = OffsetQMIX(8, hops=seed, margin_db=0.25)
        training = {"options": {"margin_db": 0.25, "lr": 0.1}, "data": {"seed": seed}}
        paths.append(save(model, tmp_path / f"{seed}.ckpt", training=training))
    return paths


def command(*arguments: str) -> int:
    """Exit code."""
    with pytest.raises(SystemExit) as end:
        main(["tune", *arguments])
    return int(str(end.value.code))


def test_the_best_checkpoint_keeps_its_weights_and_gets_numbers(
    checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command("--ckpt", ",".join(map(str, checkpoints)), *SMALL, "--out", str(out)) == 0
    text = capsys.readouterr().out
    cost = {path: float(text.split(f"{path}: ")[1].split("cost ")[1].split()[0]) for path in checkpoints}
    best = min(cost, key=lambda path: cost[path])
    assert f"weights of {best}" in text
    model, (header, tensors) = hetgraph.load(out / "best.ckpt"), read_weights(out / "best.ckpt")
    before, weights = read_weights(best)
    assert model.margin_db >= 1.0 and header.options == before.options | {
        "softness": model.softness,
        "margin_db": model.margin_db,
    }
    assert header.training["data"] == before.training["data"]
    assert header.training["options"] == {**header.options, "lr": 0.1}
    assert tensors.keys() == weights.keys() and all(torch.equal(tensors[name], weights[name]) for name in tensors)
    assert command("--ckpt", str(best), *SMALL, "--out", str(out)) == 2
    assert "where a run has left its results" in capsys.readouterr().err


def test_several_checkpoints_are_one_whose_values_are_means(checkpoints: list[Path], tmp_path: Path) -> None:
    first = hetgraph.load(checkpoints[1])
    torch.manual_seed(7)
    second = OffsetQMIX(8, hops=1, mixing="vdn")
    first.spread.fill_(0.5)
    second.spread.fill_(0.25)
    training = {"options": {"lr": 0.1}, "data": {}}
    paths = [tmp_path / name for name in ("one.ckpt", "two.ckpt")]
    state = {
        f"{prefix}{name}": value for prefix in ("model.", "target.model.") for name, value in first.state_dict().items()
    }
    save(first, paths[0], state=state | {"draws": torch.tensor(3)}, training=training)
    save(second, paths[1], training=training)
    out = tmp_path / "out"
    assert command("--ckpt", ",".join(map(str, paths)), "--together", *SMALL, "--out", str(out)) == 0
    both, (header, tensors) = hetgraph.load(out / "best.ckpt"), read_weights(out / "best.ckpt")
    obs = HandoverTrafficEnv("handover-traffic:cells=5,users=20", 2, steps=4).observe("neighbourhood")
    with torch.no_grad():
        one, two, mean = (model.eval()(obs).value for model in (first, second, both))
    torch.testing.assert_close(mean, (one + 2 * two) / 2)
    assert int(tensors["draws"]) == 3 and header.options["members"] == header.training["options"]["members"] == 2
    module = loaded(OffsetQMIXModule(**header.training["options"]), tensors)
    with torch.no_grad():
        torch.testing.assert_close(module.model(obs).value, mean)
        torch.testing.assert_close(module.target_model(obs).value, mean)


def test_help_is_there_without_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--help") == 0
    assert "--draws" in capsys.readouterr().out


def test_what_cannot_be_tuned_is_refused(
    checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save(HetGNN(hidden=8, rounds=1), tmp_path / "other.ckpt")
    cases = {
        (str(other),): "--ckpt: got a model of task snapshot, expected one of handover-traffic",
        (f"{checkpoints[0]},{other}",): f"--ckpt: got {other} of task snapshot beside one of handover-traffic",
        (",",): "--ckpt: got ',', expected a checkpoint",
        (f"{checkpoints[0]},{checkpoints[0]}",): f"--ckpt: got {checkpoints[0]} twice, expected each checkpoint once",
        (str(checkpoints[0]), "--together"): "--together: got 1 checkpoint, expected at least 2",
        (
            ",".join(map(str, checkpoints)),
            "--together",
        ): "together: got networks of [[8, 1, 0, 1], [8, 1, 1, 1]], expected one shape",
        (str(checkpoints[0]), "--draws", "1"): "--draws: got 1, expected at least 2",
        (str(tmp_path / "none.ckpt"),): "none.ckpt: got no such file",
    }
    for arguments, message in cases.items():
        assert command("--ckpt", *arguments) == 2
        assert message in capsys.readouterr().err
