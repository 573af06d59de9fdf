"""Who a station is, from the rows of a CSV to the sampled graph."""

import dataclasses
import random
from pathlib import Path

import pytest
import torch

from hetgraph.graph import Given, Scenario, Site, check, scenario_from_csv, write_sites, write_users
from hetgraph.graph.site_file import read_sites


def thirty_masts() -> list[Site]:
    """Three sectors on each of thirty masts, rows in any order, of two powers, so that they are two tiers."""
    rows = [
        Site(
            x=400.0 * (i % 6),
            y=400.0 * (i // 6),
            tier="macro" if i % 3 else "micro",
            power_dbm=46.0 if i % 3 else 38.0,
            z=25.0 if i % 3 else 10.0,
            azimuth_deg=120.0 * sector,
            site=f"site {i}",
            cell=f"{i}-{'abc'[sector]}",
        )
        for i in range(30)
        for sector in range(3)
    ]
    random.Random(0).shuffle(rows)
    return rows


@pytest.mark.parametrize("given", [False, True])
def test_thirty_three_sector_sites(tmp_path: Path, given: bool) -> None:
    rows = thirty_masts()
    write_sites(tmp_path / "s.csv", rows)
    write_users(tmp_path / "u.csv", [(100.0 * i, 130.0 * (i % 9)) for i in range(20)])
    assert read_sites(tmp_path / "s.csv") == rows
    if given:
        source = Given("sites", str(tmp_path / "s.csv"), {"users": str(tmp_path / "u.csv")})  # type: ignore[arg-type]
        scenario = dataclasses.replace(Scenario(), source=source)
    else:
        scenario = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")
    scenario = Scenario.from_yaml(scenario.to_yaml())
    names = scenario.names()
    graph = scenario.sample(2, seed=1)
    check(graph)
    row = graph["bs"].row.reshape(2, 90)
    assert row[0].tolist() == row[1].tolist() == [name.row for name in names]
    assert sorted(row[0].tolist()) == list(range(90)) and row[0].tolist() != list(range(90)), "two tiers"
    first = graph["bs"].pos[0, :2] - torch.tensor([rows[int(row[0, 0])].x, rows[int(row[0, 0])].y])
    for station, name in enumerate(names):
        site = rows[int(row[0, station])]
        assert (name.site, name.cell, name.tier) == (site.site, site.cell, site.tier)
        place = graph["bs"].pos[station, :2] - first
        assert place.tolist() == pytest.approx([site.x, site.y], abs=1e-2)
    mast = graph["bs"].site[:90].tolist()
    assert len({*zip(mast, (name.site for name in names), strict=True)}) == len({*mast}) == 30


def test_stations_without_names() -> None:
    (name,) = Scenario().names()
    assert (name.site, name.cell, name.tier, name.row) == ("", "", "macro", None)
    assert "row" not in Scenario().sample(1)["bs"]
