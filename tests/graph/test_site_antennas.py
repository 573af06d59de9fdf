"""Antenna files that cells name: what they do to the gains of sampled networks."""

import warnings
from pathlib import Path

import pytest
import torch

from hetgraph.graph import CHANNEL, Channel, Scenario, Tier, check, preset, read_sites, scenario_from_csv

HEADER = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,mech_tilt,elec_tilt,antenna\n"
AMB, B800 = "AMB4520R8v06_1845_05T.msi", "B800A065-18-0E.pln"


@pytest.fixture
def folder(tmp_path: Path, real_files: Path) -> Path:
    for name in (AMB, B800):
        (tmp_path / name).symlink_to(real_files / "own_network" / name)
    (tmp_path / "u.csv").write_text("x,y,z\n0,100,20\n100,0,20\n0,-100,20\n")
    return tmp_path


def gains(folder: Path, *rows: str) -> torch.Tensor:
    (folder / "s.csv").write_text(HEADER + "\n".join(rows) + "\n")
    scenario = scenario_from_csv(folder / "s.csv", folder / "u.csv")
    assert Scenario.from_yaml(scenario.to_yaml()) == scenario
    graph = scenario.sample(1)
    check(graph)
    row = graph["bs"].row
    return graph[CHANNEL].antenna_gain_db.reshape(3, -1)[:, row.argsort()]


def test_cells_have_the_gain_of_their_files(folder: Path) -> None:
    """Users at the antennas' height, in front, to the right and behind; each file with its own electrical tilt or another."""
    cells = ((0, B800), (5, B800), ("", AMB))
    gain = gains(folder, *(f"0,0,20,macro,46,0,1,0,{tilt},{name}" for tilt, name in cells))
    peak, amb = 13.6 + 2.15, 16.95 + 2.15
    assert float(gain[0, 0]) == pytest.approx(peak, abs=0.01)
    assert float(gain[0, 1]) == pytest.approx(peak - 2.0, abs=0.01), (
        "the beam is 5 degrees below: 355 of the vertical cut"
    )
    assert float(gain[1, 0]) == pytest.approx(peak - 15.8, abs=0.01), "90 of the horizontal cut"
    assert float(gain[0, 2]) == pytest.approx(amb - 7.13 - 6.74, abs=0.01), "0 of both cuts"


def test_mechanical_and_electrical_tilt_are_told_apart(folder: Path) -> None:
    """Before the antenna both lower the beam, to the side the electrical one alone."""
    (folder / "u.csv").write_text("x,y,z\n0,1000,1.5\n1000,0,1.5\n500,0,1.5\n")
    level, mech, elec = gains(folder, *(f"0,0,20,macro,46,0,1,{m},{e},{B800}" for m, e in ((0, 0), (8, 0), (0, 8)))).T
    assert float(mech[0]) == pytest.approx(float(elec[0]), abs=0.02)
    assert float(level[0] - mech[0]) > 3
    assert float(level[1] - mech[1]) == pytest.approx(0, abs=0.6) and float(level[1] - elec[1]) > 3


def test_antenna_nodes_look_where_the_beam_does(folder: Path) -> None:
    (folder / "s.csv").write_text(HEADER + f"0,0,20,macro,46,90,2,2,6,{B800}\n0,0,20,macro,46,0,2,3,,{AMB}\n")
    graph = scenario_from_csv(folder / "s.csv", folder / "u.csv").sample(1)
    expected = torch.tensor([8.0, 8.0]).deg2rad()
    torch.testing.assert_close(graph["bs"].tilt_rad, expected)
    torch.testing.assert_close(graph["antenna"].boresight[:, 1], expected.repeat_interleave(2))
    lean = graph["antenna"].offset[:, 2]
    assert not lean.any(), "two ports side by side are level"


def test_a_missing_file_is_named_once_and_the_standards_element_stands_for_it(folder: Path) -> None:
    with pytest.warns(UserWarning, match=r"not beside it: none\.msi \(2 cells\); the element of TR 38\.901") as caught:
        gain = gains(folder, *(f"{x},0,20,macro,46,0,1,2,6,none.msi" for x in (0, 500)))
    assert len(caught) == 1
    (folder / "s.csv").write_text(
        "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,tilt_deg\n0,0,20,macro,46,0,1,8\n500,0,20,macro,46,0,1,8\n"
    )
    plain = scenario_from_csv(folder / "s.csv", folder / "u.csv").sample(1)[CHANNEL].antenna_gain_db
    torch.testing.assert_close(gain, plain.reshape(3, 2))


def test_names_without_suffix_and_antennas_without_azimuth(folder: Path) -> None:
    with pytest.warns(UserWarning, match="got 1 cells with a sector antenna and no azimuth; they are omnidirectional"):
        gain = gains(folder, "0,0,20,macro,46,0,1,0,0,b800a065-18-0e", f"9,0,20,macro,46,,1,0,0,{B800}")
    assert float(gain[0, 0]) == pytest.approx(13.6 + 2.15, abs=0.01) and not gain[:, 1].any()


def test_the_engineers_antenna_is_missing(real_files: Path) -> None:
    folder = real_files / "own_network"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scenario_from_csv(folder / "sites_engineer.csv", folder / "users_engineer.csv")
    assert sum("80010892.msi (90 cells)" in str(each.message) for each in caught) == 1


def test_other_networks_keep_their_digest() -> None:
    """Fields of antennas are new: what was saved before names the same scenario."""
    assert preset("hex-19x3").hash == "2c63ef9d3eee7ea9"


def test_an_antenna_needs_a_bearing_and_no_panel() -> None:
    with pytest.raises(ValueError, match=r"tiers\[0\]\.beam_tilt_deg: got \(3\.0,\), expected none without an antenna"):
        Scenario(tiers=(Tier(beam_tilt_deg=3.0),), channel=Channel())  # type: ignore[arg-type]


def test_a_whole_tilt_beside_the_mechanical_one_has_an_electrical_part(tmp_path: Path) -> None:
    header = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,tilt,mech_tilt\n"
    (tmp_path / "s.csv").write_text(header + "0,0,30,macro,46,0,1,8,2\n")
    (site,) = read_sites(tmp_path / "s.csv")
    assert (site.tilt_deg, site.mech_tilt_deg, site.elec_tilt_deg) == (8, 2, 6)
