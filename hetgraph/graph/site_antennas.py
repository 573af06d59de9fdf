"""Antennas that a file of cells names, from pattern files beside it."""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hetgraph.channel import AntennaPattern, read_pattern
from hetgraph.graph.site_file import Site

SUFFIXES = (".msi", ".pln", ".ant")
_ROUND_DB = 3.0  # most by which the horizontal cut of an omnidirectional antenna varies


def site_antennas(path: str | Path, sites: Sequence[Site]) -> list[AntennaPattern | None]:
    """Antenna of each cell; ``None`` where it names none, or one whose file is not beside the cells' file.

    Each file is read once. Names match whatever their case, with or without their suffix.

    Args:
        path: the cells' file.
        sites: its cells.

    Raises:
        ValueError: a pattern file that is none.
    """
    named = Counter(site.antenna for site in sites if site.antenna)
    if not named:
        return [None] * len(sites)
    there = _files(Path(path).parent)
    patterns = {name: read_pattern(there[key]) for name in named if (key := Path(name).name.casefold()) in there}
    missing = [f"{name} ({count} cells)" for name, count in sorted(named.items()) if name not in patterns]
    if missing:
        warnings.warn(
            f"{path}: antenna files that are not beside it: {', '.join(missing)}; the element of TR 38.901 stands for them",
            stacklevel=2,
        )
    antennas = [patterns.get(site.antenna) for site in sites]
    astray = 0
    for number, (site, antenna) in enumerate(zip(sites, antennas, strict=True)):
        if antenna is not None and site.azimuth_deg is None and max(antenna.horizontal_db) > _ROUND_DB:
            antennas[number] = None
            astray += 1
    if astray:
        warnings.warn(
            f"{path}: got {astray} cells with a sector antenna and no azimuth; they are omnidirectional",
            stacklevel=2,
        )
    return antennas


def _files(folder: Path) -> dict[str, Path]:
    """Pattern files of a folder by name and by stem; of several of one stem the first of ``.msi``, ``.pln``, ``.ant``."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix.casefold() in SUFFIXES]
    files.sort(key=lambda file: SUFFIXES.index(file.suffix.casefold()))
    names = {file.stem.casefold(): file for file in reversed(files)}
    return names | {file.name.casefold(): file for file in files}
