"""What agents of an IoT network read of an observation: dense tables of physical quantities, and the encoder's columns."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.nn.hetero_encoder import HeteroEncoder
from hetgraph.radio.spectrum import Spectrum, spectrum_of


@dataclass(frozen=True)
class IoTViews:
    """What ``B`` networks look like.

    Args:
        spectrum: dense tables.
        inputs: ready arguments of a :class:`~hetgraph.nn.HeteroEncoder`, which several networks with the same columns share.
        links: index structure of the channel edges: all stations are candidates of all users.
        circuit_power_w: power of a station that does not send ``[B, N]``, W.
        amplifier_efficiency: of a station ``[B, N]``.
        slot_s: length of a slot ``[B]``, s.
        signal_w: power of its own layer that a user received in the slot before ``[B, U, S]``, W; zero where it had none.
        served_share: part of users' bits that was served in time lately ``[B, U]``.
    """

    spectrum: Spectrum
    inputs: dict[str, Any]
    links: Links
    circuit_power_w: Tensor
    amplifier_efficiency: Tensor
    slot_s: Tensor
    signal_w: Tensor
    served_share: Tensor

    @property
    def edge_x(self) -> Tensor:
        """Scaled columns of channel edges ``[B, N, U, C]``."""
        b, n, u, _ = self.spectrum.shape
        columns: Tensor = self.inputs["edge_attr_dict"][CHANNEL]
        return columns.reshape(b, u, n, -1).transpose(1, 2)


def iot_views(obs: HeteroData, encoder: HeteroEncoder) -> IoTViews:
    """Tables of an observation of :class:`~hetgraph.envs.IoTEnv`, in float32.

    Args:
        obs: observation.
        encoder: whose columns are read, at its level.

    Raises:
        ValueError: a graph of another environment.
    """
    view, facts = spectrum_of(obs), Facts(obs)
    b, n, u, s = view.shape
    tables: dict[str, Any] = {
        name: value.float()
        for name, value in vars(view).items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    bs = obs["bs"]
    own = view.gain.gather(2, view.station.clamp_min(0).reshape(b, u, 1, 1).expand(b, u, 1, s)).squeeze(2)
    return IoTViews(
        replace(view, **tables),
        encoder.inputs(facts),
        facts.links,
        bs.circuit_power_w.reshape(b, n).float(),
        bs.amplifier_efficiency.reshape(b, n).float(),
        obs.slot_s.float(),
        (own * obs["ue"].power_w.reshape(b, u, -1)).float(),
        obs["ue"].served_share.reshape(b, u).float(),
    )


def tables_of(obs: HeteroData) -> IoTViews:
    """Tables of an observation alone, for those that read no columns of the graph."""
    view, bs, ue = spectrum_of(obs), obs["bs"], obs["ue"]
    b, n, u, s = view.shape
    home = view.station.clamp_min(0).reshape(b, u, 1, 1).expand(b, u, 1, s)
    signal_w: Tensor = view.gain.gather(2, home).squeeze(2) * ue.power_w.reshape(b, u, s)
    power = (bs.circuit_power_w.reshape(b, n), bs.amplifier_efficiency.reshape(b, n))
    return IoTViews(view, {}, links_of(obs), *power, obs.slot_s, signal_w, ue.served_share.reshape(b, u))


def serves(station: Tensor, stations: int) -> Tensor:
    """Whether a station serves a user ``[B, N, U]``, of the users' stations ``[B, U]``."""
    return station.unsqueeze(1) == torch.arange(stations, device=station.device).reshape(1, -1, 1)


def at_station(station: Tensor, value: Tensor) -> Tensor:
    """Values of links ``[B, N, U, *]`` at the users' own stations ``[B, U, *]``; those of the first one for users without."""
    place = station.clamp_min(0).reshape(station.shape[0], 1, station.shape[1], *[1] * (value.dim() - 3))
    return value.gather(1, place.expand(-1, -1, -1, *value.shape[3:])).squeeze(1)


def sum_at(station: Tensor, value: Tensor, stations: int) -> Tensor:
    """Sums of users' values ``[B, U, *]`` over the users of each station ``[B, N, *]``."""
    flat = value.flatten(2) if value.dim() > 2 else value.unsqueeze(2)
    out: Tensor = torch.bmm(serves(station, stations).to(value.dtype), flat)
    return out.reshape(out.shape[0], stations, *value.shape[2:])
