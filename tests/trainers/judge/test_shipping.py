"""Shipped models decide as their cards say, and a model is shipped only with a card that says it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import hetgraph
from hetgraph.models import HetGNN, load, save
from hetgraph.trainers.judge.model_check import measured
from hetgraph.trainers.judge.shipping import ship
from hetgraph.weights import card as cards
from hetgraph.weights.card import card_of
from hetgraph.weights.shipped import shipped_names

QUICK_S = 5.0  # checks that take longer run with the long tests
NAMES = [
    pytest.param(name, marks=() if card_of(name).check.seconds <= QUICK_S else pytest.mark.all)
    for name in shipped_names()
]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_decides_as_its_card_says(name: str) -> None:
    card = card_of(name)
    value, _ = measured(card.task, card.check, hetgraph.load(name))
    assert card.check.holds(value), f"{card.check.kpi}: got {value}, expected {card.check.value}"


def test_untrained_weights_do_not() -> None:
    card = card_of("hetgnn-hetnet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = HetGNN(**load("hetgnn-hetnet").options).eval()
    assert not card.check.holds(measured(card.task, card.check, untrained)[0])


DRAFT: dict[str, Any] = {
    "summary": "An untrained network.",
    "training": {"scenario": "none", "seeds": "none", "configuration": "none", "command": "none"},
    "figures": [{"results": "results.json", "policy": "mine", "metric": "jain"}],
    "limits": ["It has learned nothing."],
    "out_of_scope": ["Everything."],
    "licence": "MIT",
    "check": {"scenario": "interference-k", "layouts": 2, "seed": 0, "kpi": "sum_rate_bps", "tolerance": 0.01},
}
ROW = {"policy": "mine", "jain": 0.5, "jain_low": 0.4, "jain_high": 0.6, "seeds": 5, "networks": 40}
RESULTS = {
    "reference": "pf",
    "cases": ["light", "heavy"],
    "command": "/somewhere/bin/hetgraph compare --policies pf,mine",
    "date": "2026-01-31T10:00:00+00:00",
    "rows": [
        ROW | {"policy": "pf", "offered_load": 1.0},
        ROW | {"offered_load": 1.0},
        ROW | {"policy": "pf", "offered_load": 2.0},
        ROW | {"jain": 0.55, "offered_load": 2.0},
    ],
}


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A card without what is measured; its checkpoint, results and folder are there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped").mkdir()
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    torch.manual_seed(0)
    save(HetGNN(8, 1, 2), tmp_path / "best.ckpt", commit="abc")
    fields: dict[str, Any] = json.loads(json.dumps(DRAFT))
    fields["figures"][0]["where"] = {"offered_load": 2.0}
    return fields


def _ship(fields: dict[str, Any], name: str = "own-net", overwrite: bool = False) -> Any:
    Path("card.yaml").write_text(json.dumps(fields))
    return ship("best.ckpt", name, "card.yaml", Path("shipped"), overwrite=overwrite)


def test_a_model_is_shipped_with_what_was_measured(draft: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    card = _ship(draft)
    monkeypatch.setattr(cards, "FOLDER", Path("shipped"))
    assert card_of("own-net") == card
    assert Path("shipped/own-net.safetensors").read_bytes() == Path("best.ckpt").read_bytes()
    assert (card.system, card.task, card.commit) == ("hetgnn", "snapshot", "abc")
    assert card.check.value > 0 and card.check.value == measured("snapshot", card.check, load("best.ckpt"))[0]
    (figure,) = card.figures
    assert (figure.value, figure.low, figure.high, figure.against) == (0.55, 0.4, 0.6, "pf")
    assert figure.networks == "40 networks of heavy, 5 training seeds" and figure.date == "2026-01-31"
    assert figure.command == "hetgraph compare --policies pf,mine"


def test_a_name_is_taken_once_and_a_card_may_be_used_again(draft: dict[str, Any]) -> None:
    first = _ship(draft)
    with pytest.raises(ValueError, match=r"^--name: got 'own-net', which is there already"):
        _ship(draft)
    again = ship("best.ckpt", "own-net", "shipped/own-net.json", Path("shipped"), overwrite=True)
    assert replace(again, check=replace(again.check, seconds=first.check.seconds)) == first


@pytest.mark.parametrize(("name", "task"), [("pf", "snapshot"), ("genie", "queues"), ("mlb", "handover-traffic")])
def test_a_rule_keeps_its_name(name: str, task: str, draft: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^--name: got '{name}', which is a rule of task {task}"):
        _ship(draft, name)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.pop("limits"), "card.limits: got none, expected one"),
        (lambda c: c.pop("check"), "card.check: got none, expected one"),
        (lambda c: c["check"].pop("seed"), "card.check.seed: got none, expected one"),
        (
            lambda c: c["check"].update(kpi="mean_delay_slots"),
            "card.check.kpi: got 'mean_delay_slots', expected one of",
        ),
        (
            lambda c: c["check"].update(options={"load": 3}),
            "card.check.options: got '--load', expected one of the options",
        ),
        (lambda c: c["check"].update(scenario="mars"), "preset: got 'mars', expected one of"),
        (
            lambda c: c["figures"][0].pop("where"),
            r"card.figures\[0\]: got 2 rows of mine in results.json, expected one",
        ),
        (
            lambda c: c["figures"][0].update(policy="x"),
            r"card.figures\[0\]: got 0 rows of x in results.json, expected one",
        ),
        (
            lambda c: c["figures"][0].update(metric="x"),
            r"card.figures\[0\]: got results.json without 'x', expected a res",
        ),
        (
            lambda c: c["figures"][0].update(where={"x": 1}),
            r"card.figures\[0\]: got results.json without 'x', expected a",
        ),
        (lambda c: c["figures"][0].update(value=1), r"card.figures\[0\]: got .*, expected results, policy, metric"),
    ],
)
def test_nothing_is_written_with_a_card_that_says_less(
    edit: Callable[[dict[str, Any]], None], message: str, draft: dict[str, Any]
) -> None:
    edit(draft)
    with pytest.raises(ValueError, match=f"^{message}"):
        _ship(draft)
    assert not list(Path("shipped").iterdir())
