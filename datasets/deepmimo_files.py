"""Ray-traced scenarios in the format of DeepMIMO v4: ``params.json`` and one npz for each array and pair of sets.

``params.json`` names the sets of transmitters and receivers (``txrx_sets``: ``id``, ``is_tx``, ``is_rx``, ``num_points``). The
array ``power`` of transmitter j of set s to the receivers of set r is in ``power_t{s:03}_tx{j:03}_r{r:03}.npz`` under its own
name; so are ``delay``, ``phase``, ``inter``, ``rx_pos``, ``tx_pos``, and the azimuth and zenith angle of departure, ``aod_az`` and
``aod_el``, in degrees. A receiver's missing paths are NaN.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetgraph.channel import SPEED_OF_LIGHT
from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.measured_graph import Carrier
from hetgraph.graph.npz import read_arrays

_LOS = 0.0  # code of a path without interactions
_MOST_SENDERS, _MOST_RECEIVERS = 10_000, 20_000_000
_CONVERT = "`deepmimo.convert(FOLDER)` of the package deepmimo writes it"
_OTHERS = {  # suffix: what has it, and what to do; as deepmimo's converters tell ray tracers apart
    ".parquet": ("output of the ray tracer AODT", _CONVERT),
    ".pkl": ("output of the ray tracer Sionna RT", _CONVERT),
    ".setup": ("output of the ray tracer Wireless InSite", _CONVERT),
    ".p2m": ("output of the ray tracer Wireless InSite without its .setup", f"beside it {_CONVERT}"),
    ".mat": (
        "a scenario of DeepMIMO v3",
        "`deepmimo.download(NAME)` of the package deepmimo has those of its database in v4, and `deepmimo.convert(FOLDER)` "
        "writes it from a ray tracer's own output",
    ),
}


@dataclass(frozen=True)
class ScenarioSets:
    """What ``params.json`` tells: transmitters ``(set, number)``, receivers' sets with their sizes, scenes, carrier."""

    path: Path
    transmitters: list[tuple[int, int]]
    receivers: dict[int, int]
    scenes: int
    carrier_hz: float | None

    @staticmethod
    def read(root: Path) -> "ScenarioSets":
        path = root / "params.json"
        if not path.is_file():
            _refuse_others(root)
            raise FileNotFoundError(f"{path}: got no such file, expected a DeepMIMO v4 scenario's")
        try:
            params: Any = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise ValueError(f"{path}: got text that is no JSON, expected a DeepMIMO scenario's parameters") from None
        try:
            sets = [value for name, value in sorted(params["txrx_sets"].items()) if name.startswith("txrx_set_")]
            sizes = {int(s["id"]): int(s["num_points"]) for s in sets}
            senders = [int(s["id"]) for s in sets if s["is_tx"]]
            receivers = [int(s["id"]) for s in sets if s["is_rx"] and not s["is_tx"]]
            scenes = int(params.get("scene", {}).get("num_scenes", 1))
            carrier = params.get("rt_params", {}).get("frequency")
            carrier_hz = None if carrier is None else float(carrier)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{path}: got {type(error).__name__} {error}, expected txrx_sets with id, is_tx, is_rx and num_points"
            ) from None
        for number, size in sizes.items():
            most = _MOST_SENDERS if number in senders else _MOST_RECEIVERS
            if not 0 <= size <= most:
                raise ValueError(f"{path}: num_points: got {size} in set {number}, expected 0 to {most}")
        transmitters = [(number, i) for number in senders for i in range(sizes[number])]
        if not transmitters or not sum(sizes[number] for number in receivers):
            got = f"{len(transmitters)} transmitters and sets {receivers} of receivers"
            raise ValueError(f"{path}: got {got}, expected at least one of each, the receivers no transmitters")
        if carrier_hz is not None and not 0 < carrier_hz < math.inf:
            raise ValueError(f"{path}: rt_params.frequency: got {carrier_hz}, expected a positive number")
        return ScenarioSets(path, transmitters, {number: sizes[number] for number in receivers}, scenes, carrier_hz)


def _refuse_others(root: Path) -> None:
    """Say of a folder of other files what makes a scenario of them; those of the scenes of a ray tracer may lie one folder deeper.

    Raises:
        ValueError: files of a ray tracer, or of DeepMIMO v3.
    """
    files = [path for pattern in ("*", "*/*") for path in sorted(root.glob(pattern)) if not path.name.startswith(".")]
    for suffix, (what, remedy) in _OTHERS.items():
        foreign = next((path for path in files if path.suffix == suffix), None)
        if foreign is not None:
            raise ValueError(
                f"{root}: got {foreign.name}, {what}, expected a DeepMIMO v4 scenario's params.json; {remedy}"
            )


@dataclass(frozen=True)
class Pair:
    """Paths of one transmitter to a set of M receivers, L paths each.

    Args:
        power_db: of each path, for 0 dB sent ``[M, L]``; NaN where there is none.
        phase_deg: ``[M, L]``, where asked for.
        delay_s: ``[M, L]``, where asked for.
        departure_deg: azimuth and zenith of departure ``[2, M, L]``, where asked for.
        los: a path without interactions reaches the receiver ``[M]``, where the file is there.
        rx_pos: ``[M, 3]``, m.
        tx_pos: ``[3]``, m.
    """

    power_db: Numbers
    phase_deg: Numbers | None
    delay_s: Numbers | None
    los: NDArray[np.bool_] | None
    rx_pos: Numbers
    tx_pos: Numbers
    departure_deg: Numbers | None = None

    @staticmethod
    def read(
        folder: Path, sender: tuple[int, int], group: int, size: int, coherent: bool, *, angles: bool = False
    ) -> "Pair":
        def array(name: str, *, needed: bool = True) -> Numbers | None:
            path = folder / f"{name}_t{sender[0]:03}_tx{sender[1]:03}_r{group:03}.npz"
            return _array(path, name) if needed or path.exists() else None

        power, rx, tx = array("power"), array("rx_pos"), array("tx_pos")
        phase, delay = (array("phase"), array("delay")) if coherent or angles else (None, None)
        azimuth, zenith = (array("aod_az"), array("aod_el")) if angles else (None, None)
        inter = array("inter", needed=False)
        assert power is not None and rx is not None and tx is not None
        where = f"{folder}: set {sender[0]}, transmitter {sender[1]}, receivers of set {group}"
        if power.ndim != 2 or len(power) != size or not power.shape[1]:
            raise ValueError(
                f"{where}: power: got shape {power.shape}, expected ({size}, paths), as params.json has it"
            )
        numbers = {"phase": phase, "delay": delay, "aod_az": azimuth, "aod_el": zenith}
        for name, value in (numbers | {"inter": inter}).items():
            if value is not None and value.shape != power.shape:
                raise ValueError(f"{where}: {name}: got shape {value.shape}, expected {power.shape}, that of power")
        if rx.shape != (size, 3) or tx.size != 3:
            raise ValueError(f"{where}: got rx_pos {rx.shape} and tx_pos {tx.shape}, expected ({size}, 3) and (1, 3)")
        if not (np.isfinite(rx).all() and np.isfinite(tx).all()):
            raise ValueError(f"{where}: got a place that is NaN or infinite, expected finite numbers in m")
        if np.isposinf(power).any():
            raise ValueError(f"{where}: power: got infinity, expected dB, or NaN where there is no path")
        for name, value in numbers.items():
            if value is not None and not np.isfinite(value[np.isfinite(power)]).all():
                raise ValueError(f"{where}: {name}: got NaN or infinity where power is a number, expected numbers")
        los = None if inter is None else ((inter == _LOS) & np.isfinite(power)).any(1)
        departure = None if azimuth is None or zenith is None else np.stack([azimuth, zenith])
        return Pair(power, phase, delay, los, rx, tx.reshape(3), departure)

    def gain(self, carrier: Carrier, coherent: bool) -> Numbers:
        """Linear power gain ``[M, R]``; zero where there is no path."""
        if coherent:
            return np.asarray(np.abs(self._on_blocks(carrier).sum(2)) ** 2)
        return np.asarray(np.repeat((self._amplitude() ** 2).sum(1)[:, None], carrier.num_rbs, 1))

    def channel(self, carrier: Carrier, offset_m: Numbers) -> NDArray[np.complex128]:
        """Channel of antennas at ``offset_m [A, 3]`` around the transmitter, complex ``[M, A, R]``; they are isotropic.

        The phases of a path at the antennas are those of a plane wave in its direction of departure.
        """
        assert self.departure_deg is not None
        azimuth, zenith = np.radians(np.where(np.isfinite(self.power_db), self.departure_deg, 0.0))
        toward = np.stack([np.sin(zenith) * np.cos(azimuth), np.sin(zenith) * np.sin(azimuth), np.cos(zenith)], -1)
        wave = np.exp(2j * math.pi * carrier.carrier_hz / SPEED_OF_LIGHT * (toward @ offset_m.T))  # [M, L, A]
        return np.asarray(np.einsum("mrl,mla->mar", self._on_blocks(carrier), wave))

    def _amplitude(self) -> Numbers:
        """Root of each path's power ``[M, L]``; zero where there is none."""
        there = np.isfinite(self.power_db)
        return np.where(there, 10.0 ** (np.where(there, self.power_db, 0.0) / 20), 0.0)

    def _on_blocks(self, carrier: Carrier) -> NDArray[np.complex128]:
        """Each path on each resource block, turned by its phase and delay, complex ``[M, R, L]``."""
        assert self.phase_deg is not None and self.delay_s is not None
        block = (np.arange(carrier.num_rbs) + 0.5) / carrier.num_rbs - 0.5
        there = np.isfinite(self.power_db)
        phase, delay = (np.where(there, value, 0.0) for value in (np.radians(self.phase_deg), self.delay_s))
        turn = phase[:, None] - 2 * math.pi * carrier.bandwidth_hz * block[:, None] * delay[:, None]
        return np.asarray(self._amplitude()[:, None] * np.exp(1j * turn))


def _array(path: Path, name: str) -> Numbers:
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected the array {name!r} as npz")
    arrays = read_arrays(path)
    if name not in arrays:
        raise ValueError(f"{path}: got the arrays {', '.join(arrays)!r}, expected {name!r} among them")
    value = arrays[name]
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{path}: {name}: got dtype {value.dtype}, expected numbers")
    return np.asarray(value, dtype=np.float64)
