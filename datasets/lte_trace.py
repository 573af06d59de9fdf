"""Drive-test traces of Raca et al.: 4G (MMSys 2018, 20 columns) and 5G (MMSys 2020, 26 columns).

A trace is one phone sampled about once a second, with gaps and repeats. Rows of different times taken together are
pseudo-users: they were never in the network at once.
"""

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.graph.tables import Site, write_sites, write_users

COLUMNS_4G = [
    "Timestamp",
    "Longitude",
    "Latitude",
    "Speed",
    "Operatorname",
    "CellID",
    "NetworkMode",
    "RSRP",
    "RSRQ",
    "SNR",
    "CQI",
    "RSSI",
    "DL_bitrate",
    "UL_bitrate",
    "State",
    "NRxRSRP",
    "NRxRSRQ",
    "ServingCell_Lon",
    "ServingCell_Lat",
    "ServingCell_Distance",
]
COLUMNS_5G = [
    "Timestamp",
    "Longitude",
    "Latitude",
    "Speed",
    "Operatorname",
    "CellID",
    "NetworkMode",
    "RSRP",
    "RSRQ",
    "SNR",
    "CQI",
    "RSSI",
    "DL_bitrate",
    "UL_bitrate",
    "State",
    "PINGAVG",
    "PINGMIN",
    "PINGMAX",
    "PINGSTDEV",
    "PINGLOSS",
    "CELLHEX",
    "NODEHEX",
    "LACHEX",
    "RAWCELLID",
    "NRxRSRP",
    "NRxRSRQ",
]
WRONG_SITE_M = 5000.0
_EARTH_M = 6_371_008.8
_MISSING_RSRP = -200.0
_MISSING_RSRQ = 2147483647.0


@dataclass(frozen=True)
class LTETraceDataset:
    """One trace file. Missing numbers are NaN.

    Args:
        path: the file.
        generation: ``4G`` or ``5G``.
        timestamp: as printed ``[T]``.
        latitude: degrees ``[T]``.
        longitude: degrees ``[T]``.
        speed_mps: speed ``[T]``, m/s.
        cell: key of the serving cell ``[T]``: operator, site and sector for 4G, operator and RAWCELLID for 5G; empty if unknown.
        rsrp_dbm: RSRP of the serving cell ``[T]``, dBm.
        snr_db: ``[T]``, dB.
        neighbour_rsrp_dbm: RSRP of one neighbour, whose identity the trace does not give ``[T]``, dBm.
        rate_bps: downlink rate ``[T]``, bit/s.
        site: latitude and longitude of the serving site ``[T, 2]``; NaN for 5G and where the row's site is over 5 km away.
    """

    path: Path
    generation: str
    timestamp: list[str]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    cell: list[str]
    rsrp_dbm: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    neighbour_rsrp_dbm: NDArray[np.float64]
    rate_bps: NDArray[np.float64]
    site: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.timestamp)

    @staticmethod
    def read(path: str | Path) -> "LTETraceDataset":
        """Read a trace, with or without its header.

        Raises:
            FileNotFoundError: no such file.
            ValueError: another number of columns, or no rows.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: got no such file, expected a trace")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
        columns = {20: COLUMNS_4G, 26: COLUMNS_5G}.get(len(rows[0]) if rows else 0)
        if columns is None:
            raise ValueError(f"{path}: got {len(rows[0]) if rows else 0} columns, expected 20 (4G) or 26 (5G)")
        if rows[0][0] == "Timestamp":
            rows = rows[1:]
        for number, row in enumerate(rows, 1):
            if len(row) != len(columns):
                raise ValueError(f"{path}: row {number}: got {len(row)} columns, expected {len(columns)}")
        if not rows:
            raise ValueError(f"{path}: got no rows, expected at least one")
        return _trace(path, dict(zip(columns, zip(*rows, strict=True), strict=True)), len(columns) == 20)


def _trace(path: Path, table: dict[str, tuple[str, ...]], is_4g: bool) -> LTETraceDataset:
    rsrp, neighbour = (_numbers(table[name]) for name in ("RSRP", "NRxRSRP"))
    rsrp[rsrp <= _MISSING_RSRP] = np.nan
    neighbour[(neighbour <= _MISSING_RSRP) | (_numbers(table["NRxRSRQ"]) == _MISSING_RSRQ)] = np.nan
    latitude, longitude = _numbers(table["Latitude"]), _numbers(table["Longitude"])
    site = np.full((len(rsrp), 2), np.nan)
    if is_4g:
        site = np.stack([_numbers(table["ServingCell_Lat"]), _numbers(table["ServingCell_Lon"])], 1)
        distance = great_circle_m(latitude, longitude, site[:, 0], site[:, 1])
        site[distance > WRONG_SITE_M] = np.nan
        keys = [
            f"{operator}/{lat:.6f}/{lon:.6f}/{sector}" if math.isfinite(lat) and sector != "-" else ""
            for operator, (lat, lon), sector in zip(table["Operatorname"], site, table["CellID"], strict=True)
        ]
    else:  # hexadecimal columns are names, never numbers: 53E42 would read as a float
        keys = [
            f"{operator}/{raw}" if raw not in ("-", "") else ""
            for operator, raw in zip(table["Operatorname"], table["RAWCELLID"], strict=True)
        ]
    return LTETraceDataset(
        path=path,
        generation="4G" if is_4g else "5G",
        timestamp=list(table["Timestamp"]),
        latitude=latitude,
        longitude=longitude,
        speed_mps=_numbers(table["Speed"]) / 3.6,
        cell=keys,
        rsrp_dbm=rsrp,
        snr_db=_numbers(table["SNR"]),
        neighbour_rsrp_dbm=neighbour,
        rate_bps=_numbers(table["DL_bitrate"]) * 1e3,
        site=site,
    )


def _numbers(cells: tuple[str, ...]) -> NDArray[np.float64]:
    out = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        try:
            out[i] = float(cell)
        except ValueError:
            continue  # "-" marks a missing value
    return out


def great_circle_m(
    lat1: NDArray[np.float64], lon1: NDArray[np.float64], lat2: NDArray[np.float64], lon2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance on the mean sphere, by the haversine formula, m; all in degrees."""
    a, b, c, d = (np.radians(v) for v in (lat1, lon1, lat2, lon2))
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return np.asarray(2 * _EARTH_M * np.arcsin(np.sqrt(h)))


def local_xy(
    latitude: NDArray[np.float64], longitude: NDArray[np.float64], origin: tuple[float, float]
) -> NDArray[np.float64]:
    """East and north of ``origin`` (latitude, longitude) in metres ``[T, 2]``; good for some tens of kilometres."""
    east = np.radians(longitude - origin[1]) * _EARTH_M * math.cos(math.radians(origin[0]))
    return np.stack([east, np.radians(latitude - origin[0]) * _EARTH_M], 1)


def estimate_sites(trace: LTETraceDataset, *, fewest: int = 5) -> dict[str, tuple[float, float]]:
    """Site of each cell: latitude and longitude.

    4G traces give it; for 5G it is the centroid of the places where the cell served, weighted by received power in mW, which
    lies on the road the phone took and so is an estimate.

    Args:
        trace: a trace.
        fewest: rows that a cell must have served.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(trace.cell):
        if key and math.isfinite(trace.rsrp_dbm[i]) and math.isfinite(trace.latitude[i]):
            rows[key].append(i)
    out = {}
    for key, members in rows.items():
        if len(members) < fewest:
            continue
        if trace.generation == "4G":
            out[key] = (float(trace.site[members[0], 0]), float(trace.site[members[0], 1]))
        else:
            weight = 10 ** (trace.rsrp_dbm[members] / 10)
            place = (
                np.average(trace.latitude[members], weights=weight),
                np.average(trace.longitude[members], weights=weight),
            )
            out[key] = (float(place[0]), float(place[1]))
    return out


def export_csv(
    trace: LTETraceDataset, sites: str | Path, users: str | Path, *, most_users: int = 500
) -> tuple[int, int]:
    """Write estimated sites and pseudo-users for ``hetgraph compare --sites ... --users ...``; returns their numbers.

    Cells at one place become one site. Users are rows spread evenly over the trace; a phone that stood still gives several users
    at one place.

    Raises:
        ValueError: a trace without any cell that served often enough.
    """
    found = estimate_sites(trace)
    if not found:
        raise ValueError(f"{trace.path}: got no cell with known site, expected at least one")
    places = np.array(sorted(set(found.values())))
    origin = (float(places[:, 0].mean()), float(places[:, 1].mean()))
    xy = local_xy(places[:, 0], places[:, 1], origin)
    write_sites(sites, [Site(round(x, 1), round(y, 1), 25.0, "macro", 46.0, None, 1) for x, y in xy])
    known = np.flatnonzero(np.isfinite(trace.latitude) & np.isfinite(trace.longitude))
    rows = known[np.unique(np.linspace(0, len(known) - 1, min(most_users, len(known))).round().astype(int))]
    chosen = local_xy(trace.latitude[rows], trace.longitude[rows], origin).round(1)
    write_users(users, [(float(x), float(y)) for x, y in chosen])
    return len(xy), len(chosen)
