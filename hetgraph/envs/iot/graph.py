"""What stations of an IoT network see, as a graph: every user has a channel edge to every station of its network."""

from typing import Protocol

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.iot.channels import Air
from hetgraph.envs.iot.deadlines import Deadlines, Offered
from hetgraph.graph.others import sum_of_others
from hetgraph.graph.sample import nearest_stations
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION, Level

BS_COLUMNS = (
    "power_dbm",  # budget
    "users",  # associated in the slot before
    "queue_mbit",  # of those users
    "power_share",  # part of the budget that was sent
    "busy_share",  # part of the subchannels with power
    "interference_db",  # heard in its layers over noise, mean
)
UE_COLUMNS = (
    "queue_mbit",
    "head_slots",  # slots left for the oldest bit, 0 for an empty queue
    "deadline_slots",
    "offered_mbps",
    "rate_mbps",  # served in the slot before
    "rate_mean_mbps",  # smoothed
    "share",  # of its bits that were served in time, smoothed
    "served",  # whether it had a station
    "interference_db",  # what it heard of other stations plus noise over noise, mean over subchannels in dB
)
EDGE_COLUMNS = (
    "snr_db",  # full power, without fading
    "sinr_db",  # the same against what the user heard of all other stations in the slot before
    "gap_db",  # received power below the user's strongest station
    "fading_db",  # mean over subchannels of the fading
    "serves",  # whether the user was associated with the station
)


class State(Protocol):
    """What is read of an :class:`~hetgraph.envs.iot.env.IoTEnv`, which see."""

    num_envs: int
    num_stations: int
    num_users: int
    num_subchannels: int
    layers: int
    episode_slots: int
    slot: int
    slot_s: float
    noise_w: float
    subchannel_hz: float
    dtype: torch.dtype
    device: torch.device
    scenario: Scenario
    stations: dict[str, Tensor]
    offered: Offered
    queue: Deadlines
    air: Air
    active: Tensor
    station: Tensor
    power_w: Tensor
    power_max_w: Tensor
    rate_bps: Tensor
    served_mean: Tensor
    settled_mean: Tensor
    interference_w: Tensor
    interference_db: Tensor
    heard_w: Tensor
    layer_power_w: Tensor


def skeleton(env: State, level: Level) -> HeteroData:
    """What does not change within an episode."""
    b, n, u, s = env.num_envs, env.num_stations, env.num_users, env.num_subchannels
    device = env.device
    networks = torch.arange(b, device=device)
    graph = Batch(_base_cls=HeteroData)
    graph._num_graphs = b
    for name, value in env.stations.items():
        graph["bs"][name] = value.flatten(0, 1)
    for store, count in (("bs", n), ("ue", u)):
        graph[store].batch = networks.repeat_interleave(count)
        graph[store].ptr = count * torch.arange(b + 1, device=device)
    graph["ue"].active = env.active.flatten()
    graph["ue"].noise_w = torch.full((b * u, s), env.noise_w, dtype=env.dtype, device=device)
    graph["ue"].deadline_slots = env.offered.deadline_slots.flatten()
    graph["ue"].offered_bps = env.offered.mean_bps.flatten()
    graph["antenna"].offset = torch.zeros(0, 3, dtype=env.dtype, device=device)
    graph["antenna"].boresight = torch.zeros(0, 2, dtype=env.dtype, device=device)
    user = torch.arange(b * u, device=device).repeat_interleave(n)
    slot = torch.arange(n, device=device).repeat(b * u)
    graph[CHANNEL].edge_index = torch.stack([slot + n * (user // u), user])
    graph[CHANNEL].slot = slot
    for empty in (MOUNTED_ON, NEIGHBOURS, CONFLICTS):
        graph[empty].edge_index = torch.zeros(2, 0, dtype=torch.long, device=device)
    if level != "local":
        near = nearest_stations(env.stations["pos"][..., :2].float(), env.scenario.radio.neighbours)
        near = near.to(device) + n * networks.reshape(b, 1, 1)
        graph[NEIGHBOURS].edge_index = near.transpose(0, 1).flatten(1)
    graph.rb_bandwidth_hz = torch.full((b, s), env.subchannel_hz, dtype=env.dtype, device=device)
    graph.slot_s = torch.full((b,), env.slot_s, dtype=env.dtype, device=device)
    graph.carrier_hz = torch.full((b,), env.scenario.channel.carrier_hz, dtype=env.dtype, device=device)
    graph.layers = torch.full((b,), env.layers, device=device)
    graph.schema_version = torch.full((b,), SCHEMA_VERSION, device=device)
    return graph


def dress(graph: HeteroData, env: State, level: Level) -> HeteroData:
    """Put the present state on the graph."""
    bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
    air, genie = env.air, level == "genie"
    gain, wide_db = (air.gain, air.wide_db) if genie else (air.gain_before, air.wide_db_before)
    load = torch.zeros(env.num_envs, env.num_stations, dtype=env.dtype, device=env.device)
    load.scatter_add_(1, env.station.clamp_min(0), (env.station >= 0).to(env.dtype))
    bs.users, bs.power_w = load.flatten(), env.power_w.flatten(0, 1)
    queue = env.queue.bits.to(env.dtype)
    ue.serving_slot = env.station.flatten()
    ue.queue_bits, ue.head_slots = queue.flatten(), env.queue.head_slots.flatten()
    ue.rate_bps, ue.rate_mean_bps = env.rate_bps.flatten(), (env.served_mean / env.slot_s).flatten()
    ue.interference_w, ue.power_w = env.interference_w.flatten(0, 1), env.layer_power_w.flatten(0, 1)
    edges.gain = gain.flatten(0, 2)
    power_db = env.power_max_w.log10().unsqueeze(1) * 10
    edges.rsrp_dbm = (wide_db + power_db + 30).flatten()
    bs.x, ue.x = _of_stations(env, queue, load).flatten(0, 1), _of_users(env, queue).flatten(0, 1)
    edges.edge_attr = _of_edges(env, gain, wide_db, power_db).flatten(0, 2)
    graph.slots_left = torch.full_like(graph.slot_s, env.episode_slots - env.slot)
    return graph


def _of_stations(env: State, queue: Tensor, load: Tensor) -> Tensor:
    held = torch.zeros_like(load).scatter_add_(1, env.station.clamp_min(0), queue * (env.station >= 0))
    columns = (
        env.power_max_w.log10() * 10 + 30,
        load,
        held / 1e6,
        env.power_w.sum(2) / env.power_max_w,
        (env.power_w > 0).to(env.dtype).mean(2),
        env.interference_db,
    )
    return torch.stack(columns, 2)


def _of_users(env: State, queue: Tensor) -> Tensor:
    columns = (
        queue / 1e6,
        env.queue.head_slots.to(env.dtype),
        env.offered.deadline_slots.to(env.dtype),
        env.offered.mean_bps / 1e6,
        env.rate_bps / 1e6,
        env.served_mean / env.slot_s / 1e6,
        env.served_mean / env.settled_mean.clamp_min(1e-9),
        (env.station >= 0).to(env.dtype),
        (env.interference_w / env.noise_w).log10().mean(2) * 10,
    )
    return torch.stack(columns, 2)


def _of_edges(env: State, gain: Tensor, wide_db: Tensor, power_db: Tensor) -> Tensor:
    """Columns of edges ``[B, U, N, C]``."""
    noise = env.noise_w * env.num_subchannels
    received_db = wide_db + power_db
    interference_w = sum_of_others(env.heard_w, 2) + env.noise_w  # of all stations but the candidate
    floor_db = (interference_w * env.num_subchannels).log10() * 10
    columns = (
        received_db - torch.tensor(noise, dtype=env.dtype).log10() * 10,
        received_db - floor_db,
        received_db.amax(2, keepdim=True) - received_db,
        gain.mean(3).clamp_min(1e-30).log10() * 10 - wide_db,
        (env.station.unsqueeze(2) == torch.arange(env.num_stations, device=env.device)).to(env.dtype),
    )
    return torch.stack(columns, 3)
