"""Cells on one mast: one line of sight and one shadowing for each user, whatever way they came in."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from hetgraph.datasets import LTETrace, export_csv
from hetgraph.datasets.measured_graph import Carrier, measured_graph
from hetgraph.graph import (
    CHANNEL,
    NEIGHBOURS,
    Channel,
    Layout,
    Scenario,
    Site,
    Tier,
    Users,
    preset,
    scenario_from_csv,
    write_sites,
)
from hetgraph.graph.masts import masts_at, masts_of

SECTORS = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n" + "".join(
    f"0,0,25,macro,46,{bearing},1\n" for bearing in (30, 150, 270)
)


def pairs(scenario: Scenario, seed: int = 0, networks: int = 1) -> dict[str, torch.Tensor]:
    """Attributes of the channel edges, ``[users of all networks, stations]``."""
    batch = scenario.sample(networks, seed=seed)
    names = ("los", "shadow_db", "pathloss_db", "antenna_gain_db", "distance_m")
    return {name: batch[CHANNEL][name].reshape(-1, scenario.num_stations) for name in names}


def share_a_mast(scenario: Scenario, cells: slice = slice(None)) -> None:
    values = pairs(scenario)
    for name in ("los", "shadow_db", "pathloss_db", "distance_m"):
        value = values[name][:, cells]
        assert bool((value == value[:, :1]).all()), name
    gain = values["antenna_gain_db"][:, cells]
    assert float((gain - gain[:, :1]).abs().max()) > 20, "cells differ by antenna"
    state = values["los"][:, cells][:, 0]
    assert 0 < int(state.sum()) < len(state)


@pytest.mark.parametrize("shadowing", ["correlated", "independent"])
def test_three_sectors_of_one_mast_from_a_file(real_files: Path, shadowing: str) -> None:
    base = preset("hetnet-3tier")
    channel = dataclasses.replace(base.channel, shadowing=shadowing)
    base = dataclasses.replace(base, channel=channel, users=dataclasses.replace(base.users, count=2000))
    scenario = scenario_from_csv(real_files / "own_network" / "three_sectors_one_mast.csv", base=base)
    scenario = dataclasses.replace(scenario, layout=Layout(1000, 1000))
    share_a_mast(scenario)
    share_a_mast(Scenario.from_yaml(scenario.to_yaml()))


@pytest.mark.parametrize("shadowing", ["correlated", "independent"])
def test_sectors_of_masts_that_are_drawn(shadowing: str) -> None:
    bearings = (0.0, 120.0, 240.0)
    channel = Channel(shadowing=shadowing)  # type: ignore[arg-type]
    for placement in ("uniform", "hex", "jittered"):
        tier = Tier(
            count=12,
            sectors=3,
            placement=placement,  # type: ignore[arg-type]
            spacing_m=300.0,
            jitter_m=50.0,
            azimuth_deg=bearings,
            pattern="38.901",
        )
        scenario = Scenario(tiers=(Tier("pico", pathloss="umi"), tier), users=Users(count=300), channel=channel)
        assert masts_of(scenario).tolist() == [0] + [1 + i // 3 for i in range(12)] or placement == "hex"
        share_a_mast(scenario, slice(1, 4))


def test_latitude_and_longitude_other_heights_and_tiers(tmp_path: Path) -> None:
    """Height, power and tilt may differ on a mast: the state and the shadowing do not, the path loss may."""
    header = "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas,tilt_deg\n"
    rows = ("25,macro,46,0,1,2", "25,macro,43,120,1,8", "31,macro,46,240,2,0")
    (tmp_path / "s.csv").write_text(header + "".join(f"48.1,11.5,{row}\n" for row in rows))
    base = preset("hetnet-3tier")
    base = dataclasses.replace(base, users=dataclasses.replace(base.users, count=900))
    scenario = scenario_from_csv(tmp_path / "s.csv", base=base)
    scenario = dataclasses.replace(scenario, layout=Layout(900, 900))
    assert len(scenario.tiers) == 3
    values = pairs(scenario)
    for name in ("los", "shadow_db"):
        assert torch.equal(values[name], values[name][:, :1].expand(-1, 3)), name
    assert torch.equal(values["pathloss_db"][:, 0], values["pathloss_db"][:, 1])
    assert not torch.equal(values["pathloss_db"][:, 0], values["pathloss_db"][:, 2]), "other height, other path loss"


def test_sites_of_a_drive_test(lte_traces: Path, tmp_path: Path) -> None:
    trace = LTETrace.read(next(lte_traces.glob("5G_driving_download*")))
    export_csv(trace, tmp_path / "sites.csv", tmp_path / "users.csv", most_users=400)
    header, *rows = (tmp_path / "sites.csv").read_text().splitlines()
    column = header.split(",").index("azimuth_deg")
    sectors = []
    for row in rows:
        for bearing in ("0", "120", "240"):
            cells = row.split(",")
            cells[column] = bearing
            sectors.append(",".join(cells))
    (tmp_path / "sectors.csv").write_text("\n".join([header, *sectors]) + "\n")
    scenario = scenario_from_csv(tmp_path / "sectors.csv", tmp_path / "users.csv")
    masts = masts_of(scenario)
    assert torch.equal(masts, torch.arange(len(rows)).repeat_interleave(3))
    values = pairs(scenario)
    for name in ("los", "shadow_db", "pathloss_db"):
        by_mast = values[name].unflatten(1, (len(rows), 3))
        assert torch.equal(by_mast, by_mast[..., :1].expand_as(by_mast)), name


def test_ray_traced_cells_at_one_place_keep_one_mast() -> None:
    places = torch.tensor([[0.0, 0.0, 20.0], [500.0, 0.0, 20.0], [0.3, 0.2, 20.0]])
    users = torch.rand(4, 3)
    known = torch.zeros(4, 3, dtype=torch.bool)
    graph = measured_graph("city", torch.rand(4, 3, 1), places, users, Carrier(), measured=known)
    assert graph["bs"].site.tolist() == [0, 1, 0]


def test_what_is_one_mast() -> None:
    places = torch.tensor([[0.0, 0.0], [0.9, 0.0], [1.7, 0.0], [50.0, 0.0], [300.0, 0.0], [300.0, 1.1]])
    assert masts_at(places).tolist() == [0, 0, 0, 1, 2, 3], "within a metre, one after the other"
    names = ["roof", "", "", "roof", "roof", ""]
    assert masts_at(places, names).tolist() == [0, 0, 0, 0, 1, 2], "one name within 100 m"
    apart = torch.tensor([[0.0, 0.0], [300.0, 0.0], [310.0, 0.0]])
    assert masts_at(apart, ["roof"] * 3).tolist() == [0, 1, 1], "of any cell of the name"


def test_cells_of_several_models_on_one_mast() -> None:
    """State and normalised shadowing are the mast's, whatever its cells' models; the standard deviation is each cell's."""
    place = ((500.0, 500.0),)
    tiers = (
        Tier("macro", placement="fixed", positions=place, pathloss="uma"),
        Tier("micro", placement="fixed", positions=place, pathloss="umi", height_m=10.0),
    )
    for shadowing in ("correlated", "independent"):
        channel = Channel(shadowing=shadowing)  # type: ignore[arg-type]
        values = pairs(Scenario(tiers=tiers, users=Users(count=2000), channel=channel))
        assert torch.equal(values["los"][:, 0], values["los"][:, 1])
        los = values["los"][:, 0]
        uma, umi = values["shadow_db"].unbind(1)
        torch.testing.assert_close(uma[los], umi[los], msg="4 dB both")
        torch.testing.assert_close(uma[~los] / 6.0, umi[~los] / 7.82, rtol=1e-4, atol=1e-5)


def test_the_nearest_cell_is_the_sector_that_looks_at_the_user() -> None:
    tier = Tier(count=3, sectors=3, placement="hex", azimuth_deg=(0.0, 120.0, 240.0), pattern="38.901")
    scenario = Scenario(tiers=(tier,), users=Users(count=300, nearest_only=True))
    edges = scenario.sample(1, seed=1)[CHANNEL]
    serves = edges.may_serve.reshape(300, 3)
    assert bool((serves.sum(1) == 1).all()) and int(serves.sum(0).min()) > 60
    assert torch.equal(serves.float().argmax(1), edges.antenna_gain_db.reshape(300, 3).argmax(1))


def test_a_neighbourhood_counts_masts() -> None:
    graph = preset("hex-19x3:users_per_cell=1").sample(1)
    source, target = graph[NEIGHBOURS].edge_index
    masts = graph["bs"].site
    for cell in (0, 3, 56):
        heard = masts[source[target == cell]]
        own = masts[cell]
        assert sorted(torch.bincount(heard[heard != own]).tolist())[-6:] == [3] * 6 and int((heard == own).sum()) == 2


def test_masts_of_several_tiers_in_the_middle() -> None:
    middle = Tier("macro", placement="hex")
    fixed = Tier("micro", count=2, pathloss="umi", placement="fixed", positions=((500.0, 500.4), (10.0, 10.0)))
    assert masts_of(Scenario(tiers=(middle, fixed))).tolist() == [0, 0, 1]


def test_names_survive(tmp_path: Path) -> None:
    sites = [
        Site(0, 0, azimuth_deg=0.0, site="A", cell="A1", tilt_deg=3.0, carrier_hz=1.8e9),
        Site(0, 0, azimuth_deg=120.0, site="A", cell="A2", tilt_deg=-1.0, carrier_hz=1.8e9),
        Site(400, 0, 10.0, "pico", 30.0, 45.0, site="B", cell="B1", carrier_hz=1.8e9, panel_rows=4, panel_tilt_deg=6.0),
    ]
    write_sites(tmp_path / "s.csv", sites)
    scenario = scenario_from_csv(tmp_path / "s.csv")
    assert [tier.cell for tier in scenario.tiers] == [("A1", "A2"), ("B1",)]
    assert scenario.tiers[0].site == ("A", "A") and scenario.tiers[0].tilt_deg == (3.0, -1.0)
    assert scenario.tiers[1].panel is not None and scenario.tiers[1].panel.rows == 4
    assert Scenario.from_yaml(scenario.to_yaml()) == scenario
    shutil.rmtree(tmp_path)


def test_networks_alone_and_among_others_with_sectors() -> None:
    scenario = preset("hex-19x3:users_per_cell=2")
    many = scenario.sample(3, seed=4)
    for number in range(3):
        alone = scenario.sample(1, seed=4, first=number)[0]
        for store in (CHANNEL, "bs", "ue", "antenna"):
            for name, value in alone[store].items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(many[number][store][name])), (store, name)
