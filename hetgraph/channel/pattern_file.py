"""Antenna pattern files in the format of Planet: ``.msi``, ``.pln``, ``.ant``.

Lines of a name and a value (``NAME``, ``GAIN 16.95 dBd``, ``ELECTRICAL_TILT 5``), then ``HORIZONTAL n`` and ``VERTICAL n``, each with
n lines of an angle in degrees and an attenuation in dB. Angles of the horizontal cut go clockwise from the boresight, those of the
vertical one from the horizon downwards. A gain without a unit is in dBd, as the format has it.
"""

import stat
from pathlib import Path

import numpy as np

from hetgraph.channel.pattern import AntennaPattern

DIPOLE_DBI = 2.15  # gain of a half-wave dipole, to which dBd refers
_MOST_BYTES, _MOST_ANGLES, _FINE_STEPS = 1 << 20, 7200, 3600
_FRONT_DEG = 90.0
_CUTS = ("HORIZONTAL", "VERTICAL")


def read_pattern(path: str | Path) -> AntennaPattern:
    """Antenna of a file. The peak has the file's gain: each cut is counted from its least attenuation.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no pattern file, one without gain or a cut, or values that are no numbers.
    """
    path = Path(path)
    lines = _lines(path)
    fields: dict[str, str] = {}
    cuts: dict[str, tuple[float, ...]] = {}
    number = 0
    while number < len(lines):
        words = lines[number].split(maxsplit=1)
        number += 1
        if not words:
            continue
        key, value = words[0].upper(), words[1].strip() if len(words) > 1 else ""
        if key in _CUTS:
            count = _count(path, number, key, value, len(lines) - number)
            cuts[key] = _cut(path, number, key, lines[number : number + count])
            number += count
        else:
            fields.setdefault(key, value)
    missing = [name for name in ("GAIN", *_CUTS) if name not in fields and name not in cuts]
    if missing:
        raise ValueError(f"{path}: got no {missing[0]}, expected an antenna's GAIN, HORIZONTAL and VERTICAL")
    vertical = cuts["VERTICAL"]
    name = fields.get("NAME", "") or path.stem
    return AntennaPattern(
        name, _gain_dbi(path, fields["GAIN"]), cuts["HORIZONTAL"], vertical, _tilt_deg(fields, vertical)
    )


def _lines(path: Path) -> list[str]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected an antenna pattern (.msi, .pln, .ant)")
    state = path.stat()
    if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
        raise ValueError(f"{path}: got no file of at most {_MOST_BYTES} bytes, expected an antenna pattern")
    return path.read_bytes().decode("latin-1").removeprefix("ï»¿").splitlines()


def _count(path: Path, line: int, key: str, value: str, most: int) -> int:
    if not value.isdecimal() or not 1 < int(value) <= min(most, _MOST_ANGLES):
        raise ValueError(
            f"{path}: line {line}, {key}: got {value!r} angles, expected as many as lines that follow ({most})"
        )
    return int(value)


def _cut(path: Path, line: int, key: str, lines: list[str]) -> tuple[float, ...]:
    """Attenuation at equal steps around a turn."""
    try:
        pairs = np.array([[float(word) for word in each.split()] for each in lines])
        angle, loss = pairs.T
    except ValueError:
        raise ValueError(
            f"{path}: line {line}, {key}: got other lines, expected an angle and an attenuation each"
        ) from None
    if not np.isfinite(pairs).all() or (loss.min() < 0 < loss.max()):
        raise ValueError(f"{path}: line {line}, {key}: got {loss.min():g} to {loss.max():g} dB, expected attenuations")
    loss = np.abs(loss) - np.abs(loss).min()  # some files write them as negative gains
    angle, first = np.unique(angle % 360.0, return_index=True)
    loss = loss[first]
    step = 360.0 / len(angle)
    if np.allclose(angle, step * np.arange(len(angle)), atol=1e-6):
        return tuple(loss.tolist())
    fine = np.interp(np.arange(_FINE_STEPS) * (360.0 / _FINE_STEPS), angle, loss, period=360.0)
    return tuple(fine.tolist())


def _gain_dbi(path: Path, value: str) -> float:
    words = value.replace(",", ".").lower().replace("dbi", " dbi").replace("dbd", " dbd").split()
    unit = words[1] if len(words) > 1 else "dbd"
    try:
        gain = float(words[0])
        return gain + {"dbi": 0.0, "dbd": DIPOLE_DBI}[unit]
    except (IndexError, KeyError, ValueError):
        raise ValueError(f"{path}: GAIN: got {value!r}, expected a number and dBd or dBi") from None


def _tilt_deg(fields: dict[str, str], vertical_db: tuple[float, ...]) -> float:
    """Electrical downtilt of the cut: what the file says, else where the vertical cut has its peak, before the antenna."""
    for name in ("ELECTRICAL_TILT", "TILT"):
        try:
            return float(fields.get(name, "").split()[0])
        except (IndexError, ValueError):
            continue
    cut = np.array(vertical_db)
    angle = (np.arange(len(cut)) * (360.0 / len(cut)) + 180.0) % 360.0 - 180.0
    peak = angle[(cut == cut.min()) & (np.abs(angle) <= _FRONT_DEG)]
    return float(peak.mean()) if len(peak) else 0.0
