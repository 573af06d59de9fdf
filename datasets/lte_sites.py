"""Sites and pseudo-users of a trace, for ``hetgraph compare --sites ... --users ...``."""

from collections import defaultdict
from pathlib import Path
from typing import Literal

import numpy as np

from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.lte_trace import LTETrace
from hetgraph.graph import Site, write_sites, write_users
from hetgraph.graph.geo import Projection


def estimate_sites(
    trace: LTETrace, *, fewest: int = 5, by: Literal["cell", "node"] = "cell", carrier: str | None = None
) -> dict[str, tuple[float, float]]:
    """Latitude and longitude of each cell, or of each node, whose cells stand on one mast.

    4G traces of 2018 give it. For others it is the centroid of the places where the cell served, weighted by received power in mW; the
    power at one place is the mean over its rows, so that a phone that waits there does not pull. It lies on the road that the
    phone took, and so is an estimate.

    Args:
        trace: a trace.
        fewest: rows that a cell, or node, must have served with a known place and RSRP.
        by: what gets a site.
        carrier: channel number of the cells that count; ``None`` for all.
    """
    known = np.isfinite(trace.rsrp_dbm) & np.isfinite(trace.latitude) & np.isfinite(trace.longitude)
    if carrier is not None:
        known &= np.array(trace.carrier) == carrier
    rows: dict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(getattr(trace, by)):
        if key and known[i]:
            rows[key].append(i)
    often = {key: np.array(members) for key, members in rows.items() if len(members) >= fewest}
    if np.isfinite(trace.site).any():
        return {key: (float(trace.site[m[0], 0]), float(trace.site[m[0], 1])) for key, m in often.items()}
    places = np.stack([trace.latitude, trace.longitude], 1)
    return {key: weighted_centroid(places[members], trace.rsrp_dbm[members]) for key, members in often.items()}


def weighted_centroid(places: Numbers, rsrp_dbm: Numbers) -> tuple[float, float]:
    """Centroid of places ``[M, 2]`` weighted by received power in mW, each place counting once with its mean power.

    Args:
        places: where the cell served ``[M, 2]``, in degrees or metres.
        rsrp_dbm: RSRP there ``[M]``, dBm.
    """
    places, inverse, count = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    power_mw = np.bincount(inverse.reshape(-1), 10 ** (rsrp_dbm / 10)) / count
    first, second = np.average(places, axis=0, weights=power_mw)
    return float(first), float(second)


def export_csv(
    trace: LTETrace,
    sites: str | Path,
    users: str | Path,
    *,
    most_users: int = 500,
    height_m: float = 25.0,
    power_dbm: float = 46.0,
    carrier: str | None = None,
) -> tuple[int, int]:
    """Write estimated sites and pseudo-users for ``hetgraph compare --sites ... --users ...``; returns their numbers.

    Cells of one node become one site. Users are rows spread evenly over the trace; a phone that stood still gives several users
    at one place. A trace tells nothing about masts: their height and power are assumptions.

    Args:
        trace: a trace.
        sites: file to write.
        users: file to write.
        most_users: users to write at most.
        height_m: antenna height of all sites.
        power_dbm: power budget of all sites.
        carrier: channel number of the cells, of a trace that tells several: all sites of a file are on one.

    Raises:
        ValueError: a trace without any cell that served often enough, several carriers and no choice, or no users wanted.
    """
    if most_users < 1:
        raise ValueError(f"most_users: got {most_users}, expected at least 1")
    carriers = sorted(set(trace.carrier) - {""})
    if (carrier is None and len(carriers) > 1) or carrier not in (None, *carriers):
        got = f"{carrier!r}" if carrier is not None else "none"
        raise ValueError(f"carrier: got {got}, expected one of {', '.join(carriers)}, the carriers of {trace.path}")
    places_of_cells = estimate_sites(trace, by="node", carrier=carrier)
    if not places_of_cells:
        raise ValueError(f"{trace.path}: got no cell with known site, expected at least one")
    places = sorted(set(places_of_cells.values()))
    plane = Projection.around((p[0] for p in places), (p[1] for p in places))
    xy = [plane.to_xy(*place) for place in places]
    write_sites(sites, [Site(round(x, 1), round(y, 1), height_m, "macro", power_dbm, None, 1) for x, y in xy])
    known = np.flatnonzero(np.isfinite(trace.latitude) & np.isfinite(trace.longitude))
    rows = known[np.unique(np.linspace(0, len(known) - 1, min(most_users, len(known))).round().astype(int))]
    x, y = plane.to_xy(trace.latitude[rows], trace.longitude[rows])
    write_users(users, [(float(a), float(b)) for a, b in zip(x.round(1), y.round(1), strict=True)])
    return len(xy), len(rows)
