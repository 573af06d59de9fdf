"""Observations of IoT networks as contract graphs: every user has a channel edge to every station of its network."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.iot.episode import Episode
from hetgraph.envs.iot.networks import Name, Networks, Sizes, Values
from hetgraph.graph.levels import known_edges, sees_everything
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION, Level

MEASURED = ("gain", "rsrp_dbm", "interference_w")  # attributes of channel edges, zero where these are unknown


def layout_graph(networks: Networks, values: Values, layout: Tensor, dtype: torch.dtype) -> HeteroData:
    """What does not change within an episode.

    Args:
        networks: source of the networks.
        values: attributes of these networks ``[B, *]`` by store and name.
        layout: row of the fixed attributes of each network ``[B]``.
        dtype: of channels.
    """
    sizes, device = networks.sizes, layout.device
    graph = _structure(sizes, len(layout), networks.mounted.to(device))
    near = networks.neighbours(values, layout).to(device)
    step = sizes.stations * torch.arange(len(layout), device=device).reshape(-1, 1, 1)
    near = torch.where(near >= 0, near + step, -1).transpose(0, 1).flatten(1)
    graph[NEIGHBOURS].edge_index = near[:, near[0] >= 0]
    put(graph, networks.attributes(layout, dtype))
    put(graph, values)
    for name, value in (
        ("slot_s", sizes.slot_s),
        ("carrier_hz", sizes.carrier_hz),
        ("layers", sizes.layers),
        ("schema_version", SCHEMA_VERSION),
    ):
        kind = dtype if isinstance(value, float) else torch.long
        graph[name] = torch.full((len(layout),), value, dtype=kind, device=device)
    shape = (len(layout), sizes.subchannels)
    graph.rb_bandwidth_hz = torch.full(shape, sizes.subchannel_hz, dtype=dtype, device=device)
    return graph


def put(graph: HeteroData, values: Mapping[Name, Tensor]) -> None:
    """Put attributes ``[B, count, *]`` on nodes and edges, and ``[B, *]`` on the graph."""
    for (store, name), value in values.items():
        if store is None:
            graph[name] = value
        else:
            graph[store][name] = value.flatten(0, 1)


def rsrp_dbm(wide_db: Tensor, power_max_w: Tensor) -> Tensor:
    """Received power of the full budget ``[B, U, N]``, dBm, of gains without fading in dB and budgets ``[B, N]``."""
    return wide_db + (power_max_w.log10() * 10 + 30).unsqueeze(1)


def channel_values(episode: Episode, *, present: bool) -> Values:
    """Gains and places of users in the present slot, or those that were reported a slot ago."""
    channels = episode.channels
    wide_db = channels.wide_db if present else channels.wide_db_before
    gain = channels.gain if present else channels.gain_before
    values: Values = {
        (CHANNEL, "gain"): gain.flatten(1, 2),
        (CHANNEL, "rsrp_dbm"): rsrp_dbm(wide_db, episode.budget.power_max_w).flatten(1),
    }
    if episode.positions is not None:
        values["ue", "pos"] = episode.positions[:, channels.step_of(channels.slot if present else channels.slot - 1)]
    return values


def write_values(graph: HeteroData, values: Values, level: Level) -> HeteroData:
    """The graph with a slot's attributes; measurements of edges that the level does not know are zero."""
    known = known_edges(graph, level)
    if not sees_everything(level):
        values = values | masked(values, known)
    put(graph, values)
    graph[CHANNEL].known = known
    return graph


def masked(values: Values, known: Tensor) -> Values:
    """Measurements of channel edges ``[B, U * N, *]``, zero where these are unknown ``[E]``."""
    out = Values()
    for name in MEASURED:
        value = values[CHANNEL, name]
        hidden = ~known.reshape(value.shape[:2])
        out[CHANNEL, name] = value.masked_fill(hidden.unsqueeze(2) if value.dim() > 2 else hidden, 0)
    return out


def _structure(sizes: Sizes, b: int, mounted: Tensor) -> HeteroData:
    """Edges and the networks of nodes."""
    n, u, device = sizes.stations, sizes.users, mounted.device
    networks = torch.arange(b, device=device)
    graph = Batch(_base_cls=HeteroData)
    graph._num_graphs = b
    for store, count in (("bs", n), ("ue", u), ("antenna", sizes.antennas)):
        graph[store].batch = networks.repeat_interleave(count)
        graph[store].ptr = count * torch.arange(b + 1, device=device)
        graph[store].num_nodes = b * count
    user = torch.arange(b * u, device=device).repeat_interleave(n)
    slot = torch.arange(n, device=device).repeat(b * u)
    graph[CHANNEL].edge_index = torch.stack([slot + n * (user // u), user])
    graph[CHANNEL].slot = slot
    antenna = torch.arange(b * sizes.antennas, device=device)
    owner = (mounted + n * networks.unsqueeze(1)).flatten()
    graph[MOUNTED_ON].edge_index = torch.stack([antenna, owner])
    graph[CONFLICTS].edge_index = torch.zeros(2, 0, dtype=torch.long, device=device)
    return graph
