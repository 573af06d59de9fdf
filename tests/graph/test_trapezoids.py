"""Polygons as trapezoids: each place inside once, none outside."""

import numpy as np
import pytest

from hetgraph.graph.trapezoids import Box, area_of, trapezoids

EVERYWHERE = Box(-1e4, -1e4, 1e4, 1e4)
SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10.0]])
HOLE = np.array([[2, 2], [4, 3], [4, 5], [3, 6], [2, 4.0]])


def star(corners: int, seed: int) -> np.ndarray:
    """A ring around the origin whose corners are near and far in turn."""
    radius = np.random.default_rng(seed).uniform(5, 50, corners)
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def area(pieces: np.ndarray) -> float:
    south, north, west_south, east_south, west_north, east_north = pieces.T
    return float(((north - south) * (east_south - west_south + east_north - west_north) / 2).sum())


def inside(x: float, y: float, rings: list[np.ndarray]) -> bool:
    """Whether a ray to the east crosses an odd number of edges, edge by edge."""
    odd = False
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0), strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
                odd = not odd
    return odd


def pieces_at(x: float, y: float, pieces: np.ndarray) -> int:
    count = 0
    for south, north, west_south, east_south, west_north, east_north in pieces:
        if south <= y < north:
            t = (y - south) / (north - south)
            count += west_south + t * (west_north - west_south) <= x < east_south + t * (east_north - east_south)
    return count


@pytest.mark.parametrize("box", [EVERYWHERE, Box(-20, -13, 8.5, 30)])
@pytest.mark.parametrize(
    "rings", [[SQUARE, HOLE], [star(17, 1)], [star(40, 2) + np.array([3, 4])], [SQUARE[::-1], HOLE]]
)
def test_each_place_inside_is_in_one_piece(rings: list[np.ndarray], box: Box) -> None:
    pieces, rng = trapezoids(rings, box), np.random.default_rng(3)
    for x, y in rng.uniform(-55, 55, (400, 2)):
        kept = box.west <= x < box.east and box.south <= y < box.north
        assert pieces_at(x, y, pieces) == (kept and inside(x, y, rings)), (x, y)


@pytest.mark.parametrize("rings", [[SQUARE], [SQUARE, HOLE], [star(301, 4)], [star(50, 5) + 5e6]])
def test_the_pieces_have_the_area_of_the_polygon(rings: list[np.ndarray]) -> None:
    box = Box(-1e7, -1e7, 1e7, 1e7)
    assert area(trapezoids(rings, box)) == pytest.approx(area_of(rings), rel=1e-8)
    assert area_of([SQUARE, HOLE]) == 94.5


def test_holes_that_share_an_edge_or_a_corner_with_the_outer_ring() -> None:
    for hole in (np.array([[0, 2], [3, 2], [3, 5], [0, 5.0]]), np.array([[0, 0], [4, 1], [4, 4.0]])):
        assert area(trapezoids([SQUARE, hole], EVERYWHERE)) == pytest.approx(100 - area_of([hole]))


def test_rings_that_cross_and_boxes_elsewhere() -> None:
    with pytest.raises(ValueError, match="got rings that cross themselves or each other, expected simple ones"):
        trapezoids([np.array([[0, 0], [1, 1], [1, 0], [0, 1.0]])], EVERYWHERE)
    assert len(trapezoids([SQUARE], Box(20, 20, 30, 30))) == len(trapezoids([SQUARE], Box(20, 0, 30, 10))) == 0
