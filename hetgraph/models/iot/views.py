"""What agents of an IoT network read of an observation, as dense tables."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.features import features
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.spectrum import Spectrum, spectrum_of

STATION_COLUMNS = ("power_dbm", "users", "queue_mbit", "power_share", "busy_share", "interference_db")
USER_COLUMNS = (
    *("queue_mbit", "head_slots", "deadline_slots", "offered_mbps", "rate_mbps", "rate_mean_mbps", "served_share"),
    *("served", "interference_db"),
)
EDGE_COLUMNS = ("mean_snr_db", "mean_sinr_db", "mean_gap_db", "fading_db", "own")
STATION, USER, EDGE = len(STATION_COLUMNS), len(USER_COLUMNS), len(EDGE_COLUMNS)
LARGEST = 5.0  # columns are cut at so many deviations


@dataclass(frozen=True)
class IoTViews:
    """What ``B`` networks look like.

    Args:
        spectrum: dense tables.
        station_x: scaled columns of stations ``[B, N, 6]``.
        user_x: scaled columns of users ``[B, U, 9]``.
        edge_x: scaled columns of channel edges ``[B, N, U, 5]``.
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


def iot_views(obs: HeteroData) -> IoTViews:
    """Tables of an observation of :class:`~hetgraph.envs.IoTEnv`, in float32.

    Raises:
        ValueError: a graph of another environment.
    """
    view, facts = spectrum_of(obs), Facts(obs)
    b, n, u, _ = view.shape
    tables: dict[str, Any] = {
        name: value.float()
        for name, value in vars(view).items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    bs = obs["bs"]
    own = view.gain.gather(2, view.station.clamp_min(0).reshape(b, u, 1, 1).expand(b, u, 1, view.shape[3])).squeeze(2)
    station_x, user_x, edge_x = (
        features(facts, store, names).float().clamp_(-LARGEST, LARGEST)
        for store, names in (("bs", STATION_COLUMNS), ("ue", USER_COLUMNS), (CHANNEL, EDGE_COLUMNS))
    )
    return IoTViews(
        replace(view, **tables),
        station_x.reshape(b, n, STATION),
        user_x.reshape(b, u, USER),
        edge_x.reshape(b, u, n, EDGE).transpose(1, 2),
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
