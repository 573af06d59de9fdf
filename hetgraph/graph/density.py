"""Where users are likely to be: a map of traffic as pieces of the plane, from which places are drawn."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hetgraph.graph.streams import Streams
from hetgraph.graph.trapezoids import Box

Numbers = NDArray[np.float64]
MOST_PIECES = 200_000
_BITS = 24  # of a uniform number; the piece takes two of them, since a map may have many


@dataclass(frozen=True)
class Density:
    """Trapezoids whose parallel sides run from west to east; a user is in each of them as likely as its weight says, anywhere.

    Cells of a raster are rectangles, a polygon is cut into trapezoids, and a point is one without extent. Lists have a number for
    each piece; m, but for the weight.

    Args:
        south: of the southern side.
        north: of the northern side.
        west_south: western end of the southern side.
        east_south: its eastern end.
        west_north: western end of the northern side.
        east_north: its eastern end.
        weight: relative, 0 or more.
    """

    south: tuple[float, ...] = ()
    north: tuple[float, ...] = ()
    west_south: tuple[float, ...] = ()
    east_south: tuple[float, ...] = ()
    west_north: tuple[float, ...] = ()
    east_north: tuple[float, ...] = ()
    weight: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.weight)

    @staticmethod
    def of(pieces: Numbers) -> "Density":
        """Of a table ``[P, 7]``, columns as the fields."""
        return Density(*(tuple(column) for column in pieces.T.tolist()))

    def table(self) -> Numbers:
        """Pieces ``[P, 7]``, columns as the fields."""
        return np.array([getattr(self, field.name) for field in fields(self)], dtype=float).T

    @property
    def box(self) -> Box:
        """What the pieces lie in."""
        west, east = (*self.west_south, *self.west_north), (*self.east_south, *self.east_north)
        return Box(min(west), min(self.south), max(east), max(self.north))

    def moved(self, east_m: float, north_m: float) -> "Density":
        """The same elsewhere."""
        shift = np.array([north_m, north_m, east_m, east_m, east_m, east_m, 0.0])
        return Density.of(self.table() + shift) if self else self

    @cached_property
    def _columns(self) -> Tensor:
        """Columns ``[7, P]``."""
        return torch.from_numpy(np.ascontiguousarray(self.table().T))

    def places(self, uniform: Tensor) -> Tensor:
        r"""Places ``[*, 2]``, m, of uniform numbers ``[*, 4]``.

        The first two numbers choose the piece. Within it, with sides of lengths a and b, the height as a part t of its own has the
        density :math:`2 (a + (b - a) t) / (a + b)`, whose distribution function is inverted at the third; x is uniform across.
        """
        south, north, west_south, east_south, west_north, east_north, weight = self._columns
        high, low, third, fourth = uniform.double().unbind(-1)
        total = weight.cumsum(0)
        piece = torch.searchsorted(total, (high + low * 2.0**-_BITS) * total[-1], right=True)
        last = int(weight.nonzero()[-1])
        at = piece.clamp_max(last)
        a, b = (east_south - west_south)[at], (east_north - west_north)[at]
        root = (a.square() + (b.square() - a.square()) * third).clamp_min(0).sqrt()
        t = torch.where(a + b > 0, (a + b) * third / (a + root).clamp_min(torch.finfo(torch.double).tiny), third)
        west, width = torch.lerp(west_south[at], west_north[at], t), torch.lerp(a, b, t)
        return torch.stack([west + width * fourth, torch.lerp(south[at], north[at], t)], -1).float()


def place_by_density(density: Density, users: int, streams: Streams) -> Tensor:
    """Places of so many users of each network ``[n, U, 2]``, m."""
    return density.places(streams.uniform("users/density", users, 4))
