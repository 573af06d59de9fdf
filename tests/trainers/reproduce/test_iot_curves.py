"""Figures 8 to 10 and imperfect cancellation: what is derived from trials, and sections without any training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.reproduce import iot_curves
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.iot import PAPER
from hetgraph.trainers.reproduce.section import Table


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A quick bench without any training."""
    return Bench({run.name: run for run in PAPER.runs}, tmp_path, tmp_path / "figures", "name", frozenset(), True)


def column(table: Table, key: str) -> dict[str, float]:
    """Estimates of a column by row."""
    cells = {row.name: row.values[key] for row in table.rows}
    return {name: cell.value for name, cell in cells.items() if isinstance(cell, Interval)}


def test_rates_of_a_user_and_of_a_hertz_and_the_variance_of_returns() -> None:
    rng = np.random.default_rng(0)
    served, returned = torch.from_numpy(rng.uniform(1e6, 2e6, (3, 7))), torch.from_numpy(rng.normal(5.0, 2.0, (3, 7)))
    trial = Trial({"agents": {"throughput_bps": served, "return": returned}}, {})
    values = iot_curves.with_rates(trial, "iot-noma:users=20,small_cells=3,subchannels=10,bandwidth_mhz=5").values[
        "agents"
    ]
    torch.testing.assert_close(values["mean_rate_bps"], served / 20)
    torch.testing.assert_close(values["spectral_efficiency"], served / (4 * 5e6))
    expected = returned.numpy().var(axis=1, ddof=1)
    np.testing.assert_allclose(values["return_variance"].mean(1).numpy(), expected, rtol=1e-12)


def test_disturbance_shows_what_the_figure_has(bench: Bench) -> None:
    section = iot_curves.disturbance(bench)
    assert len(section.tables) == 2
    for table in section.tables:
        assert {"throughput_std_bps", "return_variance"} <= {shown.key for shown in table.columns}
        assert "nan" not in table.markdown()
    assert list((bench.figures).glob("name*"))


def test_what_remains_of_a_cancelled_layer_costs_throughput(bench: Bench) -> None:
    """The strong rule superposes users, so that its throughput falls; a cluster of one user has nothing to cancel."""
    ideal, imperfect, alone = iot_curves.cancellation(bench).tables
    key, rule = "throughput_bps", iot_curves.STRONG
    assert column(imperfect, key)[rule] < column(ideal, key)[rule]
    assert alone.title.startswith("one user on a subchannel")
