"""Networks that are given as graphs: users walk from where they are, or stand where only channels fade."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph import channel
from hetgraph.envs.handover.masts import Masts, given_masts
from hetgraph.graph.check import check
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.streams import Streams
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.walks import user_trajectories
from hetgraph.units import azimuth_rad_to_bearing, w_to_dbm

LEAST_GAIN = 1e-30
ROOF_M = 20.0  # stations at least so high follow the model UMa, others UMi
CORRELATION_M = {"uma": 50.0, "umi": 13.0}  # of shadowing without line of sight (TR 38.901, Table 7.5-6)
USER_M = 1.5


@dataclass(frozen=True)
class Mobile:
    """What changes with time.

    Args:
        steps: number of steps T.
        slot_s: between two of them, s.
        channel: fading of users who stand.
        doppler_hz: theirs.
        walks: users walk where a graph tells the places of stations and users.
    """

    steps: int
    slot_s: float
    channel: Channel = Channel()
    doppler_hz: float = 1.0
    walks: bool = False


@dataclass(frozen=True)
class _Graphs:
    """Graphs as tables: gains without fading where the graph tells them ``[G, U, K]``, NaN without an edge."""

    gain: Tensor
    power_w: Tensor
    tier: Tensor
    bs_pos: Tensor | None
    ue_pos: Tensor | None
    orientation_rad: Tensor  # azimuth and downtilt [G, K, 2], rad
    directional: Tensor  # [G, K]
    carrier_hz: float
    bandwidth_hz: float
    noise_w: float
    masts: Masts


def given_networks(
    graph: HeteroData, numbers: Sequence[int], law: Mobile, *, seed: int, first: int = 0
) -> tuple[Trajectories, Masts]:
    """Trajectories through graphs; network ``first + i`` has graph i, and the graphs come in turn.

    Users who walk begin where the graph has them, with the graph's gains. Beyond, path loss, line of sight and shadowing follow
    TR 38.901 with streams of the network's own, and the difference at the start fades out with the distance walked:
    :math:`g(x) = m(x) + (g(x_0) - m(x_0)) e^{-|x - x_0| / d}` in dB with the correlation distance d of shadowing, which is the field
    given its value at the start. Stations of 20 m and more follow the model UMa, others UMi. Other users stand, and the gain of
    each link is that of the graph times a fading that is flat over the band.

    Args:
        graph: a graph or a batch of graphs of equal sizes.
        numbers: of the networks.
        law: what changes with time.
        seed: of walks and fading.
        first: number of the first graph's network.

    Raises:
        ValueError: a graph that breaks the contract, networks of several sizes, stations that are silent on some blocks, users of
            several noise powers, or users who stand and lack an edge to some station.
    """
    tables = _tables(graph)
    row = (torch.tensor(list(numbers)) - first) % len(tables.gain)
    masts = Masts(**{k: v if k == "station" else v[row] for k, v in vars(tables.masts).items()})
    if law.walks and tables.bs_pos is not None and tables.ue_pos is not None:
        walks = [_walk(tables, int(i), number, law, seed) for i, number in zip(row, numbers, strict=True)]
        gain, ue_pos, speed = (torch.cat(column) for column in zip(*walks, strict=True))
    else:
        gain = _fading(tables.gain[row], Streams(seed, numbers), law)
        still = torch.zeros(len(row), gain.shape[2], 2) if tables.ue_pos is None else tables.ue_pos[row]
        ue_pos = still.unsqueeze(1).expand(-1, law.steps, -1, -1)
        speed = torch.zeros(gain.shape[:3])
    places = torch.zeros(len(row), gain.shape[3], 2) if tables.bs_pos is None else tables.bs_pos[row]
    result = Trajectories(
        gain=gain,
        ue_pos=ue_pos.contiguous(),
        speed_mps=speed,
        bs_pos=places,
        power_w=tables.power_w[row],
        tier=tables.tier[row],
        measured=torch.zeros(1, dtype=torch.bool).expand(gain.shape),
        bandwidth_hz=tables.bandwidth_hz,
        noise_w=tables.noise_w,
        slot_s=law.slot_s,
    )
    return result, masts


def _fading(gain: Tensor, streams: Streams, law: Mobile) -> Tensor:
    """Gains ``[n, T, U, K]`` of links of a mean ``[n, U, K]``: Gauss-Markov in time (Jakes), mean one.

    Raises:
        ValueError: a user without an edge to some station.
    """
    if bool(gain.isnan().any()):
        raise ValueError(
            "(bs, channel, ue).edge_index: got users without an edge to some station, expected every station a candidate of "
            "every user who stands"
        )
    users, cells = gain.shape[1:]
    if law.channel.fading == "none":
        return gain.unsqueeze(1).expand(-1, law.steps, -1, -1).contiguous()
    rho = channel.jakes_correlation(law.doppler_hz, law.slot_s)
    drawn = streams.normal("handover/fading", law.steps, users, cells, 2) * math.sqrt(0.5)
    for t in range(1, law.steps):
        drawn[:, t] = rho * drawn[:, t - 1] + math.sqrt(1 - rho * rho) * drawn[:, t]
    if law.channel.fading == "rician":
        k = 10 ** (law.channel.rician_k_db / 10)
        drawn = drawn * math.sqrt(1 / (k + 1))
        drawn[..., 0] += math.sqrt(k / (k + 1))
    return (gain.unsqueeze(1) * drawn.square().sum(4)).clamp_min(LEAST_GAIN)


def _walk(tables: _Graphs, i: int, number: int, law: Mobile, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """One network: gain ``[1, T, U, K]``, positions and speeds."""
    assert tables.bs_pos is not None and tables.ue_pos is not None
    corner = torch.minimum(tables.bs_pos[i].amin(0), tables.ue_pos[i].amin(0))
    scenario = _scenario(tables, i, corner)
    model = user_trajectories(scenario, steps=law.steps, slot_s=law.slot_s, seed=seed, first=number)
    away = (model.ue_pos - model.ue_pos[:, :1]).norm(dim=3, keepdim=True)  # [1, T, U, 1]
    log_ratio = (tables.gain[i] / model.gain[0, 0]).log().nan_to_num(0.0)  # [U, K]
    reach = torch.tensor([CORRELATION_M[tier.pathloss] for tier in scenario.tiers])
    gain = model.gain * (log_ratio * (-away / reach).exp()).exp()
    return gain, model.ue_pos + corner, model.speed_mps


def _scenario(tables: _Graphs, i: int, corner: Tensor) -> ScenarioFields:
    """Graph i as a scenario of fixed cells and users, of the law of propagation that graphs leave to us."""
    assert tables.bs_pos is not None and tables.ue_pos is not None
    stations, users = tables.bs_pos[i] - corner, tables.ue_pos[i] - corner
    extent = torch.maximum(stations.amax(0), users.amax(0)).clamp_min(1.0).tolist()
    height = tables.masts.height_m[i].tolist()
    tiers = tuple(
        Tier(
            name=f"cell-{k}",
            power_dbm=float(w_to_dbm(tables.power_w[i, k])),
            height_m=max(height[k], 2 * USER_M),
            pathloss="uma" if height[k] >= ROOF_M else "umi",
            placement="fixed",
            positions=((x, y),),
            azimuth_deg=(float(azimuth_rad_to_bearing(float(tables.orientation_rad[i, k, 0]))),),
            tilt_deg=(math.degrees(float(tables.orientation_rad[i, k, 1])),),
            pattern="38.901" if bool(tables.directional[i, k]) else "omni",
        )
        for k, (x, y) in enumerate(stations.tolist())
    )
    crowd = Users(len(users), USER_M, "fixed", positions=tuple((x, y) for x, y in users.tolist()))
    radio = Radio(bandwidth_hz=tables.bandwidth_hz, num_rbs=1, noise_w=tables.noise_w)
    law = Channel(carrier_hz=tables.carrier_hz, fading="none")
    return ScenarioFields("given", Layout(*extent), tiers, crowd, law, radio)


def _tables(graph: HeteroData) -> _Graphs:
    """Read a graph or a batch; see :func:`given_networks` for what is refused."""
    check(graph)
    batch = (graph if "batch" in graph["bs"] else Batch.from_data_list([graph])).clone().cpu()
    b, bs, ue, edges = int(batch.num_graphs), batch["bs"], batch["ue"], batch[CHANNEL]
    counts = [torch.bincount(batch[kind].batch, minlength=b) for kind in ("bs", "ue")]
    if any(bool((count != count[0]).any()) for count in counts):
        raise ValueError("num_nodes: got networks of different sizes, expected one number of stations and of users")
    k, u = (int(count[0]) for count in counts)
    if bool((bs.rb_power_max_w <= 0).any()):
        raise ValueError(
            "bs.rb_power_max_w: got blocks on which a station is silent, expected all stations on one band"
        )
    noise_w, bandwidth_hz = ue.noise_w.double().sum(1), batch.rb_bandwidth_hz.double().sum(1)
    for name, value in (("ue.noise_w", noise_w), ("rb_bandwidth_hz", bandwidth_hz)):
        if not bool(((value - value[0]).abs() <= 1e-5 * value[0]).all()):
            raise ValueError(f"{name}: got sums from {value.min():g} to {value.max():g}, expected one of all")
    station, user = edges.edge_index
    power_w = bs.power_max_w.float()
    gain = 10 ** ((edges.rsrp_dbm - w_to_dbm(power_w)[station]) / 10) if "rsrp_dbm" in edges else edges.gain.mean(1)
    table = torch.full((b * u, k), torch.nan)
    table[user, station % k] = gain.float().clamp_min(LEAST_GAIN)
    zero = torch.zeros(b * k)
    orientation_rad = torch.stack([bs.get("azimuth_rad", zero), bs.get("tilt_rad", zero)], 1)
    pattern = edges.get("antenna_gain_db", torch.zeros(len(station)))
    directional = torch.zeros(b * k).index_add(0, station, (pattern != 0).float()) > 0
    place = {
        kind: batch[kind].pos[:, :2].float().view(b, -1, 2) if "pos" in batch[kind] else None for kind in ("bs", "ue")
    }
    carrier = batch._global_store.get("carrier_hz")
    return _Graphs(
        gain=table.view(b, u, k),
        power_w=power_w.view(b, k),
        tier=bs.get("tier", zero.long()).view(b, k),
        bs_pos=place["bs"],
        ue_pos=place["ue"],
        orientation_rad=orientation_rad.view(b, k, 2),
        directional=directional.view(b, k),
        carrier_hz=Channel().carrier_hz if carrier is None else float(carrier[0]),
        bandwidth_hz=float(bandwidth_hz[0]),
        noise_w=float(noise_w[0]),
        masts=given_masts(batch, b, k),
    )
