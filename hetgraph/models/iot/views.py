"""What agents of an IoT network read of an observation, as dense tables; packed small for a replay memory."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.spectrum import Spectrum, spectrum_of
from hetgraph.units import db_to_linear, linear_to_db

STATION, USER, EDGE = 6, 9, 5
# Columns of bs.x, ue.x and edge_attr of IoTEnv, and typical values and deviations.
STATION_SHIFT, STATION_SCALE = (36.0, 10.0, 0.3, 0.5, 0.5, 10.0), (8.0, 10.0, 0.5, 0.5, 0.5, 10.0)
USER_SHIFT, USER_SCALE = (
    (0.03, 5.0, 20.0, 4.0, 4.0, 4.0, 0.8, 0.5, 10.0),
    (0.05, 10.0, 10.0, 4.0, 4.0, 4.0, 0.3, 0.5, 10.0),
)
EDGE_SHIFT, EDGE_SCALE = (30.0, 10.0, 15.0, 0.0, 0.2), (20.0, 15.0, 15.0, 3.0, 0.5)
_DB = ("gain", "interference_w", "signal_w")
_WHOLE = ("station", "head_slots", "deadline_slots")
_PLAIN = ("power_max_w", "queue_bits", "bits_per_efficiency", "circuit_power_w", "amplifier_efficiency", "slot_s")
_HALF = ("rsrp_dbm", "power_share", "cap", "offered_mbps", "rate_mean_mbps", "station_x", "user_x", "edge_x")


@dataclass(frozen=True)
class IoTViews:
    """What ``B`` networks look like.

    Args:
        spectrum: dense tables.
        station_x: columns of stations ``[B, N, 6]``.
        user_x: columns of users ``[B, U, 9]``.
        edge_x: columns of channel edges ``[B, N, U, 5]``.
        circuit_power_w: power of a station that does not send ``[B, N]``, W.
        amplifier_efficiency: of a station ``[B, N]``.
        slot_s: length of a slot ``[B]``, s.
        signal_w: power of its own layer that a user received in the slot before ``[B, U, S]``, W; zero where it had none.
    """

    spectrum: Spectrum
    station_x: Tensor
    user_x: Tensor
    edge_x: Tensor
    circuit_power_w: Tensor
    amplifier_efficiency: Tensor
    slot_s: Tensor
    signal_w: Tensor

    def select(self, rows: Tensor) -> "IoTViews":
        """Some of the networks."""
        view = self.spectrum
        tables: dict[str, Any] = {name: value[rows] for name, value in vars(view).items() if isinstance(value, Tensor)}
        columns = (value[rows] for name, value in vars(self).items() if name != "spectrum")
        return IoTViews(replace(view, **tables), *columns)

    def pack(self) -> dict[str, Tensor]:
        """Rows for a replay memory ``[B, *]``: channels in dB and most else in half precision, counts in 16 bits."""
        view = self.spectrum
        rows = {name: linear_to_db(getattr(view if hasattr(view, name) else self, name)).half() for name in _DB}
        rows |= {name: getattr(view, name).short() for name in _WHOLE}
        rows |= {
            "rsrp_dbm": view.rsrp_dbm.half(),
            "power_share": (view.power_w / view.power_max_w.unsqueeze(2)).half(),
            "cap": view.cap.half(),
            "offered_mbps": (view.offered_bps / 1e6).half(),
            "rate_mean_mbps": (view.rate_mean_bps / 1e6).half(),
            "noise_w": view.noise_w[:, 0, 0].float(),  # users have the same noise figure
            "active": view.active.clone(),
            "layers": torch.full_like(view.station[:, 0], view.layers).short(),
        }
        rows |= {name: getattr(self, name).half() for name in ("station_x", "user_x", "edge_x")}
        for name in _PLAIN:
            rows[name] = getattr(view if hasattr(view, name) else self, name).float().clone()
        return rows

    @classmethod
    def unpack(cls, rows: dict[str, Tensor]) -> "IoTViews":
        """Tables from rows of a replay memory."""
        wide = {name: rows[name].float() for name in (*_DB, *_HALF)}
        power_max_w, noise_w = rows["power_max_w"], rows["noise_w"].reshape(-1, 1, 1)
        interference_w = db_to_linear(wide["interference_w"])
        spectrum = Spectrum(
            db_to_linear(wide["gain"]),
            wide["rsrp_dbm"],
            noise_w.expand_as(interference_w),
            torch.maximum(interference_w, noise_w),
            wide["power_share"] * power_max_w.unsqueeze(2),
            power_max_w,
            wide["cap"],
            rows["station"].long(),
            rows["active"],
            rows["queue_bits"],
            rows["head_slots"].long(),
            rows["deadline_slots"].long(),
            wide["offered_mbps"] * 1e6,
            wide["rate_mean_mbps"] * 1e6,
            rows["bits_per_efficiency"],
            int(rows["layers"][0]),
        )
        plain = {name: rows[name] for name in ("circuit_power_w", "amplifier_efficiency", "slot_s")}
        plain["signal_w"] = db_to_linear(wide["signal_w"])
        return cls(spectrum, **{name: wide[name] for name in ("station_x", "user_x", "edge_x")}, **plain)


def iot_views(obs: HeteroData) -> IoTViews:
    """Tables of an observation of :class:`~hetgraph.envs.IoTEnv`, in float32.

    Raises:
        ValueError: a graph of another environment.
    """
    view = spectrum_of(obs)
    b, n, u, _ = view.shape
    tables: dict[str, Any] = {
        name: value.float()
        for name, value in vars(view).items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    bs = obs["bs"]
    own = view.gain.gather(2, view.station.clamp_min(0).reshape(b, u, 1, 1).expand(b, u, 1, view.shape[3])).squeeze(2)
    return IoTViews(
        replace(view, **tables),
        bs.x.reshape(b, n, STATION).float(),
        obs["ue"].x.reshape(b, u, USER).float(),
        obs[CHANNEL].edge_attr.reshape(b, u, n, EDGE).transpose(1, 2).float(),
        bs.circuit_power_w.reshape(b, n).float(),
        bs.amplifier_efficiency.reshape(b, n).float(),
        obs.slot_s.float(),
        (own * obs["ue"].power_w.reshape(b, u, -1)).float(),
    )


def at_station(station: Tensor, value: Tensor) -> Tensor:
    """Values of links ``[B, N, U, *]`` at the users' own stations ``[B, U, *]``; those of the first one for users without."""
    place = station.clamp_min(0).reshape(station.shape[0], 1, station.shape[1], *[1] * (value.dim() - 3))
    return value.gather(1, place.expand(-1, -1, -1, *value.shape[3:])).squeeze(1)


def sum_at(station: Tensor, value: Tensor, stations: int) -> Tensor:
    """Sums of users' values ``[B, U, *]`` over the users of each station ``[B, N, *]``."""
    own = station.unsqueeze(1) == torch.arange(stations, device=station.device).reshape(1, -1, 1)
    flat = value.flatten(2) if value.dim() > 2 else value.unsqueeze(2)
    out: Tensor = torch.bmm(own.to(value.dtype), flat)
    return out.reshape(out.shape[0], stations, *value.shape[2:])
