"""Tables of trials, and sections that need no training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.graph import CHANNEL, check, preset
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.trial import trial_of
from hetgraph.trainers.reproduce import grows_elsewhere, hetgnn_extra, iot_parts, mappo_tables, qmix_tables
from hetgraph.trainers.reproduce.bench import Bench, Method
from hetgraph.trainers.reproduce.grows_printed import REJECTIONS, UTILITIES
from hetgraph.trainers.reproduce.hetgnn_dynamic import walk
from hetgraph.trainers.reproduce.learning import soon
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, Room, trial_table

RNG = np.random.default_rng(0)
LOW, GAIN = RNG.normal(1.0, 0.1, (1, 40)), RNG.normal(0.5, 0.05, (5, 40))
VALUES = {"rule": LOW, "best": LOW + 1.0, "agents": LOW + GAIN, "copy": np.repeat(LOW, 5, 0)}
VALUES |= {"untrained": LOW + 2 * GAIN, "untouched": LOW + 2 * GAIN}
TRIAL = trial_of({name: {"utility": values} for name, values in VALUES.items()})
METHODS = {
    "rule": Method([None]),
    "best": Method([None]),
    "agents": Method([None] * 5, "rule + learned", "rule"),
    "copy": Method([None] * 5, "learned from nothing", "rule"),
    "untrained": Method([None] * 5, "untrained weights"),
    "untouched": Method([None] * 5, "learned from nothing", "rule"),
}


def table(**more: object) -> dict[str, dict[str, object]]:
    measures = (Measure("utility"), Measure("utility", "ratio", "rule"), Measure("utility", "difference", "best"))
    shown = trial_table(TRIAL, METHODS, "a title", measures, rooms=(Room("utility", "rule", "best"),), **more)  # type: ignore[arg-type]
    return {row.name: {**row.values, "kind": row.kind, "printed": row.printed} for row in shown.rows}


def test_columns_are_those_of_the_statistics() -> None:
    row = table()["agents"]
    assert row["utility"] == statistics.mean(VALUES["agents"])
    assert row["utility_ratio_rule"] == statistics.ratio(VALUES["agents"], LOW)
    assert row["utility_difference_best"] == statistics.difference(VALUES["agents"], VALUES["best"])
    assert row["share_of_room_best"] == statistics.share(VALUES["agents"], LOW, VALUES["best"]).scaled(100)
    assert row["learning_adds"] == statistics.difference(VALUES["agents"], LOW)


def test_a_learned_row_that_decides_as_a_rule_is_named_so() -> None:
    rows = table()
    assert rows["copy"]["kind"] == "learned from nothing: decides as rule"
    assert rows["agents"]["kind"] == "rule + learned"
    assert rows["rule"]["kind"] == "rule"
    adds = rows["copy"]["learning_adds"]
    assert isinstance(adds, statistics.Interval)
    assert (adds.value, adds.low, adds.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_only_equal_rows_are_called_equal() -> None:
    """Untrained weights have a row of each seed, too: they are what a method decides as where all seeds are."""
    rows = table()
    assert rows["untouched"]["kind"] == "learned from nothing: decides as untrained"
    assert "untrained" not in str(rows["agents"]["kind"])


def test_printed_values_go_to_their_cells() -> None:
    rows = table(printed={("agents", "utility"): 1.7, ("nobody", "utility"): 3.0})
    assert rows["agents"]["printed"] == {"utility": 1.7}
    assert rows["rule"]["printed"] == {}


def test_epochs_to_nine_tenths() -> None:
    assert soon(np.arange(1.0, 6.0), np.array([0.0, 5.0, 8.9, 9.1, 10.0])) == 4
    assert soon(np.arange(1.0, 4.0), np.array([3.0, 1.2, 1.0])) == 2  # a loss that falls
    assert soon(np.arange(1.0, 4.0), np.ones(3)) == 1


def test_table_1_is_as_in_the_paper() -> None:
    """Claims of its text, which a slip of the pen would break."""
    for table_ in (UTILITIES, REJECTIONS):
        assert all(values.shape == (5, 3) for values in table_.values())
        assert all((np.diff(values, axis=1) > 0).all() for values in table_.values())  # more arrivals, more of both
    assert all((np.diff(values, axis=0)[:, 1:] > 0).all() for values in REJECTIONS.values())
    assert (UTILITIES["GROWS"] > UTILITIES["B"]).all()
    assert REJECTIONS["GROWS"][0, 1] / REJECTIONS["B"][0, 1] == pytest.approx(1.31, abs=0.01)
    assert (UTILITIES["GROWS"] / UTILITIES["B"]).max() == pytest.approx(1.1, abs=0.01)  # "by more than 10%"


def test_a_walk_begins_where_the_network_was_drawn() -> None:
    scenario = preset("hetnet-3tier").scaled(users=0.05)
    graphs = list(walk(scenario, 1, 3, (10.0, 10.0)))
    drawn = scenario.sample(1, seed=2_000_000, first=1)
    assert torch.equal(graphs[0]["ue"].pos, drawn["ue"].pos)
    assert torch.equal(graphs[0]["bs"].pos, drawn["bs"].pos)
    moved = (graphs[1]["ue"].pos - graphs[0]["ue"].pos).norm(dim=1)
    assert float(moved.max()) <= 10.0 + 1e-3
    assert float(moved.median()) > 5.0
    slow, fast = (graph[CHANNEL].gain.mean(1).log10() for graph in (drawn, graphs[0]))
    assert float(torch.corrcoef(torch.stack([slow, fast]))[0, 1]) > 0.98  # other fading on the same slow gains
    check(graphs[2])
    again = list(walk(scenario, 1, 3, (10.0, 10.0)))
    assert all(torch.equal(a[CHANNEL].gain, b[CHANNEL].gain) for a, b in zip(graphs, again, strict=True))
    assert torch.equal(graphs[2]["ue"].velocity, (graphs[2]["ue"].pos - graphs[1]["ue"].pos)[:, :2])
    assert torch.equal(graphs[0]["ue"].velocity, graphs[1]["ue"].velocity)
    other = next(walk(scenario, 1, 3, (10.0, 10.0), 1_000_000))
    assert not torch.equal(other["ue"].pos, graphs[0]["ue"].pos)


@pytest.mark.parametrize(
    "measure",
    [mappo_tables.spread, hetgnn_extra.ascent, grows_elsewhere.calibration, qmix_tables.tune, iot_parts.weights],
)
def test_sections_of_rules_alone(measure: Callable[[Bench], Section], tmp_path: Path) -> None:
    bench = Bench({}, tmp_path, tmp_path / "figures", "name", frozenset(), True)
    section = measure(bench)
    assert section.tables
    assert all(len(shown.rows) > 1 and "nan" not in shown.markdown() for shown in section.tables)
    assert Section.from_json(section.to_json()).tables[0].markdown() == section.tables[0].markdown()
    assert bench.notes() == ()


def test_what_is_not_trained_is_named(tmp_path: Path) -> None:
    from hetgraph.trainers.reproduce.mappo import PAPER

    runs = {run.name: run for run in PAPER.runs}
    bench = Bench(runs, tmp_path, tmp_path, "name", frozenset(), True)
    assert bench.learned({"MAPPO": "hex-19-heavy"}) == {}
    assert bench.notes() == ("Not trained: hex-19-heavy-0.",)
