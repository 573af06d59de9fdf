"""Users where a map of traffic says: their distribution, and that a network's users are its own."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from hetgraph.graph import Layout, Scenario, Tier, Users, check
from hetgraph.graph.density import Density, place_by_density
from hetgraph.graph.streams import Streams

PIECES = Density.of(
    np.array(
        [
            [0, 10, 0, 20, 5, 5, 3],  # a triangle
            [10, 40, 0, 20, 10, 12, 2],  # a trapezoid
            [0, 30, 50, 60, 50, 60, 0],  # nobody
            [50, 50, 70, 70, 70, 70, 5],  # a point
        ],
        dtype=float,
    )
)


def draw(count: int, networks: range = range(1), seed: int = 0) -> torch.Tensor:
    return place_by_density(PIECES, count, Streams(seed, networks))


def test_pieces_have_users_like_their_weights() -> None:
    x, y = draw(20_000)[0].double().unbind(1)
    at = torch.stack([y < 10, (y >= 10) & (y < 50), (x >= 50) & (y < 50), y == 50])
    count = at.sum(1).numpy()
    assert count[2] == 0 and chisquare(count[[0, 1, 3]], 20_000 * np.array([0.3, 0.2, 0.5])).pvalue > 1e-3
    assert (x[at[3]] == 70).all()


def test_users_are_anywhere_in_a_piece_as_likely() -> None:
    """Heights follow the widths, and places across are uniform."""
    x, y = draw(40_000)[0].double().unbind(1)
    low, high = y < 10, (y >= 10) & (y < 50)
    t = (y[low] / 10).numpy()
    assert kstest(t, lambda v: 1 - (1 - v) ** 2).pvalue > 1e-3  # widths 20 (1 - t)
    t = ((y[high] - 10) / 30).numpy()
    assert kstest(t, lambda v: (20 * v - 9 * v**2) / 11).pvalue > 1e-3  # widths 20 - 18 t
    west, east = 10 * t, 20 - 8 * t
    assert kstest((x[high].numpy() - west) / (east - west), "uniform").pvalue > 1e-3


def test_maps_of_very_many_pieces_reach_all_of_them() -> None:
    """A uniform number of 24 bits alone would leave out pieces of less than 6e-8 of the weight, or take them for others."""
    n = 5000
    edge = np.arange(n, dtype=float)
    weight = np.where(edge % 2 == 0, 1e8, 1.0)
    pieces = np.stack([0 * edge, 0 * edge + 1, edge, edge + 1, edge, edge + 1, weight], 1)
    share = weight.cumsum() / weight.sum()
    first = torch.tensor(share[1000] - 1e-12, dtype=torch.double)
    high = (first * 2**24).floor() / 2**24
    low = ((first - high) * 2**24).clamp(0, 1 - 1e-9)
    place = Density.of(pieces).places(torch.stack([high, low, high * 0, high * 0 + 0.5]))
    assert place[0] == 1000.5


def test_a_network_has_the_same_users_alone_and_among_many() -> None:
    many = draw(50, range(8), seed=4)
    for number in (0, 5, 7):
        assert torch.equal(draw(50, range(number, number + 1), seed=4)[0], many[number])
    assert not torch.equal(many[0], many[1]) and not torch.equal(draw(50, seed=5)[0], many[0])
    assert torch.equal(draw(50, range(8), seed=4), many)


def scenario() -> Scenario:
    users = Users(30, placement="density", density=PIECES)
    tier = Tier(count=2, placement="fixed", positions=((10.0, 10.0), (60.0, 40.0)))
    return Scenario("map", Layout(100, 60), (tier,), users)


def test_a_scenario_of_a_map_is_a_scenario() -> None:
    made = scenario()
    assert Scenario.from_yaml(made.to_yaml()) == made
    batch = made.sample(3, seed=1)
    check(batch)
    alone = made.sample(1, seed=1, first=2)
    assert torch.equal(batch.get_example(2)["ue"].pos, alone["ue"].pos)
    assert not torch.equal(made.sample(1, seed=1)["ue"].pos, alone["ue"].pos)
    assert made.trajectories(1, slots=2) is None


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (Users(3, placement="density"), "users.density: got 0, expected pieces for 'density' alone, not 'density'"),
        (Users(3, density=PIECES), "users.density: got 4, expected pieces for 'density' alone, not 'uniform'"),
        (Users(3, placement="density", density=Density(weight=(1.0,))), "expected lists of one length"),
        (
            Users(3, placement="density", density=Density(*[(0.0,)] * 7)),
            r"users.density.weight: got 0.0, expected 0 or more, one above",
        ),
    ],
)
def test_maps_that_are_none(users: Users, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scenario(users=users)
