"""Names of columns in files of sites and users: one table of aliases, and the units that a header may give.

A header is read whatever its case, order, blanks and punctuation: ``Height [m]``, ``height_m`` and ``HEIGHT`` are one column. A unit
stands in brackets or as the last word; without one a column has the unit that its name here ends in (m, degrees, dBm, Hz);
a load is a share.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hetgraph.units import w_to_dbm

PLACES = {
    "x": "x east easting xcoord coordx utmx utme",
    "y": "y north northing ycoord coordy utmy utmn",
    "lat": "lat latitude gpslat sitelat sitelatitude latwgs84 latdec",
    "lon": "lon lng long longitude gpslon gpslong sitelon sitelongitude lonwgs84 longwgs84 londec",
    "z": "z height antennaheight antheight mastheight towerheight heightagl agl antennaheightagl bsheight hgt h "
    "heightaboveground groundheight radiationcentre radiationcenter",
}
SITES = PLACES | {
    "tier": "tier celltype sitetype cellclass",
    "power_dbm": "power txpower maxtxpower maxpower transmitpower maxtransmitpower outputpower pmax ptx pwr txpwr",
    "azimuth_deg": "azimuth azi az bearing antennaazimuth direction antennadirection dir azm",
    "num_antennas": "numantennas antennas nantennas numant numtx txantennas antennaports",
    "tilt_deg": "tilt downtilt totaltilt totaldowntilt",
    "mech_tilt_deg": "mechtilt mechanicaltilt mechdowntilt mechanicaldowntilt mtilt mdt mechdt dtmech "
    "tiltmech tiltmechanical downtiltmech",
    "elec_tilt_deg": "electilt electricaltilt elecdowntilt electricaldowntilt etilt edt ret rettilt elecdt "
    "dtelec tiltelec tiltelectrical downtiltelec",
    "site": "site siteid sitename sitecode code mast enodeb enodebid enb enbid gnodeb gnodebid gnb gnbid nodeb bts btsname",
    "cell": "cell cellid cellname cellcode sector sectorid sectorname cid ci eci nci ecgi nrcellid eutrancellid id",
    "carrier_hz": "carrier freq frequency carrierfrequency carrierfreq dlfrequency dlfreq centrefrequency centerfrequency",
    "earfcn": "earfcn arfcn nrarfcn dlearfcn earfcndl nrarfcndl dlarfcn",
    "band": "band freqband frequencyband operatingband bandmhz",
    "antenna": "antennaennafile antennapattern antennapatternfile antennatype antennamodel antennaname pattern",
    "panel_rows": "panelrows",
    "panel_columns": "panelcolumns",
    "panel_tilt_deg": "paneltilt",
    "radio": "radio rat technology tech",
    "operator": "operator plmn mccmnc",
    "mcc": "mcc",
    "net": "net mnc",
    "load": "load cellload prbutil prbutilisation prbutilization prbload prbusage dlprbutil dlprbutilisation dlprbutilization "
    "dlprbload dlprbusage dlload utilisation utilization rbutilisation rbutilization dlrbutilisation dlrbutilization",
}
DENSITY = {name: PLACES[name] for name in ("x", "y", "lat", "lon")} | {
    "density": "density userdensity usersdensity populationdensity popdensity trafficdensity userskm2 userssqkm",
    "weight": "weight users numusers usercount traffic trafficvolume population pop erlang erlangs demand value total",
}
USERS = PLACES | {
    "user": "user userid username ue ueid id",
    "indoor": "indoor indoors isindoor indoorflag indooroutdoor inside inbuilding",
    "floor": "floor floornumber floorno floornr floorlevel storey story level",
}

Convert = Callable[[float], float]


def _times(factor: float) -> Convert:
    return lambda value: value * factor


_ONE = _times(1.0)
_MOST_GHZ, _MOST_MHZ = 100.0, 1e6
_LENGTH = {
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), _ONE),
    "km": _times(1e3),
    "ft": _times(0.3048),
    "feet": _times(0.3048),
}
_ANGLE = dict.fromkeys(("deg", "degree", "degrees", "°"), _ONE)
_POWER: dict[str, Convert] = {
    "dbm": _ONE,
    "dbw": lambda value: value + 30.0,
    "w": w_to_dbm,
    "watt": w_to_dbm,
    "watts": w_to_dbm,
    "mw": lambda value: w_to_dbm(value * 1e-3),
}
_SHARE = {
    **dict.fromkeys(("%", "pct", "percent", "percentage"), _times(1e-2)),
    **dict.fromkeys(("share", "fraction", "ratio"), _ONE),
}
_FREQUENCY = {"hz": _ONE, "khz": _times(1e3), "mhz": _times(1e6), "ghz": _times(1e9)}
_UNITS: dict[str, dict[str, Convert]] = {
    **dict.fromkeys(("x", "y", "z"), _LENGTH),
    **dict.fromkeys(("lat", "lon"), _ANGLE),
    **dict.fromkeys(("azimuth_deg", "tilt_deg", "mech_tilt_deg", "elec_tilt_deg", "panel_tilt_deg"), _ANGLE),
    "power_dbm": _POWER,
    "carrier_hz": _FREQUENCY,
    "load": _SHARE,
}


_SUFFIXES = sorted({unit for units in _UNITS.values() for unit in units}, key=len, reverse=True)


def _frequency_hz(value: float) -> float:
    """A frequency without a unit: radio is between 0.1 and 100 GHz, so that GHz, MHz and Hz cannot be mistaken."""
    return value * (1e9 if value < _MOST_GHZ else 1e6 if value < _MOST_MHZ else 1.0)


@dataclass(frozen=True)
class Header:
    """Which columns of a file mean what.

    Args:
        path: the file.
        place: column number of each name of the table that the file has.
        text: header of each as the file writes it.
        convert: from the file's unit to that of the name, where it is another one.
        unused: headers that the table does not know, or that say again what another column says.
        unit: what the file counts its rows by.
    """

    path: Path
    place: dict[str, int]
    text: dict[str, str]
    convert: dict[str, Convert] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    unit: str = "line"


def match_header(path: Path, headers: Sequence[str], table: dict[str, str], unit: str = "line") -> Header:
    """Find the columns of a table in a file's header; time and memory are linear in the number of columns.

    Args:
        path: the file.
        headers: its columns.
        table: ``SITES``, ``USERS`` or ``DENSITY``; of several columns with one meaning the one whose alias stands first there is
            taken.
        unit: see :class:`Header`.

    Raises:
        ValueError: a header twice, or one with a unit that its quantity does not have.
    """
    count = Counter(headers)
    twice = next((name for name in headers if count[name] > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: got the column {twice!r} twice, expected it once")
    known = {
        alias.replace("_", ""): (name, rank) for name, text in table.items() for rank, alias in _ranked(name, text)
    }
    best: dict[str, tuple[int, int, str]] = {}  # name -> rank of its alias, column, unit
    for number, header in enumerate(headers):
        match = _known_name(header, known)
        if match is not None and (match[0] not in best or match[1] < best[match[0]][0]):
            best[match[0]] = (match[1], number, match[2])
    taken = {number for _, number, _ in best.values()}
    return Header(
        path,
        {name: number for name, (_, number, _) in best.items()},
        {name: headers[number] for name, (_, number, _) in best.items()},
        {name: convert for name, (_, _, text) in best.items() if (convert := _converter(path, name, text)) is not None},
        tuple(header for number, header in enumerate(headers) if number not in taken),
        unit,
    )


def _ranked(name: str, text: str) -> Iterable[tuple[int, str]]:
    """The name itself first, then its aliases."""
    return enumerate(dict.fromkeys((name, *text.split())))


def _known_name(header: str, known: dict[str, tuple[str, int]]) -> tuple[str, int, str] | None:
    """Name, rank of the alias and unit of a header; ``None`` where the table does not have it."""
    text = unicodedata.normalize("NFKC", header).casefold()
    bracket = re.search(
        r"[\[(]([^\[(\])]*)[\])]", text
    )  # from each opening one to the next bracket: linear in the text
    unit = bracket[1].strip() if bracket else ""
    words = re.findall(r"[^\W_]+|[°%]", text[: bracket.start()] + text[bracket.end() :] if bracket else text)
    match = known.get("".join(words))
    if match is not None:
        last = words[-1] if len(words) > 1 and not unit and words[-1] in _UNITS.get(match[0], {}) else ""
        return *match, unit or last
    for last in () if unit or not words else (words[-1], *_SUFFIXES):  # height_m, heightm
        name = "".join(words).removesuffix(last)
        match = known.get(name)
        if match is not None and last in _UNITS.get(match[0], {}) and name != "".join(words):
            return *match, last
    return None


def _converter(path: Path, name: str, unit: str) -> Convert | None:
    units = _UNITS.get(name)
    if units is None or (not unit and name != "carrier_hz"):
        return None
    if not unit:
        return _frequency_hz
    word = unit.split()[0]
    if word in units:
        return None if units[word] is _ONE else units[word]
    if units is _ANGLE or units is _SHARE:  # such as lat (WGS84), azimuth (true north), load (busy hour)
        return None
    raise ValueError(f"{path}: {name}: got the unit {unit!r}, expected one of {', '.join(units)}")
