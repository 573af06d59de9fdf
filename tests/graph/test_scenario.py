"""Scenarios: YAML and dictionaries without loss, digests that last, values that no network can have."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hetgraph.graph import PRESETS, Channel, Layout, Radio, Scenario, Services, Tier, Users, preset

FULL = Scenario(
    name="everything: 'quoted' ü",
    layout=Layout(300.0, 200.0),
    tiers=(
        Tier("hexagon", 3, placement="hex", spacing_m=100.0, pathloss="rma", height_m=35.0),
        Tier(
            "mast",
            2,
            placement="fixed",
            positions=((1.5, 2.0), (3.0, 1e-3)),
            azimuth_deg=(-120.0, 7.5),
            pattern="38.901",
        ),
    ),
    users=Users(2, placement="fixed", positions=((1.0, 2.0), (0.1, 1 / 3)), speed_mps=1.5, nearest_only=True),
    channel=Channel(los="never", shadowing="independent", shadow_sigma_db=4.0, fading="rician", carrier_hz=1.8e9),
    radio=Radio(noise_w=1e-14, neighbour_db=3.0, far_load=0.5),
    traffic=Services(),
)
NAMES = [name for name in PRESETS if name != "lte-trace"]  # needs a folder
SCENARIOS = {name: preset(name) for name in NAMES} | {"everything": FULL, "defaults": Scenario()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_yaml_and_dictionaries_lose_nothing(name: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    scenario.to_yaml(tmp_path / "s.yaml")
    for again in (
        Scenario.from_yaml(scenario.to_yaml()),
        Scenario.from_yaml(tmp_path / "s.yaml"),
        Scenario.from_yaml(str(tmp_path / "s.yaml")),
        Scenario.from_dict(scenario.to_dict()),
    ):
        assert again == scenario and again.hash == scenario.hash


def test_missing_fields_take_their_defaults() -> None:
    assert Scenario.from_dict({}) == Scenario()
    text = "tiers: [{name: pico, count: 2, power_dbm: 30}]\nradio: {noise_w: null}\nlayout: {width_m: 50}\n"
    expected = Scenario(tiers=(Tier("pico", 2, power_dbm=30.0),), layout=Layout(width_m=50.0))
    assert Scenario.from_yaml(text) == expected


@pytest.mark.filterwarnings("ignore:users")
def test_the_digest_depends_on_every_value_and_on_nothing_else() -> None:
    assert Scenario(layout=Layout(1000, 1000)).hash == Scenario().hash, "whole numbers are numbers"
    text = json.dumps({"layout": {"width_m": 50.0}, "tiers": [{"count": 2, "name": "pico"}]})
    same = Scenario(layout=Layout(50), tiers=(Tier("pico", 2),))
    assert same.hash == hashlib.sha256(text.encode()).hexdigest()[:16], "what differs from the defaults, sorted"
    assert preset("uma-5bs").hash == "15d6c4ed10b9c6f7", "on disk; a changed default breaks it"
    seen = {FULL.hash}
    for part in ("layout", "users", "channel", "radio", "mobility", "traffic", "rules"):
        value = getattr(FULL, part)
        for field in dataclasses.fields(value):
            old = getattr(value, field.name)
            if isinstance(old, float):
                changed = dataclasses.replace(value, **{field.name: old * 0.5 + 1e-20})
                seen.add(dataclasses.replace(FULL, **{part: changed}).hash)
    assert len(seen) == 1 + 2 + 11 + 6 + 6 + 6 + 9 + 6
    code = "from hetgraph.graph import preset; print(preset('hetnet-3tier').hash, preset('uma-5bs').hash)"
    other = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.split() == [preset("hetnet-3tier").hash, preset("uma-5bs").hash]


def changed(part: str, **values: Any) -> Any:
    if part == "tiers":
        return lambda: Scenario(tiers=(Tier(), Tier("b", **values)))
    return lambda: dataclasses.replace(Scenario(), **{part: dataclasses.replace(getattr(Scenario(), part), **values)})


NAN = float("nan")
BAD: list[tuple[Any, str]] = [
    (changed("layout", width_m=0.0), "layout.width_m: got 0.0, expected a positive number"),
    (changed("layout", height_m="wide"), "layout.height_m: got 'wide', expected a finite number"),
    (lambda: Scenario(tiers=()), "tiers: got 0, expected at least one tier"),
    (lambda: Scenario(tiers=[Tier()]), "expected a tuple"),  # type: ignore[arg-type]
    (lambda: Scenario(tiers=(Users(),)), "expected Tier"),  # type: ignore[arg-type]
    (lambda: Scenario(name=3), "name: got 3, expected str"),  # type: ignore[arg-type]
    (changed("tiers", count=2.0), "tiers[1].count: got 2.0, expected int"),
    (changed("tiers", count=True), "tiers[1].count: got True, expected int"),
    (changed("tiers", count=0), "tiers[1].count: got 0, expected at least 1"),
    (
        changed("tiers", placement="grid"),
        "tiers[1].placement: got 'grid', expected 'uniform' or 'hex' or 'jittered' or 'fixed'",
    ),
    (changed("tiers", placement="hex", count=7), "tiers[1].spacing_m: got 0.0, expected a positive number"),
    (changed("tiers", placement="fixed"), "tiers[1].positions: got 0, expected 1"),
    (
        changed("tiers", placement="fixed", positions=((NAN, 0.0),)),
        "tiers[1].positions[0][0]: got nan, expected a finite",
    ),
    (
        changed("tiers", placement="fixed", positions=((1.0,),)),
        "tiers[1].positions[0]: got (1.0,), expected a tuple of 2",
    ),
    (changed("tiers", azimuth_deg=(1.0, 2.0)), "tiers[1].azimuth_deg: got 2, expected 1"),
    (changed("tiers", pattern="dish"), "tiers[1].pattern: got 'dish', expected 'omni' or '38.901'"),
    (changed("tiers", pathloss="mars"), "tiers[1].pathloss: got 'mars', expected one of uma"),
    (changed("tiers", power_dbm=460.0), "tiers[1].power_dbm: got 460.0, expected at most 100 dBm"),
    (changed("tiers", max_users=-1), "tiers[1].max_users: got -1, expected 0 or more"),
    (changed("tiers", amplifier_efficiency=0.0), "tiers[1].amplifier_efficiency: got 0.0, expected above 0, at most 1"),
    (changed("users", count=0), "users.count: got 0, expected a positive number"),
    (changed("users", count=2, placement="pairs"), "users.count: got 2, expected 1, one per station, for pairs"),
    (changed("users", placement="fixed"), "users.positions: got 0, expected 100"),
    (changed("users", pair_distance_m=(9.0, 1.0)), "users.pair_distance_m: got (9.0, 1.0), expected the least"),
    (
        changed("users", placement="clustered", cluster_tier="pico"),
        "users.cluster_tier: got 'pico', expected one of macro",
    ),
    (changed("users", speed_mps=-1.0), "users.speed_mps: got -1.0, expected 0 or more"),
    (changed("users", clustered_fraction=1.5), "users.clustered_fraction: got 1.5, expected 0..1"),
    (
        changed("channel", fading="rayleight"),
        "channel.fading: got 'rayleight', expected 'none' or 'rayleigh' or 'rician'",
    ),
    (changed("channel", shadow_sigma_db=-1.0), "channel.shadow_sigma_db: got -1.0, expected 0 or more, or null"),
    (changed("channel", carrier_hz=NAN), "channel.carrier_hz: got nan, expected a finite number"),
    (changed("radio", num_rbs=0), "radio.num_rbs: got 0, expected a positive number"),
    (changed("radio", noise_w=0.0), "radio.noise_w: got 0.0, expected at least 1e-30 W, or null"),
    (changed("radio", candidates=-1), "radio.candidates: got -1, expected 0 (all) or more"),
]


@pytest.mark.parametrize(("make", "sentence"), BAD, ids=[sentence.split(":")[0] for _, sentence in BAD])
def test_values_that_no_network_can_have(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\x80\x04\xff")
    with pytest.raises(ValueError, match=r"s\.yaml: got text that is no safe YAML"):
        Scenario.from_yaml(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("radio: 5\n", "scenario.radio: got int, expected a mapping"),
        (
            "tiers: [{name: a}, {kount: 2}]\n",
            "scenario.tiers[1].kount: got an unknown field, expected one of name, count",
        ),
        ("users: {positions: [[1, x]]}\n", "scenario.users.positions[0][1]: got 'x', expected float"),
        ("users: {pair_distance_m: [1]}\n", "scenario.users.pair_distance_m: got [1], expected"),
        (
            "channel: {los: true}\n",
            "scenario.channel.los: got True, expected 'probability' or 'soft' or 'always' or 'never'",
        ),
        ("channel: {carrier_hz: .nan}\n", "channel.carrier_hz: got nan, expected a finite number"),
        ("1: 2\n", "scenario.1: got an unknown field"),
        ("a: [1\n", "got text that is no safe YAML"),
    ],
)
def test_yaml_that_is_no_scenario(text: str, sentence: str, tmp_path: Path) -> None:
    for source in (text, tmp_path / "s.yaml"):
        (tmp_path / "s.yaml").write_text(text)
        with pytest.raises(ValueError) as caught:
            Scenario.from_yaml(source)
        assert sentence in str(caught.value) and "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(source)) is (source is not text)
