"""Parts of an operator's export in all tasks: `compare`, `plan` and `finetune` with a technology, an operator and a window."""

import csv
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hetgraph.models import save
from hetgraph.trainers.arrivals.double_dqn import DoubleDQN
from hetgraph.trainers.cli import main
from hetgraph.trainers.common.modules import model_of
from hetgraph.trainers.handover.qmix import QMIX
from hetgraph.trainers.iot.maddqn import MADDQNDMADDPG
from hetgraph.trainers.queues.mappo import MAPPOModule
from hetgraph.trainers.snapshot.supervised import SupervisedModule

LAT, LON = 48.1, 11.5
WINDOW = f"{LON - 0.001},{LAT - 0.001},{LON + 0.0205},{LAT + 0.011}"
WHERE = ("--sites", "sites.csv", "--radio", "LTE", "--operator", "262-1", "--window", WINDOW)
WITH_USERS = (*WHERE, "--users", "users.csv")
SHORT = {
    "snapshot": (),
    "queues": ("--slots", "3", "--load", "5"),
    "arrivals": (),
    "handover": ("--slots", "3"),
    "iot": ("--slots", "2"),
}
RULES = {
    "snapshot": "max_rsrp",
    "queues": "lqf_best",
    "arrivals": "best_rate",
    "handover": "max_rsrp",
    "iot": "wmmse_max_rsrp",
}
INSIDE = [f"c{i}" for i in range(6)]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


MODULES: dict[str, Callable[[], Any]] = {
    "snapshot": lambda: SupervisedModule(hidden=8),
    "queues": lambda: MAPPOModule(hidden=8),
    "arrivals": lambda: DoubleDQN(widths=[8, 8], features="full"),
    "handover": lambda: QMIX(hidden=8),
    "iot": lambda: MADDQNDMADDPG(hidden=8),
}


SIZES: dict[str, dict[str, int]] = {  # of training, small
    "queues": {"num_envs": 2, "slots": 4, "val_slots": 8, "val_envs": 1},
    "iot": {"num_envs": 2, "batch_size": 2, "least": 4, "episode_slots": 8, "eval_slots": 4, "val_envs": 1},
}


def untrained(task: str, path: str) -> None:
    """Checkpoint of a small module before its first step."""
    torch.manual_seed(0)
    module = MODULES[task]()
    options = {name: value for name, value in dict(module.hparams).items() if not name.startswith("_")}
    training = {"module": type(module).__name__, "options": options, "data": SIZES.get(task, {})}
    save(model_of(module), path, state=module.state_dict(), training=training)


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six cells in the window; two around it; one of another operator and one of another technology within; users in and out."""
    monkeypatch.chdir(tmp_path)
    rows = [f"c{3 * i + j},LTE,262,1,{LAT + 0.01 * i},{LON + 0.01 * j},{50 + i}" for i in range(2) for j in range(3)]
    rows.insert(2, f"far0,LTE,262,1,{LAT},{LON + 0.03},80")
    rows.insert(5, f"far1,LTE,262,1,{LAT + 0.02},{LON},40")
    rows += [f"other,LTE,262,2,{LAT},{LON + 0.001},90", f"old,GSM,262,1,{LAT},{LON + 0.002},90"]
    (tmp_path / "sites.csv").write_text("\n".join(["cell,radio,mcc,net,lat,lon,prb_util", *rows]) + "\n")
    people = [(f"u{i}", LAT + 0.001 * i, LON + 0.0019 * i) for i in range(9)] + [("away", LAT, LON + 0.04)]
    lines = [f"{name},{lat},{lon}" for name, lat, lon in people]
    (tmp_path / "users.csv").write_text("\n".join(["id,lat,lon", *lines]) + "\n")
    return tmp_path


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == code


def column(path: str, name: str) -> list[str]:
    return [row[name] for row in csv.DictReader(Path(path).read_text().splitlines())]


@pytest.mark.parametrize("task", SHORT)
def test_compare_and_plan_know_the_cells_and_users_of_the_window_alone(export: Path, task: str) -> None:
    rule = RULES[task]
    run("compare", task, *WITH_USERS, *SHORT[task], "--policies", rule, "--layouts", "1", "--no-figures", "--out", "a")
    assert column("a/cells.csv", "cell") == INSIDE
    run(
        "plan",
        task,
        *WITH_USERS,
        *SHORT[task],
        "--policy",
        rule,
        "--draws",
        "2",
        "--no-figures",
        "--far-cells",
        "--out",
        "b",
    )
    assert column("b/cells.csv", "cell") == INSIDE
    if task != "arrivals":
        assert column("b/users.csv", "user") == [f"u{i}" for i in range(9)]
    features = json.loads(Path("b/plan.geojson").read_text())["features"]
    places = {each["properties"]["cell"]: each["geometry"]["coordinates"] for each in features[:6]}
    assert places["c4"] == [LON + 0.01, LAT + 0.01]


@pytest.mark.parametrize("task", ["snapshot", *(pytest.param(t, marks=pytest.mark.all) for t in tuple(SHORT)[1:])])
def test_finetune_goes_to_the_window(export: Path, task: str) -> None:
    untrained(task, "untrained.ckpt")
    short = ("--epochs", "1", "--batches", "1", "--no-scratch", "--no-figures", "--layouts", "1", *SHORT[task])
    more = ("--start-load",) if task == "arrivals" else ()
    run("finetune", "--ckpt", "untrained.ckpt", *WITH_USERS, *short, "--far-cells", *more, "--out", "tuned")
    assert column("tuned/cells.csv", "cell") == INSIDE
    assert {"before", "after"} <= set(column("tuned/results.csv", "policy")) and Path("tuned/best.ckpt").exists()


def test_far_cells_lower_what_users_receive(export: Path) -> None:
    rates = []
    for name, more in (("a", ()), ("b", ("--far-cells",))):
        run("compare", *WITH_USERS, "--policies", "max_rsrp", "--layouts", "2", "--no-figures", *more, "--out", name)
        rates.append([float(value) for value in column(f"{name}/users.csv", "rate_bps")])
    assert all(far < near for near, far in zip(*rates, strict=True))


def test_users_of_a_map_and_loads_at_the_start(export: Path) -> None:
    corner = f"{LON},{LAT}".split(",")
    Path("map.asc").write_text(f"ncols 2\nnrows 1\nxllcorner {corner[0]}\nyllcorner {corner[1]}\ncellsize 0.01\n1 3\n")
    options = ("--user-density", "map.asc", "--num-users", "11", "--layouts", "2", "--no-figures")
    run("compare", *WHERE, "--policies", "max_rsrp", *options, "--out", "a")
    assert len(column("a/users.csv", "user")) == 11 and column("a/cells.csv", "cell") == INSIDE
    users = []
    for name, more in (("b", ()), ("c", ("--start-load",))):
        run("compare", "arrivals", *WHERE, "--policies", "best_rate", *options, *more, "--out", name)
        users.append(sum(float(value) for value in column(f"{name}/cells.csv", "users")))
    assert users[1] > users[0] + 6, "six cells at 50% of their nine blocks"


def test_mistakes(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("away.csv").write_text("lat,lon,users\n10,10,1\n")
    for arguments, message in (
        (
            ("--sites", "sites.csv", "--far-cells"),
            "far_cells: got no window, expected one around which there are cells",
        ),
        (("--far-cells",), "--far-cells: got True without --sites, expected both"),
        (("--user-density", "away.csv"), "--user-density: got 'away.csv' without --sites, expected both"),
        ((*WHERE, "--user-density", "away.csv"), "away.csv: got no weight near the cells"),
        (
            (*WITH_USERS, "--user-density", "away.csv"),
            "density: got away.csv beside a file of users, expected one of both",
        ),
        ((*WHERE, "--num-users", "0"), "--num-users: got 0, expected at least 1"),
        (
            (*WITH_USERS, "--start-load"),
            "--start-load: got an option of task arrivals, expected one of compare snapshot",
        ),
    ):
        with warnings.catch_warnings(action="ignore"):
            run("compare", *arguments, "--policies", "max_rsrp", "--out", "out", code=2)
        errors = capsys.readouterr().err
        assert message in errors, errors
