"""Somebody's own network, as CSV files."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write_sites() -> Callable[..., None]:
    """Writes ``sites.csv`` with thirty three-sector sites on a grid, and ``users.csv`` with users among them.

    With ``names`` cells and users have names of their own, a third of the sites is another tier, and the rows of the cells are
    in no order.
    """

    def write(folder: Path, *, names: bool = False, users: int = 120) -> None:
        rows = []
        for site in range(30):
            x, y = 500.0 * (site % 6), 500.0 * (site // 6) + 250.0 * (site % 2)
            kind = "micro,38" if names and site % 3 == 0 else "macro,43"
            cells = [f"{site}{letter}," if names else "" for letter in "abc"]
            rows += [
                f"S{site},{cell}{x},{y},25,{kind},{azimuth},4"
                for cell, azimuth in zip(cells, (0, 120, 240), strict=True)
            ]
        if names:
            random.Random(1).shuffle(rows)
        header = f"site,{'cell,' if names else ''}x,y,z,tier,power_dbm,azimuth_deg,num_antennas"
        (folder / "sites.csv").write_text("\n".join([header, *rows]) + "\n")
        spots = [
            (2600 * (0.5 + 0.49 * math.sin(3.7 * k)), 2100 * (0.5 + 0.49 * math.cos(2.3 * k))) for k in range(users)
        ]
        lines = [f"{f'phone {k},' if names else ''}{x:.1f},{y:.1f}" for k, (x, y) in enumerate(spots)]
        (folder / "users.csv").write_text("\n".join([f"{'id,' if names else ''}x,y", *lines]) + "\n")

    return write
