"""Heights, carriers and distances that a model was not made for get a warning; the antimeridian is no border."""

import dataclasses
import warnings
from pathlib import Path

import pytest

from hetgraph.graph import PRESETS, Channel, Scenario, Tier, Users, preset, scenario_from_csv
from hetgraph.graph.geo import Projection


@pytest.mark.parametrize(
    ("tier", "channel", "sentence"),
    [
        (Tier(height_m=500.0), Channel(), r"tiers\[0\]\.height_m: got 500 m, expected 10 to 150 m, .* 'uma' was made"),
        (Tier(), Channel(carrier_hz=300e9), r"tiers\[0\]\.carrier: got 300 GHz, expected 0.5 to 100 GHz"),
        (Tier(pathloss="rma"), Channel(carrier_hz=60e9), "expected 0.5 to 30 GHz"),
        (Tier(pathloss="cost231", height_m=40.0), Channel(carrier_hz=3.5e9), "expected 1.5 to 2 GHz"),
        (Tier(pathloss="umi"), Channel(), None),
        (Tier(pathloss="free-space", height_m=900.0), Channel(carrier_hz=300e9), None),
    ],
)
def test_one_warning(tier: Tier, channel: Channel, sentence: str | None) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Scenario(tiers=(tier,), channel=channel)
    assert len(caught) == (sentence is not None)
    if sentence is not None:
        with pytest.warns(UserWarning, match=sentence):
            Scenario(tiers=(tier,), channel=channel)


def test_users_above_and_walls_beyond_a_model() -> None:
    with pytest.warns(UserWarning, match="users' height: got 80 m, expected 1.5 to 22.5 m"):
        Scenario(users=Users(height_m=80.0))
    with pytest.warns(
        UserWarning, match="users: got high_loss_fraction=0.5, indoor_distance_m=25, expected 0 and at most 10 m"
    ):
        Scenario(tiers=(Tier(pathloss="rma"),), users=Users(indoor_fraction=0.5, floors=(1, 1)))


def test_presets_are_within_their_models() -> None:
    for name in sorted({*PRESETS} - {"lte-trace"}):
        preset(name)  # a warning is an error here


def test_users_too_far_from_every_mast() -> None:
    tier = Tier(pathloss="umi", height_m=10.0, placement="fixed", positions=((0.0, 0.0),))
    users = Users(count=3, placement="fixed", positions=((100.0, 0.0), (6000.0, 0.0), (0.0, 9000.0)))
    scenario = Scenario(tiers=(tier,), users=users, channel=Channel(shadowing="none"))
    with pytest.warns(UserWarning, match="2 of 3 users are farther from every mast than its model was made for"):
        scenario.sample(1)
    near = dataclasses.replace(
        scenario, users=Users(count=2, placement="fixed", positions=((100.0, 0.0), (4000.0, 0.0)))
    )
    near.sample(1)


def test_both_sides_of_the_antimeridian(tmp_path: Path) -> None:
    header = "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas\n"
    (tmp_path / "s.csv").write_text(header + "-17.0,179.999,25,macro,46,,1\n-17.0,-179.999,25,macro,46,,1\n")
    (tmp_path / "u.csv").write_text("lat,lon\n-17.0,180.0\n-17.0,-180.0\n")
    scenario = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")
    assert scenario.layout.width_m == pytest.approx(213, abs=2)
    graph = scenario.sample(1)
    place = graph["bs"].pos[:, 0]
    assert float(place[1] - place[0]) == pytest.approx(213, abs=2), "the second one is east of the first"
    assert graph["ue"].pos[:, 0].tolist() == pytest.approx([float(place.mean())] * 2, abs=1)
    plane = Projection.around([-17.0, -17.0], [179.999, -179.999])
    assert abs(plane.longitude_deg) == pytest.approx(180.0)
    assert plane.to_lat_lon(*plane.to_xy(-17.0, -179.9)) == pytest.approx((-17.0, -179.9))
