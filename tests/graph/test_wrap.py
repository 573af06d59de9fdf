"""Wrap-around: every mast sees the same world, and the torus has no seam."""

import dataclasses
import math

import pytest
import torch

from hetgraph.graph import CHANNEL, NEIGHBOURS, Channel, Layout, Scenario, Tier, Users, features, preset
from hetgraph.graph.hexagons import hex_rings, whole_rings
from hetgraph.graph.masts import image_shifts


def world(masts: int, places: tuple[tuple[float, float], ...], bearing: float = 90.0) -> Scenario:
    tier = Tier(count=masts, placement="hex", spacing_m=200.0, grid_bearing_deg=bearing, pathloss="umi", height_m=10.0)
    users = Users(count=len(places), placement="fixed", positions=places)
    channel = Channel(fading="none", min_distance_m=1.0)
    return Scenario(layout=Layout(1000, 1000, wrap=True), tiers=(tier,), users=users, channel=channel)


@pytest.mark.parametrize("bearing", [90.0, 0.0, 17.0])
@pytest.mark.parametrize("masts", [1, 7, 19, 37])
def test_images_tile_the_plane(masts: int, bearing: float) -> None:
    """Seven copies of the cluster have no two masts at one place and leave no hole of the grid around the first copy."""
    shifts = image_shifts(world(masts, ((1.0, 1.0),), bearing))
    grid = hex_rings(masts, 200.0, bearing)
    copies = (grid + shifts.unsqueeze(1)).reshape(-1, 2)
    distance = torch.cdist(copies, copies) + 1e6 * torch.eye(len(copies))
    assert float(distance.min()) == pytest.approx(200.0, abs=0.05)
    around = (torch.cdist(grid, copies) < 200.1).sum(1)
    assert around.tolist() == [7] * masts, "each mast of the middle has itself and six neighbours"
    assert whole_rings(masts) is not None and whole_rings(masts + 1) is None


def test_every_mast_is_as_far_from_the_others() -> None:
    scenario = world(19, tuple((float(x), float(y)) for x, y in (hex_rings(19, 200.0) + 500).tolist()))
    distance = scenario.sample(1)[CHANNEL].distance_m.reshape(19, 19)
    ordered = distance.sort(1).values
    torch.testing.assert_close(ordered, ordered[:1].expand_as(ordered), rtol=0, atol=0.01)
    assert float(ordered[0, 1]) == pytest.approx(math.hypot(200.0, 8.5), abs=0.01)


def test_a_mast_sees_a_user_where_its_nearest_image_does() -> None:
    """Distance, line of sight, path loss and shadowing of a link are those of a world without images, at the place less the shift."""
    inside = (torch.rand(60, 2, generator=torch.Generator().manual_seed(2)) - 0.5) * 500 + 500
    base = world(7, ((0.0, 0.0),))

    def links(places: torch.Tensor, wrap: bool) -> dict[str, torch.Tensor]:
        fixed = Users(count=60, placement="fixed", positions=tuple(map(tuple, places.tolist())))
        layout = dataclasses.replace(base.layout, wrap=wrap)
        edges = dataclasses.replace(base, users=fixed, layout=layout).sample(1, seed=1)[CHANNEL]
        names = ("distance_m", "los", "pathloss_db", "shadow_db")
        return {name: edges[name].reshape(60, 7).float() for name in names}

    wrapped = links(inside, wrap=True)
    copies = [links(inside - shift, wrap=False) for shift in image_shifts(base)]
    nearest = torch.stack([copy["distance_m"] for copy in copies]).argmin(0, keepdim=True)
    assert len(nearest.unique()) == 7, "every image is somebody's nearest"
    for name, value in wrapped.items():
        expected = torch.stack([copy[name] for copy in copies]).gather(0, nearest).squeeze(0)
        torch.testing.assert_close(value, expected, rtol=0, atol=2e-2)


def test_neighbours_reach_around() -> None:
    graph = world(19, ((1.0, 1.0),)).sample(1)
    degree = torch.bincount(graph[NEIGHBOURS].edge_index[0], minlength=19)
    assert degree.tolist() == [6] * 19, "all six neighbours, at the rim too"


def test_what_cannot_wrap() -> None:
    for tier in (Tier(), Tier(count=5, placement="hex", spacing_m=100.0)):
        with pytest.raises(ValueError, match=r"layout\.wrap: got .*, expected hexagonal masts of whole rings"):
            Scenario(layout=Layout(wrap=True), tiers=(tier,))


def test_users_of_sectors_are_in_hexagons_of_their_masts() -> None:
    scenario = preset("hex-19x3")
    batch = scenario.sample(2, seed=3)
    users, cells = scenario.users.count, scenario.num_stations
    offset = (
        batch["ue"].pos.reshape(2, users, 3)[..., :2]
        - batch["bs"].pos.reshape(2, cells, 3)[:, torch.arange(users) // 10, :2]
    )
    distance = offset.norm(dim=2)
    assert float(distance.min()) >= 35 - 1e-2 and float(distance.max()) <= 500 / math.sqrt(3) + 1e-2
    own = batch[CHANNEL].distance_m.reshape(2, users, cells)
    nearest = own.min(2).values
    flat = (distance.square() + 23.5**2).sqrt()
    torch.testing.assert_close(nearest, flat, rtol=0, atol=0.05)


def test_features_look_toward_the_nearest_image() -> None:
    """The element's gain follows from the direction columns, on every edge."""
    scenario = preset("hex-19x3:users_per_cell=2")
    batch = scenario.sample(1, seed=2)
    edges = batch[CHANNEL]
    cos, sin = features(batch, CHANNEL, ("cos_azimuth", "sin_azimuth")).unbind(1)
    boresight = batch["bs"].azimuth_rad[edges.edge_index[0]]
    azimuth = torch.atan2(sin * boresight.cos() - cos * boresight.sin(), cos * boresight.cos() + sin * boresight.sin())
    drop = torch.atan2(torch.tensor(23.5), edges.offset_m.norm(dim=1))
    horizontal = (12 * (azimuth / math.radians(65)).square()).clamp(max=30)
    vertical = (12 * (drop / math.radians(65)).square()).clamp(max=30)
    torch.testing.assert_close(edges.antenna_gain_db, 8 - (horizontal + vertical).clamp(max=30), rtol=0, atol=1e-2)


def test_all_tiers_of_a_torus_have_one_grid() -> None:
    tiers = tuple(
        Tier(name, count=7, placement="hex", spacing_m=100.0, grid_bearing_deg=bearing)
        for name, bearing in (("a", 90.0), ("b", 0.0))
    )
    with pytest.raises(ValueError, match=r"layout\.wrap"):
        Scenario(layout=Layout(wrap=True), tiers=tiers)
