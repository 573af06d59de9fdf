"""Trials: same networks for all, paired intervals by hand, files, curves, episodes to a goal."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.models import HybridMADDPG
from hetgraph.radio import iot_policy
from hetgraph.trainers.iot import task as iot
from hetgraph.trainers.iot.learning import episodes_to, learning_figure
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.differences import curve_figure, difference_figure
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.trial import difference, markdown, markdown_differences, mean, ratio, table, trial_of

TINY = "iot-noma:users=5,small_cells=2,subchannels=3,load=4"
KPIS = [column.kpi for column in iot.TASK.columns]


def made(**rows: list[list[float]]) -> Trial:
    return trial_of({name: {key: np.array(values) for key in KPIS} for name, values in rows.items()}, TINY)


def test_every_policy_meets_the_same_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iot, "FEW", 2)  # so that networks come in two parts
    policies = {"agents": [HybridMADDPG(4), HybridMADDPG(4, rule={"margin": 0.1})], "pf": [iot_policy("wmmse_pf")]}
    (trial,), reference = compare(iot.TASK, iot.Options(scenario=TINY, layouts=3, slots=4, seed=7), policies)
    alone = rollout(IoTEnv(TINY, 1, first=2, episode_slots=4), {"pf": policies["pf"]}, seed=7).values["pf"]
    for key in KPIS:
        assert trial.values["agents"][key].shape == (2, 3) and trial.values["pf"][key].shape == (1, 3)
        assert float(trial.values["pf"][key][0, 2]) == pytest.approx(float(alone[key]), rel=1e-5)
    write_trials(iot.TASK, [trial], reference, tmp_path)
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [(row["policy"], row["seeds"], row["networks"]) for row in rows] == [("agents", "2", "3"), ("pf", "1", "3")]
    assert float(rows[0]["return"]) == pytest.approx(float(trial.values["agents"]["return"].mean()))
    less = difference(trial, "pf", "agents", "return")
    assert float(rows[1]["return_difference_low"]) == pytest.approx(less.low)
    assert {rows[0][f"return_difference{end}"] for end in ("", "_low", "_high")} == {"0.0"}
    each = list(csv.DictReader((tmp_path / "networks.csv").read_text().splitlines()))
    assert [row["policy"] for row in each] == ["agents"] * 6 + ["pf"] * 3
    assert float(each[4]["return"]) == pytest.approx(float(trial.values["agents"]["return"][1, 1]))


def test_differences_are_paired_on_networks_and_count_seeds_of_both() -> None:
    trial = made(one=[[1.0, 2.0], [4.0, 6.0]], two=[[1.0, 1.0], [2.0, 2.0]], rule=[[0.0, 4.0]], other=[[1.0, 2.0]])
    for name, reference in (("one", "two"), ("one", "rule"), ("rule", "one"), ("rule", "other")):
        values = (table(trial, each, "return") for each in (name, reference))
        assert difference(trial, name, reference, "return") == statistics.difference(*values)
    found = mean(trial, "one", "return")
    assert (found.value, found.seeds, found.networks) == (3.25, 2, 2)
    assert difference(trial, "one", "one", "return").half == 0
    assert ratio(trial, "one", "rule", "return").value == pytest.approx(3.25 / 2)
    assert "| two | +1.75 ±" in markdown_differences(trial, "one", ("return",))
    assert "| rule | 2 ±" in markdown(trial, ("return",))


def test_episodes_until_the_mean_reaches_a_goal() -> None:
    returns = np.array([0.0, 0, 4, 4, 0, 8, 8])
    assert [episodes_to(returns, goal, 2) for goal in (0.0, 4.0, 8.0, 9.0)] == [2, 4, 7, None]
    assert episodes_to(returns[:1], 0.0, 2) is None


def test_curves_have_a_panel_for_each_indicator_and_bands() -> None:
    trials = {10.0: made(one=[[1.0, 2.0], [2.0, 3.0]]), 20.0: made(one=[[2.0, 3.0], [4.0, 6.0]])}
    figure = curve_figure(trials, "users", ("return", "jain"))
    panels = figure.axes
    assert [panel.get_ylabel() for panel in panels] == ["return", "Jain"]
    assert panels[0].lines[0].get_ydata().tolist() == [2.0, 3.75]
    low = mean(trials[20.0], "one", "return").low
    path = panels[0].collections[0].get_paths()[0].vertices
    assert path[:, 1].min() == pytest.approx(low)
    pair = made(one=[[1.0, 2.0], [2.0, 3.0]], rule=[[1.0, 1.0]])
    dots = difference_figure(pair, "rule", ("return", "qos_violation"))
    assert [panel.get_xlabel() for panel in dots.axes] == ["return (→ better)", "QoS violations, % (← better)"]
    ends = dots.axes[1].collections[0].get_paths()[0].vertices[:, 0]
    assert ends[0] == pytest.approx(100 * difference(pair, "one", "rule", "qos_violation").low)
    assert [label.get_text() for label in dots.axes[0].get_yticklabels()] == ["one"]


def test_learning_is_drawn_in_blocks_of_episodes() -> None:
    runs = [
        np.array([0.0, 2.0, 5.0, 7.0, 100.0]),
        np.array([2.0, 4.0, 5.0, 7.0]),
    ]  # a run that was cut off is as long as drawn
    figure = learning_figure({"one": runs, "other": [runs[0]]}, block=2)
    (axes,) = figure.axes
    first, second = axes.lines
    assert first.get_xdata().tolist() == [2, 4] and first.get_ydata().tolist() == [2.0, 6.0]
    assert second.get_ydata().tolist() == [1.0, 6.0]
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() > 2 + 12.7 * 0.99 and [text.get_text() for text in figure.legends[0].get_texts()] == [
        "one",
        "other",
    ]
    both = learning_figure({"one": runs, "other": [runs[0]]}, block=2, minutes={"one": 6.0, "other": 3.0})
    slow, quick = both.axes[1].lines
    assert slow.get_xdata().tolist() == [3, 6] and quick.get_xdata().tolist() == [1.5, 3]
    assert both.axes[1].get_xlabel() == "minutes of a core"
