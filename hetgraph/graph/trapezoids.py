"""Polygons, with their holes, as trapezoids whose parallel sides run from west to east."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
MOST_PIECES = 2_000_000  # of an edge within a strip, of one polygon
_TOUCHES = 1e-9  # of the extent: edges that are so near do not cross


@dataclass(frozen=True)
class Box:
    """A rectangle, m.

    Args:
        west: least x.
        south: least y.
        east: greatest x.
        north: greatest y.
    """

    west: float
    south: float
    east: float
    north: float

    def with_box(self, other: "Box") -> "Box":
        """The least box that has both."""
        low, high = (self.west, self.south, other.west, other.south), (self.east, self.north, other.east, other.north)
        return Box(min(low[::2]), min(low[1::2]), max(high[::2]), max(high[1::2]))


def area_of(rings: Sequence[Numbers]) -> float:
    """Area within the first ring ``[V, 2]`` and outside the others (holes)."""
    first, *holes = (abs(float(_twice_area(ring))) / 2 for ring in rings)
    return first - sum(holes)


def _twice_area(ring: Numbers) -> float:
    """Signed, about the first corner, so that no digits are lost far from the origin."""
    x, y = (ring - ring[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def trapezoids(rings: Sequence[Numbers], box: Box) -> Numbers:
    """Trapezoids ``[P, 6]`` that cover what lies within an odd number of rings and within a box, each place once.

    The plane is cut into strips at the heights of all corners, and of all places where an edge meets a side of the box: within a
    strip edges are straight and do not cross, so that from west to east each second gap between them is inside.

    Args:
        rings: corners ``[V, 2]``, m; the last one is joined to the first.
        box: what is kept.

    Returns:
        south, north, west and east of the southern side, west and east of the northern one.

    Raises:
        ValueError: a ring that crosses itself or another one, or more pieces than can be held.
    """
    low, high = _edges(rings)
    heights = _strips(low, high, box)
    if len(heights) < 2:
        return np.zeros((0, 6))
    first, end = (np.searchsorted(heights, np.clip(e[:, 1], box.south, box.north)) for e in (low, high))
    count = np.maximum(end - first, 0)
    if count.sum() > MOST_PIECES:
        raise ValueError(f"got more than {MOST_PIECES} pieces of edges, expected simpler polygons")
    edge = np.repeat(np.arange(len(low)), count)
    strip = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count) + first[edge]
    south, north = (_at(low[edge], high[edge], heights[strip + k]) for k in (0, 1))
    order = np.lexsort((south + north, strip))
    strip, south, north = strip[order], south[order], north[order]
    _refuse_crossings(strip, south, north)
    south, north, at = np.clip(south, box.west, box.east), np.clip(north, box.west, box.east), strip[::2]
    west_south, east_south, west_north, east_north = south[::2], south[1::2], north[::2], north[1::2]
    pieces = np.stack([heights[at], heights[at + 1], west_south, east_south, west_north, east_north], 1)
    kept = (pieces[:, 3] > pieces[:, 2]) | (pieces[:, 5] > pieces[:, 4])
    return np.asarray(pieces[kept])


def _edges(rings: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
    """Lower and upper ends ``[E, 2]`` of all edges but the level ones."""
    start = np.concatenate(rings)
    stop = np.concatenate([np.roll(ring, -1, 0) for ring in rings])
    up = (start[:, 1] < stop[:, 1])[:, None]
    low, high = np.where(up, start, stop), np.where(up, stop, start)
    leans = low[:, 1] < high[:, 1]
    return low[leans], high[leans]


def _at(low: Numbers, high: Numbers, y: Numbers) -> Numbers:
    """x of edges at heights between their ends; exactly the ends' at these."""
    part = (y - low[:, 1]) / (high[:, 1] - low[:, 1])
    return np.asarray(np.where(part == 1, high[:, 0], low[:, 0] + part * (high[:, 0] - low[:, 0])))


def _strips(low: Numbers, high: Numbers, box: Box) -> Numbers:
    """Heights between which no edge begins, ends or meets a side of the box, from south to north."""
    heights = [low[:, 1], high[:, 1], np.array([box.south, box.north])]
    for side in (box.west, box.east):
        crosses = (low[:, 0] < side) != (high[:, 0] < side)
        (x0, y0), (x1, y1) = low[crosses].T, high[crosses].T
        heights.append(np.clip(y0 + (side - x0) / (x1 - x0) * (y1 - y0), y0, y1))
    return np.unique(np.clip(np.concatenate(heights), box.south, box.north))


def _refuse_crossings(strip: NDArray[np.int64], south: Numbers, north: Numbers) -> None:
    """Edges of a strip that change places between its sides."""
    together = strip[1:] == strip[:-1]
    reach = np.abs([south, north]).max(initial=0) * _TOUCHES
    if bool(together[::2].sum() != len(strip) // 2) or bool(
        (together & ((np.diff(south) < -reach) | (np.diff(north) < -reach))).any()
    ):
        raise ValueError("got rings that cross themselves or each other, expected simple ones")
