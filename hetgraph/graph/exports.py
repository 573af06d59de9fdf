"""Exports that people have and that name no columns, or are no sites: OpenCelliD, CellMapper, G-NetTrack."""

from collections.abc import Sequence
from pathlib import Path

RADIOS = ("GSM", "CDMA", "UMTS", "LTE", "NR")
OPENCELLID = ["radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range", "samples"]
OPENCELLID += ["changeable", "created", "updated", "averageSignal"]
_OPENCELLID_FEWEST = OPENCELLID.index("lat") + 1
_CELLMAPPER_RADIO, _CELLMAPPER_COLUMNS = 8, 12  # lat,lon,alt,mcc,mnc,tac,cellid,rsrp,type,subtype,earfcn,pci


def headerless(path: Path, first: Sequence[str]) -> list[str] | None:
    """Columns of a file whose first line is data; ``None`` where it is a header.

    Raises:
        ValueError: a drive test, or numbers that nothing names.
    """
    names = [cell.casefold() for cell in first]
    if {"timestamp", "networktech"} <= set(names):
        raise ValueError(f"{path}: got a G-NetTrack log, a drive test, expected sites or users")
    numbers = [_is_number(cell) for cell in first]
    if len(first) == _CELLMAPPER_COLUMNS and first[_CELLMAPPER_RADIO].upper() in RADIOS and numbers[0] and numbers[1]:
        raise ValueError(f"{path}: got a CellMapper export, a drive test, expected sites or users")
    lon_lat = slice(_OPENCELLID_FEWEST - 2, _OPENCELLID_FEWEST)
    if _OPENCELLID_FEWEST <= len(first) <= len(OPENCELLID) and first[0].upper() in RADIOS and all(numbers[lon_lat]):
        return OPENCELLID[: len(first)]
    if any(numbers):
        got = ",".join(first[:3])
        raise ValueError(f"{path}: got a first line of numbers ({got},...), expected the names of the columns")
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
