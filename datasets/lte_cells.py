"""The cells that drive tests know: their keys, masts, operators and carriers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from hetgraph.datasets.lte_rows import Rows
from hetgraph.datasets.lte_sites import weighted_centroid
from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.rsrp_map import Indices, Measured
from hetgraph.graph import Projection

_PLACE_M = 25.0
_ATTEMPTS = 100


@dataclass(frozen=True)
class Cells:
    """Cells of one or more operators; those of one operator on one carrier are a network, others do not disturb them.

    Args:
        plane: in which sites and phones are placed.
        key: ``[C]``, rising, see :class:`~hetgraph.datasets.LTETrace`.
        site: of each cell's mast ``[C, 2]``, m.
        operator: operator and carrier of each cell ``[C]``, a place in ``operators`` and ``carriers``.
        operators: names; several times that of an operator on several carriers.
        carriers: their channel numbers; empty where the files do not tell them.
    """

    plane: Projection
    key: NDArray[np.str_]
    site: Numbers
    operator: Indices
    operators: list[str]
    carriers: list[str]

    def chosen(self, operator: str | None) -> NDArray[np.bool_]:
        """Which of ``operators`` a name means ``[O]``: ``B`` with all its carriers, ``B 1464`` with one.

        Raises:
            ValueError: none of them.
        """
        names = [f"{name} {carrier}".strip() for name, carrier in zip(self.operators, self.carriers, strict=True)]
        chosen = np.array([operator in (None, *pair) for pair in zip(self.operators, names, strict=True)])
        if not chosen.any():
            raise ValueError(f"operator: got {operator!r}, expected one of {', '.join(names)}")
        return chosen

    def index(self, keys: NDArray[np.str_]) -> Indices:
        """Numbers of cells ``[M]``; -1 for one that is not known."""
        place = np.searchsorted(self.key, keys).clip(max=len(self.key) - 1)
        return np.where(self.key[place] == keys, place, -1)

    def xy(self, rows: Rows) -> Numbers:
        """Places of rows ``[M, 2]``, m."""
        return np.stack(self.plane.to_xy(rows.latitude, rows.longitude), 1)

    def measured(self, files: Sequence[Rows]) -> Measured:
        """Rows whose cell is known; no other cell was stronger there than it and the neighbour that the phone reported."""
        cell = np.concatenate([self.index(rows.cell) for rows in files])
        rsrp = np.concatenate([rows.rsrp_dbm for rows in files])
        largest = np.concatenate([np.fmax(rows.rsrp_dbm, rows.neighbour_rsrp_dbm) for rows in files])
        xy = np.concatenate([self.xy(rows) for rows in files])
        known = cell >= 0
        return Measured(xy[known], cell[known], rsrp[known], largest[known], self.site, self.operator)

    def cluster(
        self, rows: Measured, count: int, fewest: int, generator: Generator, operator: str | None = None
    ) -> Indices:
        """Numbers of the cells of one operator and carrier that are nearest to the place of a random row ``[K]``, rising.

        Args:
            rows: rows of known cells.
            count: number of cells K.
            fewest: rows that they must have served together; places are drawn until they have.
            generator: draws the places.
            operator: of the cells, see :meth:`chosen`; ``None`` for that of the row.

        Raises:
            ValueError: no operator with so many cells on a carrier, or no place with so many rows.
        """
        own = np.bincount(self.operator) * np.isin(np.arange(len(self.operators)), self.operator[rows.cell])
        own *= self.chosen(operator)
        starts = np.flatnonzero((own >= count)[self.operator[rows.cell]])
        if not starts.size:
            raise ValueError(
                f"cells: got {count}, expected at most the {own.max()} of an operator with rows in the split"
            )
        most = 0
        for _ in range(_ATTEMPTS):
            start = starts[int(torch.randint(len(starts), (1,), generator=generator))]
            same = np.flatnonzero(self.operator == self.operator[rows.cell[start]])
            apart = np.hypot(*(self.site[same] - rows.xy[start]).T)
            chosen = np.sort(same[np.argsort(apart, kind="stable")[:count]])
            served = int(np.isin(rows.cell, chosen).sum())
            if served >= fewest:
                return chosen
            most = max(most, served)
        raise ValueError(
            f"users: got {fewest}, expected at most {most}, the rows that {count} neighbouring cells served"
        )


def cells_of(files: Sequence[Rows], fewest: int, where: str, dropped: str = "") -> Cells:
    """Cells that served at least ``fewest`` rows.

    A cell stands where its rows say. Where they do not, it stands with the others of its mast, at the centroid of the places
    where they served, weighted by received power.

    Args:
        files: rows of files of one generation.
        fewest: rows that a cell must have served.
        where: named in errors.
        dropped: what became of the rows, for errors.

    Raises:
        ValueError: no such cell.
    """
    names = ("cell", "node", "carrier", "site", "rsrp_dbm")
    rows = {name: np.concatenate([getattr(f, name) for f in files]) for name in names}
    latitude, longitude = (np.concatenate([getattr(f, name) for f in files]) for name in ("latitude", "longitude"))
    key, first, number, count = np.unique(rows["cell"], return_index=True, return_inverse=True, return_counts=True)
    often = count >= fewest
    if not often.any():
        raise ValueError(f"{where}: got no cell with {fewest} rows or more, expected at least one" + _noted(dropped))
    plane = Projection.around(latitude, longitude)
    place = np.stack(plane.to_xy(latitude, longitude), 1)
    site = np.empty((len(key), 2))
    for cell in range(len(key)):
        given = rows["site"][number == cell]
        if np.isfinite(given).all():
            site[cell] = plane.to_xy(*given.mean(0))
        else:
            mast = rows["node"] == rows["node"][first[cell]]
            site[cell] = weighted_centroid(np.round(place[mast] / _PLACE_M) * _PLACE_M, rows["rsrp_dbm"][mast])
    owners = [name.split("/", 1)[0] for name in key[often]]
    pairs, operator = np.unique(np.stack([owners, rows["carrier"][first[often]]], 1), axis=0, return_inverse=True)
    return Cells(plane, key[often], site[often], operator.reshape(-1), *(pairs[:, i].tolist() for i in (0, 1)))


def _noted(dropped: str) -> str:
    return f" ({dropped})" if dropped else ""
