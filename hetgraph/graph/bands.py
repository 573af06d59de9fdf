"""Downlink frequencies of channel numbers and bands (3GPP TS 36.101 Table 5.7.3-1, TS 38.104 sec. 5.4.2.1)."""

import re

# band: lowest downlink frequency, MHz, and first and last downlink EARFCN
_LTE = {
    1: (2110.0, 0, 599),
    2: (1930.0, 600, 1199),
    3: (1805.0, 1200, 1949),
    4: (2110.0, 1950, 2399),
    5: (869.0, 2400, 2649),
    7: (2620.0, 2750, 3449),
    8: (925.0, 3450, 3799),
    11: (1475.9, 4750, 4949),
    12: (729.0, 5010, 5179),
    13: (746.0, 5180, 5279),
    14: (758.0, 5280, 5379),
    17: (734.0, 5730, 5849),
    18: (860.0, 5850, 5999),
    19: (875.0, 6000, 6149),
    20: (791.0, 6150, 6449),
    21: (1495.9, 6450, 6599),
    24: (1525.0, 7700, 8039),
    25: (1930.0, 8040, 8689),
    26: (859.0, 8690, 9039),
    28: (758.0, 9210, 9659),
    29: (717.0, 9660, 9769),
    30: (2350.0, 9770, 9869),
    31: (462.5, 9870, 9919),
    32: (1452.0, 9920, 10359),
    34: (2010.0, 36200, 36349),
    38: (2570.0, 37750, 38249),
    39: (1880.0, 38250, 38649),
    40: (2300.0, 38650, 39649),
    41: (2496.0, 39650, 41589),
    42: (3400.0, 41590, 43589),
    43: (3600.0, 43590, 45589),
    46: (5150.0, 46790, 54539),
    48: (3550.0, 55240, 56739),
    65: (2110.0, 65536, 66435),
    66: (2110.0, 66436, 67335),
    68: (753.0, 67536, 67835),
    71: (617.0, 68586, 68935),
    74: (1475.0, 69036, 69465),
    75: (1432.0, 69466, 70315),
    76: (1427.0, 70316, 70365),
    85: (728.0, 70366, 70545),
}
# band: downlink range, MHz, where it has no LTE band of its number
_NR = {
    50: (1432.0, 1517.0),
    51: (1427.0, 1432.0),
    70: (1995.0, 2020.0),
    77: (3300.0, 4200.0),
    78: (3300.0, 3800.0),
    79: (4400.0, 5000.0),
    257: (26500.0, 29500.0),
    258: (24250.0, 27500.0),
    260: (37000.0, 40000.0),
    261: (27500.0, 28350.0),
}
_LAST_EARFCN = 70645
_RASTER = (
    (0, 0.0, 0.005),
    (600_000, 3000.0, 0.015),
    (2_016_667, 24250.08, 0.06),
)  # first NR-ARFCN, MHz there, MHz a step
_LAST_NR_ARFCN = 3_279_165
_LEAST_NAME_MHZ, _MOST_NAME_MHZ = 400, 6000  # bands called by their frequency, such as L1800
_STEP_MHZ = 0.1


def earfcn_hz(number: int, band: str = "") -> float | None:
    """Downlink frequency of an EARFCN or NR-ARFCN, Hz; ``None`` where no band has it.

    Numbers up to 70,645 are EARFCNs unless the band is one of NR (``n78``): NR's lowest bands begin above.
    """
    if number <= _LAST_EARFCN and not band.strip().casefold().startswith("n"):
        for low_mhz, first, last in _LTE.values():
            if first <= number <= last:
                return (low_mhz + _STEP_MHZ * (number - first)) * 1e6
        return None
    if number > _LAST_NR_ARFCN:
        return None
    first, low_mhz, step = next(part for part in reversed(_RASTER) if number >= part[0])
    return (low_mhz + step * (number - first)) * 1e6


def band_hz(band: str) -> float | None:
    """Middle of a band's downlink, Hz, of names such as ``n78``, ``B3``, ``20`` or ``L1800``; ``None`` of others."""
    digits = re.fullmatch(r"[^\d]*(\d{1,4})[^\d]*", band)
    if digits is None:
        return None
    number = int(digits[1])
    if number in _LTE:
        low_mhz, first, last = _LTE[number]
        return (low_mhz + _STEP_MHZ * (last + 1 - first) / 2) * 1e6
    if number in _NR:
        return sum(_NR[number]) / 2 * 1e6
    return number * 1e6 if _LEAST_NAME_MHZ <= number <= _MOST_NAME_MHZ else None
