"""States of stations and of the channels that they hear, from the encoder that all systems share."""

from torch import Tensor, nn
from torch.nn.functional import silu

from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.models.iot.views import IoTViews, serves
from hetgraph.nn.agents import AgentLinear
from hetgraph.nn.attention import InterferenceAttention
from hetgraph.nn.hetero_encoder import HeteroEncoder
from hetgraph.nn.hetero_layers import Store

STATION_COLUMNS = ("power_dbm", "users", "queue_mbit", "power_share", "busy_share", "interference_db")
USER_COLUMNS = (
    *("queue_mbit", "head_slots", "deadline_slots", "offered_mbps", "rate_mbps", "rate_mean_mbps", "served_share"),
    *("served", "interference_db"),
)
EDGE_COLUMNS = ("mean_snr_db", "mean_sinr_db", "mean_gap_db", "fading_db", "own")
COLUMNS: dict[Store, tuple[str, ...]] = {"bs": STATION_COLUMNS, "ue": USER_COLUMNS, CHANNEL: EDGE_COLUMNS}
ROUNDS = 1  # users hear the stations, stations hear the users


class StationEncoder(nn.Module):
    r"""States of stations, of their channels, and what attention finds in these.

    :class:`~hetgraph.nn.HeteroEncoder` gives states :math:`h` of stations and users; a channel's state is
    :math:`\mathrm{SiLU}(W_e x_{nu} + W_u h_u + W_s h_n)`. With weights of their own stations share the encoder, and read it
    each in its own way.

    Args:
        hidden: width H.
        heads: heads of the attention.
        agents: stations with weights of their own; 0 for shared ones.
        attention: weigh the received channels; else their mean.
        central: stations also read the mean of all stations' states.
        level: of the encoder.
    """

    def __init__(self, hidden: int, heads: int, agents: int, attention: bool, central: bool, level: Level) -> None:
        super().__init__()
        self.graph = HeteroEncoder(COLUMNS, hidden, ROUNDS, hops=0, level=level)
        self.station = AgentLinear(hidden, hidden, agents)
        self.of_station, self.of_user = (AgentLinear(hidden, hidden, agents, bias=False) for _ in range(2))
        self.of_edge = AgentLinear(len(EDGE_COLUMNS), hidden, agents)
        self.everywhere = AgentLinear(hidden, hidden, agents) if central else None
        self.attention = InterferenceAttention(hidden, heads, agents, attention)

    def forward(self, views: IoTViews) -> tuple[Tensor, Tensor, Tensor]:
        """States of channels ``[B, N, U, H]`` and stations ``[B, N, H]``, and the context of stations ``[B, N, H]``."""
        view = views.spectrum
        b, n, u, _ = view.shape
        state = self.graph(views.inputs)
        bs, ue = state["bs"].reshape(b, n, -1), state["ue"].reshape(b, 1, u, -1)
        user = self.of_user(ue.expand(-1, self.of_user.agents or 1, -1, -1))
        channel = silu(self.of_edge(views.edge_x) + user + self.of_station(bs).unsqueeze(2))
        active = view.active.unsqueeze(1).expand(b, n, u)
        station = silu(self.station(bs))
        if self.everywhere is not None:
            station = station + silu(self.everywhere(station.mean(1, keepdim=True).expand_as(station)))
        served = _mean(channel, serves(view.station, n) & active)
        return channel, station, self.attention(channel, served, active)


def _mean(channel: Tensor, counts: Tensor) -> Tensor:
    """Mean of the states that count ``[B, N, H]``."""
    weight = counts.to(channel.dtype).unsqueeze(2)
    return (weight @ channel).squeeze(2) / weight.sum(3).clamp_min(1)
