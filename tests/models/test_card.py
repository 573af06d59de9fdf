"""Model cards: every field is needed, and what stands there must make sense."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hetgraph.serialization import build, plain
from hetgraph.weights import card as cards
from hetgraph.weights.card import Card, Check, card_of, read_fields

FIELDS: dict[str, Any] = {
    "name": "hetgnn-here",
    "system": "hetgnn",
    "task": "snapshot",
    "summary": "A network.",
    "training": {"scenario": "uma-5bs", "seeds": "0", "configuration": "hetgnn", "command": "hetgraph fit"},
    "figures": [
        {
            **{"metric": "sum_rate_bps", "value": 2e6, "low": 1e6, "high": 3e6, "against": "pf"},
            **{"networks": "40 networks", "command": "hetgraph compare", "date": "2026-01-31"},
        }
    ],
    "limits": ["small networks"],
    "out_of_scope": ["uplink"],
    "licence": "MIT",
    "version": "0.2",
    "commit": "",
    "weights": {"sha256": "0", "size_bytes": 1, "parameters": 1},
    "check": {
        **{"scenario": "uma-5bs", "layouts": 2, "seed": 0, "kpi": "sum_rate_bps", "value": 2e6, "tolerance": 0.01},
        **{"seconds": 0.5, "options": {"load": 25, "start_load": True, "far_cells": False}},
    },
}


def test_a_card_comes_back_from_its_plain_form() -> None:
    card = build(Card, FIELDS, "card")
    assert build(Card, json.loads(json.dumps(plain(card))), "card") == card
    assert card.headline == "sum rate, Mbit/s: 2 (1 to 3), against pf"


def test_options_of_a_check_are_those_of_the_command() -> None:
    arguments = build(Card, FIELDS, "card").check.arguments
    assert arguments == ["--scenario", "uma-5bs", "--layouts", "2", "--seed", "0", "--load", "25", "--start-load"]


@pytest.mark.parametrize(
    ("value", "holds"),
    [(100.0, True), (100.9, True), (99.1, True), (101.1, False), (98.9, False), (float("nan"), False)],
)
def test_a_check_holds_within_its_relative_tolerance(value: float, holds: bool) -> None:
    assert Check("uma-5bs", 1, 0, "jain", 100.0, 0.01, 0.0).holds(value) is holds
    assert Check("uma-5bs", 1, 0, "jain", -100.0, 0.01, 0.0).holds(-value) is holds


NEEDED = list(FIELDS) + [f"training.{name}" for name in FIELDS["training"]]
NEEDED += [f"check.{name}" for name in FIELDS["check"] if name != "options"] + [
    f"weights.{n}" for n in FIELDS["weights"]
]


@pytest.mark.parametrize("field", NEEDED)
def test_a_card_that_lacks_a_field_is_refused(field: str) -> None:
    fields = copy.deepcopy(FIELDS)
    *path, last = field.split(".")
    part = fields[path[0]] if path else fields
    del part[last]
    with pytest.raises(ValueError, match=rf"^card\.{field}: got none, expected one$"):
        build(Card, fields, "card")


@pytest.mark.parametrize("field", FIELDS["figures"][0])
def test_a_figure_that_lacks_a_field_is_refused(field: str) -> None:
    fields = copy.deepcopy(FIELDS)
    del fields["figures"][0][field]
    with pytest.raises(ValueError, match=rf"^card\.figures\[0\]\.{field}: got none, expected one$"):
        build(Card, fields, "card")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(name="Het GNN"), "card.name: got 'Het GNN', expected small letters, digits and hyphens"),
        (lambda c: c.update(summary=" "), r"card.summary: got \(' ',\), expected a text"),
        (lambda c: c.update(limits=[]), r"card.limits: got \(\), expected a text"),
        (lambda c: c.update(limits="none"), "card.limits: got 'none', expected a list"),
        (lambda c: c.update(figures=[]), r"card.figures: got \(\), expected at least one"),
        (lambda c: c.update(colour="red"), "card.colour: got an unknown field"),
        (
            lambda c: c["figures"][0].update(metric="speed"),
            r"card.figures\[0\].metric: indicator: got 'speed', expected",
        ),
        (lambda c: c["figures"][0].update(value=9e6), r"card.figures\[0\].value: got 9000000.0, expected one within"),
        (lambda c: c["figures"][0].update(date="January"), r"card.figures\[0\].date: got 'January', expected a date"),
        (lambda c: c["figures"][0].update(value=True), r"card.figures\[0\].value: got True, expected float"),
        (lambda c: c["check"].update(kpi="speed"), "card.check.kpi: indicator: got 'speed'"),
        (lambda c: c["check"].update(tolerance=0.5), "card.check.tolerance: got 0.5, expected a number above 0"),
        (lambda c: c["check"].update(tolerance=0), "card.check.tolerance: got 0.0, expected a number above 0"),
        (lambda c: c["check"].update(layouts=0), "card.check.layouts: got 0, expected 1 or more"),
        (lambda c: c["check"].update(value=float("inf")), "card.check.value: got inf, expected a finite number"),
    ],
)
def test_what_makes_no_sense_is_refused(edit: Callable[[dict[str, Any]], None], message: str) -> None:
    fields = copy.deepcopy(FIELDS)
    edit(fields)
    with pytest.raises(ValueError, match=f"^{message}"):
        build(Card, fields, "card")


def test_files_of_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    (tmp_path / "hetgnn-here.json").write_text(json.dumps(FIELDS))
    assert card_of("hetgnn-here").check.value == 2e6
    (tmp_path / "other.json").write_text(json.dumps(FIELDS))
    with pytest.raises(ValueError, match=r"other\.json: card\.name: got 'hetgnn-here', expected 'other'"):
        card_of("other")
    with pytest.raises(FileNotFoundError, match=r"nothing\.json: got no such file, expected a model card"):
        card_of("nothing")
    (tmp_path / "date.yaml").write_text("date: 2026-01-31\nvalue: 1.5\n")
    assert read_fields(tmp_path / "date.yaml") == {"date": "2026-01-31", "value": 1.5}
    for text in ("- a\n", "a: [", "!!python/object/apply:os.system ['true']", "\xff"):
        (tmp_path / "bad.yaml").write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=r"bad\.yaml: got .*, expected"):
            read_fields(tmp_path / "bad.yaml")
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(cards.MOST_BYTES + 1)
    with pytest.raises(ValueError, match="expected at most"):
        read_fields(tmp_path / "huge.yaml")
