"""Cells around those under study: they serve nobody, and what they send is interference, at the load of their counters."""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from hetgraph.graph.csvfile import Table
from hetgraph.graph.scenario_parts import Radio
from hetgraph.graph.site_file import Site, sites_of

MOST_DISTANCE_M = 10e3  # beyond, 38.901's urban macro loses 160 dB and more
MOST_CELLS = 100  # the nearest ones; each costs as much as a cell under study


def far_cells(
    around: Table, table: Table, cells: Sequence[Site], radio: Radio, carrier_hz: float, usual: float | None
) -> list[Site]:
    """The nearest cells around those under study, on their carriers, each with a load.

    A cell without a load takes the file's mean, and where no cell has any ``radio.far_load``; one without a frequency has the
    base's. One warning says how many there are, at which mean load.

    Args:
        around: cells outside the window.
        table: cells under study, whose plane places are in.
        cells: the same.
        radio: the base's.
        carrier_hz: of cells without a frequency.
        usual: mean load of the file's cells, ``None`` where none has any.

    Raises:
        ValueError: no cell around.
    """
    # Cells under study by their frequency: a far cell is on the carrier of those that name it, or leave it out.
    carriers = {carrier_hz if cell.carrier_hz is None else cell.carrier_hz: cell.carrier_hz for cell in cells}
    sites = sites_of(around, around.places(table.projection())) if around.rows else []
    named = [(carrier_hz if site.carrier_hz is None else site.carrier_hz, site) for site in sites]
    sites = [dataclasses.replace(site, carrier_hz=carriers[hz]) for hz, site in named if hz in carriers]
    tree = cKDTree([(cell.x, cell.y) for cell in cells])
    places = np.array([(site.x, site.y) for site in sites]).reshape(-1, 2)
    distance_m = np.asarray(tree.query(places)[0])
    order = np.argsort(distance_m, kind="stable")
    near = [sites[i] for i in order if distance_m[i] <= MOST_DISTANCE_M][:MOST_CELLS]
    path = table.header.path
    if not near:
        raise ValueError(
            f"{path}: far_cells: got no cell on the carriers of those in the window, outside it and within "
            f"{MOST_DISTANCE_M / 1e3:g} km of them, expected at least one"
        )
    mean = radio.far_load if usual is None else usual
    loads = [mean if site.load is None else site.load for site in near]
    warnings.warn(
        f"{path}: {len(near)} of {len(around.rows)} cells outside the window interfere, at a mean load of "
        f"{math.fsum(loads) / len(loads):.0%}" + (", since the file has no loads" if usual is None else ""),
        stacklevel=2,
    )
    return [dataclasses.replace(site, load=load) for site, load in zip(near, loads, strict=True)]
