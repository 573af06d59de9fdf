"""Sources of scenarios: in YAML, by registered readers alone, and one sentence for what is wrong."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hetgraph.graph import Arrivals, Drawn, FullBuffer, Given, Packets, Rules, Scenario, Services, preset, source_kinds

KINDS = ["deepmimo", "gain", "graphs", "sites", "traces"]


def given(kind: str, path: str | Path, **options: Any) -> Scenario:
    return Scenario(name="mine", source=Given(kind, str(path), options))  # type: ignore[arg-type]


def test_readers_are_registered() -> None:
    assert source_kinds() == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_given_sources_round_trip(kind: str) -> None:
    scenario = given(kind, "folder/file", users=3, share=0.5, name="a: b", flag=True)
    text = scenario.to_yaml()
    assert "    users: 3\n" in text
    again = Scenario.from_yaml(text)
    assert again == scenario and again.hash == scenario.hash and hash(again) == hash(scenario)
    assert again.source == Given(kind, "folder/file", (("flag", True), ("name", "a: b"), ("share", 0.5), ("users", 3)))
    seen = {given(k, p).hash for k in KINDS for p in ("a", "b")} | {Scenario(name="mine").hash}
    assert len(seen) == 11


@pytest.mark.parametrize(
    "traffic",
    [
        None,
        FullBuffer(),
        Packets(rate_hz=25.0, law="bursts"),
        Arrivals(unit="slots", demand=(1.0, 2.0)),
        Services(load=2),
    ],
)
def test_traffic_and_rules_round_trip(traffic: Any) -> None:
    rules = Rules(blocks=5, max_users=30, max_load=0.85, margin_db=2.5, share="asked")
    scenario = Scenario(traffic=traffic, rules=rules)
    again = Scenario.from_yaml(scenario.to_yaml())
    assert again == scenario and type(again.traffic) is type(traffic)
    hashes = {Scenario(traffic=t).hash for t in (None, FullBuffer(), Packets(), Arrivals(), Services(load=2))}
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("source: {kind: os.system, path: x}", "source.kind: got 'os.system', expected one of drawn, deepmimo, gain"),
        ("source: {kind: 3, path: x}", "scenario.source.kind: got 3, expected one of drawn"),
        ("source: {path: x}", "scenario.source.kind: got nothing, expected one of drawn"),
        ("source: sites.csv", "scenario.source: got 'sites.csv', expected a mapping"),
        ("source: {kind: sites}", "source.path: got '', expected a file or folder"),
        ("source: {kind: sites, path: 3}", "scenario.source.path: got 3, expected str"),
        ("source: {kind: gain, path: x, options: [1]}", "scenario.source.options: got [1], expected a mapping"),
        (
            "source: {kind: gain, path: x, options: {a: [1]}}",
            "scenario.source.options.a: got [1], expected a number, a text or a flag",
        ),
        ("source: {kind: drawn, path: x}", "scenario.source.path: got an unknown field, expected one of kind"),
        (
            "traffic: {kind: rain}",
            "traffic.kind: got 'rain', expected one of full-buffer, packets, arrivals, flows, services",
        ),
        ("traffic: {kind: packets, duty: 0}", "traffic.duty: got 0.0, expected above 0, at most 1"),
        ("traffic: {kind: arrivals, probability: 2}", "traffic.probability: got (2.0,), expected numbers above 0"),
        ("rules: {max_load: 2}", "rules.max_load: got 2.0, expected 0..1, or null"),
        ("rules: {blocks: 0}", "rules.blocks: got 0, expected a positive number"),
        ("users: {station: [0]}", "users.station: got 1, expected none where users.placement is 'uniform'"),
    ],
)
def test_wrong_yaml_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        Scenario.from_yaml("name: a\n" + text + "\n")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"station": (0, 0, 1, 1, 2, 2, 3)}, "users.station: got (0, 0, 1, 1, 2, 2, 3), expected 8 numbers"),
        ({"station": (0, 0, 1, 1, 2, 2, 2, 2)}, "tiers: got [4], expected one tier of 3"),
        ({"conflicts": ((0, 8),)}, "users.conflicts: got (0, 8), expected two users out of 8"),
        ({"conflicts": ((2, 2),)}, "users.conflicts: got (2, 2), expected two users out of 8"),
    ],
)
def test_conflicts_that_cannot_be(changes: dict[str, Any], sentence: str) -> None:
    base = preset("conflict-8")
    with pytest.raises(ValueError) as caught:
        dataclasses.replace(base, users=dataclasses.replace(base.users, **changes))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_files_get_one_sentence(kind: str, tmp_path: Path) -> None:
    scenario = given(kind, tmp_path / "nothing")
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        scenario.sample(1)
    assert "nothing" in str(caught.value) and "expected" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_options_that_a_reader_does_not_know(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"source.options: got the option 'colour' of '{kind}', expected"):
        given(kind, tmp_path, colour="red").sample(1)


def test_options_have_the_type_that_a_reader_expects(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"source\.options\.users: got 'many', expected a value of type int"):
        given("deepmimo", tmp_path, users="many").sample(1)


def test_numbers_of_networks_are_checked_for_all_sources(tmp_path: Path) -> None:
    for scenario in (Scenario(source=Drawn()), given("gain", tmp_path)):
        with pytest.raises(ValueError, match="sample: got n=0, first=0, expected n of 1 or more"):
            scenario.sample(0)
