"""Fixtures that several folders share: real files, and data of our own in their formats.

Drive tests whose law is known everywhere, and ray tracing.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hetgraph.datasets.lte_trace import COLUMNS_4G
from hetgraph.graph import Projection

ROOT = Path(__file__).parents[1]
NAN = math.nan
PLANE = Projection(51.9, -8.4)


@pytest.fixture(scope="session")
def lte_traces() -> Path:
    """Folder of the real traces, read in place."""
    folder = Path(os.environ.get("HETGRAPH_DATA", ROOT.parent / "shared" / "data" / "lte_traces"))
    if not folder.is_dir():
        pytest.skip(f"no traces at {folder}; set HETGRAPH_DATA to a folder that holds them")
    return folder


@pytest.fixture(scope="session")
def real_files(lte_traces: Path) -> Path:
    """Folder of real files of all kinds, beside the traces."""
    return lte_traces.parent


@dataclass
class City:
    """Six masts of one sector each on a plane, a law of distance, shadowing, and a drive through them.

    The RSRP of a mast is ``-60 - 35 log10(d / 50 m) + 6 cos(direction - azimuth) + shadow``, d at least 50 m; the shadow has a
    standard deviation of 4 dB and waves of 200 m to 2 km. The phone is served by the strongest mast and reports the second.
    """

    masts: np.ndarray = field(default_factory=lambda: np.array([[x, y] for x in (0.0, 700, 1400) for y in (0.0, 600)]))
    azimuth: np.ndarray = field(default_factory=lambda: np.radians([40.0, 320, 90, 270, 140, 220]))

    def rsrp_dbm(self, xy: np.ndarray) -> np.ndarray:
        offset = xy[:, None] - self.masts
        distance = np.hypot(*offset.transpose(2, 0, 1)).clip(50)
        angle = np.arctan2(offset[..., 1], offset[..., 0])
        rng = np.random.default_rng(99)
        wave, turn = 2 * np.pi / rng.uniform(200, 2000, (6, 16)), rng.uniform(0, 2 * np.pi, (2, 6, 16))
        phase = xy[:, :1, None] * (wave * np.cos(turn[0])) + xy[:, 1:, None] * (wave * np.sin(turn[0])) + turn[1]
        shadow = 4 * np.sqrt(2 / 16) * np.cos(phase).sum(2)  # [M, 6]
        return np.asarray(-60 - 35 * np.log10(distance / 50) + 6 * np.cos(angle - self.azimuth) + shadow)

    def write(
        self, path: Path, *, seconds: int = 900, seed: int = 0, operator: str = "B", skip: tuple[int, ...] = ()
    ) -> Path:
        """Drive at 20 m/s on straight lines between random places, one row a second but for those to skip."""
        rng = np.random.default_rng(seed)
        corners = rng.uniform([-100, -100], [1500, 700], (seconds // 12 + 4, 2))
        way = np.r_[0.0, np.hypot(*np.diff(corners, axis=0).T).cumsum()]
        driven = np.arange(seconds) * 20.0
        assert driven[-1] < way[-1]
        xy = np.stack([np.interp(driven, way, corners[:, i]) for i in (0, 1)], 1)
        heard = self.rsrp_dbm(xy) + rng.normal(0, 1, (seconds, len(self.masts)))
        order = np.argsort(-heard, axis=1)
        lines = [",".join(COLUMNS_4G)]
        for i in range(seconds):
            if i not in skip:
                lines.append(self._row(i, xy[i], heard[i], order[i], operator))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    def _row(self, i: int, xy: np.ndarray, heard: np.ndarray, order: np.ndarray, operator: str) -> str:
        latitude, longitude = PLANE.to_lat_lon(*xy)
        lat, lon = PLANE.to_lat_lon(*self.masts[order[0]])
        row = dict.fromkeys(COLUMNS_4G, "-") | {
            "Timestamp": f"2018.01.19_08.{i // 60:02}.{i % 60:02}",
            "Longitude": f"{longitude:.7f}",
            "Latitude": f"{latitude:.7f}",
            "Speed": "72",
            "Operatorname": operator,
            "CellID": "1",
            "NetworkMode": "LTE",
            "RSRP": f"{round(heard[order[0]])}",
            "NRxRSRP": f"{round(heard[order[1]])}",
            "ServingCell_Lon": f"{lon:.6f}",
            "ServingCell_Lat": f"{lat:.6f}",
        }
        return ",".join(row.values())


class Town:
    """Three transmitters in one set, receivers in two, up to four paths."""

    sizes = {1: 5, 2: 3}

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, rng = folder, np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        self.tx = rng.uniform(0, 100, (3, 3)).astype(np.float32)
        self.rx = {s: rng.uniform(0, 100, (n, 3)).astype(np.float32) for s, n in self.sizes.items()}
        self.arrays: dict[tuple[str, int, int], np.ndarray] = {}
        for j in range(3):
            for s, n in self.sizes.items():
                power = rng.uniform(-120, -60, (n, 4)).astype(np.float32)
                power[rng.random((n, 4)) < 0.3] = NAN
                power[-1] = NAN  # no path from anywhere
                power[0, 0] = -70.0
                inter = np.where(np.isnan(power), NAN, rng.choice([1, 2, 21], (n, 4))).astype(np.float32)
                inter[0, 0] = 0 if j == 1 else 11
                values = {"power": power, "inter": inter, "rx_pos": self.rx[s], "tx_pos": self.tx[j : j + 1]}
                values["phase"] = np.where(np.isnan(power), NAN, rng.uniform(-180, 180, (n, 4))).astype(np.float32)
                values["delay"] = np.where(np.isnan(power), NAN, rng.uniform(1e-8, 1e-6, (n, 4))).astype(np.float32)
                toward = rng.uniform((-180, 30), (180, 150), (n, 4, 2))
                for k, name in enumerate(("aod_az", "aod_el")):
                    values[name] = np.where(np.isnan(power), NAN, toward[..., k]).astype(np.float32)
                for name, value in values.items():
                    self.arrays[name, j, s] = value
                    self.write(name, j, s, value)
        sets = {"txrx_set_0": {"name": "bs", "id": 0, "is_tx": True, "is_rx": True, "num_points": 3}}
        for s, n in self.sizes.items():
            sets[f"txrx_set_{s}"] = {"name": f"grid{s}", "id": s, "is_tx": False, "is_rx": True, "num_points": n}
        self.params: dict[str, Any] = {
            "version": "4.0.0",
            "txrx_sets": sets,
            "rt_params": {"frequency": 3.5e9, "raytracer_name": "Sionna Ray Tracing"},
            "scene": {"num_scenes": 1},
            "materials": {},
        }
        self.write_params()

    def path(self, name: str, j: int, s: int) -> Path:
        return self.folder / f"{name}_t000_tx{j:03}_r{s:03}.npz"

    def write(self, name: str, j: int, s: int, value: np.ndarray, key: str | None = None) -> None:
        np.savez_compressed(self.path(name, j, s), **{key or name: value})

    def write_params(self) -> None:
        (self.folder / "params.json").write_text(json.dumps(self.params))


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A DeepMIMO scenario."""
    return Town(tmp_path / "town")


@pytest.fixture
def make_town() -> type[Town]:
    """Writes another one."""
    return Town


@pytest.fixture
def city() -> City:
    return City()


@pytest.fixture
def drives(city: City, tmp_path: Path) -> Path:
    """Folder of four drives."""
    for number in range(4):
        city.write(tmp_path / "drives" / f"drive-{number}.csv", seed=number)
    return tmp_path / "drives"


@pytest.fixture
def true_rsrp(city: City) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """RSRP of masts at latitudes and longitudes ``[M, 2]``, masts in the order of the given sites ``[K, 2]`` likewise."""

    def rsrp(places: np.ndarray, sites: np.ndarray) -> np.ndarray:
        xy = np.stack(PLANE.to_xy(places[:, 0], places[:, 1]), 1)
        at = np.stack(PLANE.to_xy(sites[:, 0], sites[:, 1]), 1)
        number = [int(np.argmin([math.dist(a, b) for b in city.masts])) for a in at]
        return city.rsrp_dbm(xy)[:, number]

    return rsrp
