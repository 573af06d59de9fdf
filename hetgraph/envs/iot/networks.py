"""Networks of an IoT environment: sizes, what is drawn for an episode, and the base of all sources of networks."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hetgraph.envs.iot.channels import LargeScale
from hetgraph.graph.mobility import Services
from hetgraph.graph.scenario_parts import Channel
from hetgraph.graph.streams import Streams

Name = tuple[str | tuple[str, str, str] | None, str]
Values = dict[Name, Tensor]


@dataclass(frozen=True)
class Sizes:
    """Sizes of every network, and what all of them share.

    Args:
        stations: number N.
        users: number U.
        subchannels: number S.
        antennas: of all stations together.
        layers: most users of a cluster.
        subchannel_hz: bandwidth of a subchannel.
        slot_s: length of a slot.
        carrier_hz: carrier frequency of the networks.
    """

    stations: int
    users: int
    subchannels: int
    antennas: int
    layers: int
    subchannel_hz: float
    slot_s: float
    carrier_hz: float


@dataclass(frozen=True)
class Drop:
    """Networks of an episode.

    Args:
        large_scale: gains without fading.
        values: attributes of the networks that others do not share, by store and name ``[B, *]``.
        positions: places of users ``[B, P, U, 3]``, m; ``None`` where they are unknown.
        may_serve: which stations may serve a user ``[B, U, N]``; ``None`` for all.
        layout: row of the fixed attributes ``[B]``.
    """

    large_scale: LargeScale
    values: Values
    positions: Tensor | None
    may_serve: Tensor | None
    layout: Tensor


@dataclass
class Networks(ABC):
    """Source of networks.

    Args:
        sizes: of every network.
        services: what users receive.
        channel: fading and disturbance.
        fixed: attributes that do not change with the episode ``[G, *]``: of each of ``G`` layouts, or one for all.
        mounted: station of each antenna ``[antennas]``.
    """

    sizes: Sizes
    services: Services
    channel: Channel
    mounted: Tensor
    fixed: Values = field(default_factory=dict)

    @abstractmethod
    def drop(self, streams: Streams, geography: Streams, slots: int) -> Drop:
        """Networks of an episode.

        Args:
            streams: of users.
            geography: of stations, line of sight and shadowing.
            slots: length of the episode.
        """

    @abstractmethod
    def neighbours(self, values: Values, layout: Tensor) -> Tensor:
        """Edges from neighbours to stations, within each network ``[B, 2, M]``; -1 for none.

        Args:
            values: attributes of the networks, positions of stations among them.
            layout: row of the fixed attributes ``[B]``.
        """

    def attributes(self, layout: Tensor, dtype: torch.dtype) -> Values:
        """Fixed attributes of some networks ``[B, *]``, by store and name; real ones in ``dtype``."""
        rows = layout.cpu()
        result = {
            key: value[rows] if len(value) > 1 else value.expand(len(rows), *value.shape[1:])
            for key, value in self.fixed.items()
        }
        return {
            key: (value.to(dtype) if value.is_floating_point() else value).to(layout.device)
            for key, value in result.items()
        }
