"""Cells of an operator's network from a file, and back."""

import csv
import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hetgraph.channel import Panel
from hetgraph.graph.aliases import SITES
from hetgraph.graph.bands import band_hz, earfcn_hz
from hetgraph.graph.csvfile import Row, Table, read_table
from hetgraph.graph.geo import Projection
from hetgraph.graph.loads import loads_of, with_load_unit, without_loads
from hetgraph.graph.selection import Selection

SITE_COLUMNS = ("x", "y", "z", "tier", "power_dbm", "azimuth_deg", "num_antennas")
MORE_SITE_COLUMNS = (
    "tilt_deg",
    "site",
    "cell",
    "carrier_hz",
    "antenna",
    "panel_rows",
    "panel_columns",
    "panel_tilt_deg",
    "load",
)
MODELS = {"macro": "uma", "micro": "umi", "pico": "umi", "rural": "rma", "indoor": "inh-mixed"}
_MOST_ELEMENTS, _LEAST_CARRIER_HZ, _MOST_CARRIER_HZ, _MOST_CHANNEL = 64, 1e6, 1e12, 4_000_000
_MOST_NAMED = 200  # columns in a warning
_DEFAULTS = {
    "z": "height {z:g} m",
    "tier": "tier {tier}",
    "power_dbm": "power {power_dbm:g} dBm",
    "azimuth_deg": "no azimuth (omnidirectional)",
    "num_antennas": "{num_antennas} antenna",
}


@dataclasses.dataclass(frozen=True)
class Site:
    """A cell of a user's own network.

    Args:
        x: east, m.
        y: north, m.
        z: antenna height, m.
        tier: name of its tier; macro, micro, pico, rural and indoor choose the propagation model, others take the base's.
        power_dbm: power budget.
        azimuth_deg: compass bearing of a sector antenna, clockwise from north; ``None`` for an omnidirectional one.
        num_antennas: antenna nodes.
        tilt_deg: downtilt, mechanical plus electrical, positive downwards.
        site: name of its mast; cells of one name, or within a metre of each other, are on one.
        cell: its own name.
        carrier_hz: carrier frequency; ``None`` for the base's.
        panel_rows: elements of its panel, one above the other; 0 for no panel.
        panel_columns: elements side by side.
        panel_tilt_deg: electrical downtilt of the panel's beam, in addition to ``tilt_deg``, which tilts the panel.
        elec_tilt_deg: the electrical part of ``tilt_deg``; ``None`` where it is not known: then ``tilt_deg`` tilts the antenna.
        antenna: name of its pattern file (``.msi``, ``.pln``, ``.ant``); empty for the standard's element.
        load: share of its resource blocks that is in use, as its counters say; ``None`` where it is not known or not read.
    """

    x: float
    y: float
    z: float = 25.0
    tier: str = "macro"
    power_dbm: float = 46.0
    azimuth_deg: float | None = None
    num_antennas: int = 1
    tilt_deg: float = 0.0
    site: str = ""
    cell: str = ""
    carrier_hz: float | None = None
    panel_rows: int = 0
    panel_columns: int = 1
    panel_tilt_deg: float = 0.0
    elec_tilt_deg: float | None = None
    antenna: str = ""
    load: float | None = None

    @property
    def panel(self) -> Panel | None:
        """Its panel, if it has one."""
        if not self.panel_rows:
            return None
        return Panel(self.panel_rows, self.panel_columns, tilt_deg=self.panel_tilt_deg)

    @property
    def mech_tilt_deg(self) -> float:
        """Downtilt of the antenna itself."""
        return self.tilt_deg - (self.elec_tilt_deg or 0.0)


def read_sites(
    path: str | Path, *, projection: Projection | None = None, selection: Selection = Selection()
) -> list[Site]:
    """Cells of a file, by the names of its columns; see :mod:`hetgraph.graph.aliases`, and ``docs/own-network.md``.

    One warning names what is missing and the values taken in its place, one the columns that are not used.

    Args:
        path: CSV, GeoJSON of points, or OpenCelliD's export; ``lat,lon`` may stand for ``x,y``.
        projection: plane for ``lat,lon``; the one that touches in the middle of the sites when ``None``.
        selection: which cells are taken.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no places, a cell that is no number or out of range, no rows.
    """
    table = site_table(path, selection)
    return sites_of(table, table.places(projection))


def site_table(path: str | Path, selection: Selection = Selection()) -> Table:
    """Rows of a file of cells that a selection takes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no table of places, or no row that is taken.
    """
    return taken(read_cells(path, reads_load=selection.reads_load), selection)


def taken(cells: Table, selection: Selection) -> Table:
    """The cells that a selection takes; a warning where these are of several technologies.

    Raises:
        ValueError: no row that is taken.
    """
    table = selection.of(cells)
    if "radio" in table:
        count = Counter(row.cells["radio"] for row in table.rows)
        if len(count) > 1:
            mixed = ", ".join(f"{number} of {radio}" for radio, number in sorted(count.items()))
            warnings.warn(
                f"{table.header.path}: got cells of several technologies ({mixed}) as one network; choose one by radio",
                stacklevel=2,
            )
    return table


def read_cells(path: str | Path, *, reads_load: bool = False) -> Table:
    """All rows of a file of cells, with the warnings of what its columns are.

    Args:
        path: the file.
        reads_load: load counters are read.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no table of places.
    """
    table = read_table(path, SITES)
    table = with_load_unit(table) if reads_load else without_loads(table)
    _name_defaults(table)
    name_unused(table)
    return table


def _name_defaults(table: Table) -> None:
    """One warning with the values that stand for missing columns."""
    missing = [text for name, text in _DEFAULTS.items() if name not in table]
    if missing:
        if not any(name in table for name in ("carrier_hz", "earfcn", "band")):
            missing.append("the base's carrier")
        values = ", ".join(missing).format(**dataclasses.asdict(Site(0, 0)))
        warnings.warn(f"{table.header.path}: taken by default, since no column says so: {values}", stacklevel=2)


def name_unused(table: Table) -> None:
    """One warning with the columns that are not read."""
    names = table.header.unused
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        text = ", ".join(names[:_MOST_NAMED]) + more
        warnings.warn(f"{table.header.path}: columns that are not used: {text}", stacklevel=2)


def sites_of(table: Table, places: Sequence[tuple[float, float]]) -> list[Site]:
    """Cells of a table at their places, m.

    Raises:
        ValueError: a cell that is no number or out of range.
    """
    loads = loads_of(table)
    return [_site(row, place, load) for row, place, load in zip(table.rows, places, loads, strict=True)]


def _site(row: Row, place: tuple[float, float], load: float | None) -> Site:
    values: dict[str, object] = {"load": load}
    if "z" in row.cells:
        values["z"] = row.number_of("z")
        if row.number_of("z") <= 0:
            raise row.error("z", "a positive height, m")
    if "tier" in row.cells:
        tier = row.text("tier")
        values["tier"] = tier.casefold() if tier.casefold() in MODELS else tier
    if "power_dbm" in row.cells:
        values["power_dbm"] = row.number_of("power_dbm")
    if "num_antennas" in row.cells:
        antennas = row.number_of("num_antennas")
        if antennas != int(antennas) or antennas < 0:
            raise row.error("num_antennas", "a whole number of 0 or more")
        values["num_antennas"] = int(antennas)
    azimuth = row.number_of("azimuth_deg", -360, 360) if row.has("azimuth_deg") else None
    names = {name: row.text(name) for name in ("site", "cell", "antenna") if row.has(name)}
    values |= names | _panel(row, azimuth) | {"azimuth_deg": azimuth, "carrier_hz": _carrier_hz(row)}
    return Site(*place, **(values | _tilts(row, values)))  # type: ignore[arg-type]


def _panel(row: Row, azimuth: float | None) -> dict[str, object]:
    """Rows, columns and tilt of a panel, as far as the row has them."""
    read: dict[str, Callable[[str], object]] = {
        "panel_rows": lambda name: row.whole(name, 0, _MOST_ELEMENTS),
        "panel_columns": lambda name: row.whole(name, 1, _MOST_ELEMENTS),
        "panel_tilt_deg": lambda name: row.number_of(name, -90, 90),
    }
    panel = {name: reader(name) for name, reader in read.items() if row.has(name)}
    if panel.get("panel_rows") and azimuth is None:
        what = "a bearing, since the cell has a panel"
        raise (
            row.error("azimuth_deg", what)
            if "azimuth_deg" in row.cells
            else ValueError(f"{row.where}, azimuth_deg: got none, expected {what}")
        )
    if panel.get("panel_rows") and row.has("antenna"):
        raise row.error("antenna", "none, since the cell has a panel")
    if not panel.get("panel_rows") and (panel.get("panel_columns", 1) != 1 or panel.get("panel_tilt_deg", 0) != 0):
        raise ValueError(f"{row.where}, panel_rows: got nothing, expected the rows of the cell's panel")
    return panel


def _tilts(row: Row, values: dict[str, object]) -> dict[str, object]:
    """Downtilts: the whole one, and its electrical part where the file tells them apart."""
    tilt, mech, elec = (
        row.number_of(name, -90, 90) if row.has(name) else None
        for name in ("tilt_deg", "mech_tilt_deg", "elec_tilt_deg")
    )
    if elec is None and mech is not None and tilt is not None:
        elec = tilt - mech
    if elec is None:
        return {"tilt_deg": mech if mech is not None else tilt or 0.0}
    if mech is None:
        mech = tilt - elec if tilt is not None else 0.0
    if values.get("panel_rows") and "panel_tilt_deg" not in values:
        return {"tilt_deg": mech, "panel_tilt_deg": elec}
    return {"tilt_deg": mech + elec, "elec_tilt_deg": elec}


def _carrier_hz(row: Row) -> float | None:
    """Frequency of a cell, Hz, by its frequency, channel number or band, the first that it has."""
    if row.has("carrier_hz"):
        return row.number_of("carrier_hz", _LEAST_CARRIER_HZ, _MOST_CARRIER_HZ)
    if row.has("earfcn"):
        frequency = earfcn_hz(row.whole("earfcn", 0, _MOST_CHANNEL), row.cells.get("band", ""))
        if frequency is None:
            raise row.error("earfcn", "the downlink channel number of an LTE or NR band")
        return frequency
    if row.has("band"):
        frequency = band_hz(row.cells["band"])
        if frequency is None:
            raise row.error("band", "an LTE or NR band such as B3 or n78")
        return frequency
    return None


def write_sites(path: str | Path, sites: Sequence[Site]) -> None:
    """Write cells; inverse of :func:`read_sites`. Columns beyond the first seven are written where a cell needs them."""
    default = Site(0, 0)
    more = [name for name in MORE_SITE_COLUMNS if any(getattr(s, name) != getattr(default, name) for s in sites)]
    if any(site.elec_tilt_deg is not None for site in sites):
        more = ["mech_tilt_deg", "elec_tilt_deg", *(name for name in more if name != "tilt_deg")]
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*SITE_COLUMNS, *more])
        for site in sites:
            values = (getattr(site, name) for name in (*SITE_COLUMNS, *more))
            writer.writerow(["" if value is None else value for value in values])
