r"""Power control of all links at once with queues as weights, one resource block after the other (Zhang and Guo, Section V-A).

Every pair of a user and its own station is a link with an amplitude v of its own, and all links, those of one station too,
disturb each other. With normalised gains :math:`h_{uk}` from link k's station to user u and
:math:`I_u = 1 + \sum_{k \ne u} h_{uk} v_k^2`, WMMSE (Shi et al. 2011) and fractional programming (Shen and Yu 2018) find a
stationary point of :math:`\sum_u q_u \log(1 + h_{uu} v_u^2 / I_u)`. A station then serves the link with the largest weighted
rate, and what that link is expected to clear is subtracted from its queue before the next resource block is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, cells_of, gain_table
from hetgraph.radio.rates import LOG2E, noise_plus_far_w, spectral_efficiency

Update = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Reach = Literal["network", "neighbourhood"]
MAX_SINR = 1000.0
# Of shares 1, 0.8, 0.6, 0.4, 0.2 and 0 on four validation layouts of 300 slots, 0.6 has the shortest delays at every level of
# knowledge, on random-19 at 25 and hex-19 at 20 packets/s. Delays of 20, 30 and 100 rounds differ by 1.2% at most there.
ROUNDS, SHARE = 30, 0.6


@dataclass(frozen=True)
class Links:
    """``P`` power control problems of at most ``L`` links each; links that only fill up have an empty queue.

    Args:
        gain: from each link's station (column) to each link's user (row) at full power, over all that is not a link of the
            problem: noise, or noise and interference from elsewhere ``[P, R, L, L]``.
        queue_bits: queue of each link ``[P, L]``.
        station: of each link ``[P, L]``.
        network: of each problem ``[P]``.
        device: user of each link, counted within the network ``[P, L]``.
        decides: whether the problem's solution is what the link's station does ``[P, L]``.
    """

    gain: Tensor
    queue_bits: Tensor
    station: Tensor
    network: Tensor
    device: Tensor
    decides: Tensor


def queue_weighted(
    graph: HeteroData,
    update: Update,
    iterations: int = ROUNDS,
    *,
    share: float = SHARE,
    reach: Reach = "network",
    cells: Cells | None = None,
) -> Allocation:
    """Schedule and powers of a slot from queues and gains.

    Args:
        graph: a batch of complete graphs of equal size with ``queue_bits``, each user with one station that may serve it.
        update: :func:`wmmse_update` or :func:`fp_update`.
        iterations: rounds for each resource block, from full power on all links that have something to send.
        share: of the bits that a resource block is expected to clear, what is subtracted from the queue before the next one is
            given; the rate is that of the chosen links among themselves, at an SINR of 30 dB at most.
        reach: ``network`` for one problem of all links. With ``neighbourhood`` each station solves a problem of its own users'
            links and its neighbours' and takes its own decision from it; what comes from stations beyond is what is left of the
            users' reported ``interference_w`` once the reported ``power_w`` of the neighbourhood's stations, times gain, is
            subtracted. Gains and reports have to be of one slot.
        cells: of the graph, if they are known.

    Raises:
        ValueError: a share out of its range, a graph without the length of its slots or without cells (see
            :func:`~hetgraph.radio.cells.cells_of`).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: got {share}, expected a number from 0 to 1")
    if not hasattr(graph, "slot_s"):
        raise ValueError("slot_s: got a graph with queues and without it, expected the length of a slot, s")
    cells = cells_of(graph) if cells is None else cells
    b, _, u, _ = cells.shape
    links = network_links(graph, cells) if reach == "network" else neighbourhood_links(graph, cells)
    bits_per_nat = (graph.rb_bandwidth_hz * graph.slot_s.reshape(-1, 1) * LOG2E).to(links.gain.dtype)  # [B, R]
    power = _blocks(links, update, iterations, share * bits_per_nat[links.network])  # [P, R, L]
    power = (power * links.decides.unsqueeze(1)).transpose(1, 2)
    out = power.new_zeros(b * u, power.shape[2])
    place = links.device + u * links.network.unsqueeze(1)
    out.index_add_(0, place.flatten(), power.flatten(0, 1))
    out = out.reshape(b, u, -1)
    most = graph["bs"].rb_power_max_w.reshape(b, cells.shape[1], -1)
    return cells.of_devices(out > 0, out * cells.at_device(most))


def _blocks(links: Links, update: Update, iterations: int, bits_per_nat: Tensor) -> Tensor:
    """Fractions of full power of the links that are served ``[P, R, L]``."""
    left, out = links.queue_bits, []
    rival = links.station.unsqueeze(1) == links.station.unsqueeze(2)  # [P, L, L]
    place = torch.arange(left.shape[1], device=left.device)
    for block, gain in enumerate(links.gain.unbind(1)):
        own = gain.diagonal(dim1=1, dim2=2).clone()
        cross = gain.masked_fill(torch.eye(len(place), dtype=torch.bool, device=gain.device), 0)
        weight = left / left.amax(1, keepdim=True).clamp_min(1e-30)
        v = (weight > 0).to(gain.dtype)
        for _ in range(iterations):
            v = update(v, cross, own, weight)
        power = v * v
        value = weight * _nats(power, cross, own)
        best = value.unsqueeze(1).masked_fill(~rival, -1).argmax(2)  # of each link's station
        power = power * ((best == place) & (value > 0))
        left = (left - bits_per_nat[:, block : block + 1] * _nats(power, cross, own)).clamp_min(0)
        out.append(power)
    return torch.stack(out, 1)


def _nats(power: Tensor, cross: Tensor, own: Tensor) -> Tensor:
    """Rates of links, nats per symbol, as environments count them ``[P, L]``."""
    return spectral_efficiency(own * power, _interference(cross, power) + 1, most=MAX_SINR, nats=True)


def link_gains(graph: HeteroData, cells: Cells) -> tuple[Tensor, Tensor]:
    """Gains between links over noise at full power ``[B, R, U, U]`` (row: user, column: link), and full powers ``[B, N, R]``."""
    b, n, u, _ = cells.shape
    most = graph["bs"].rb_power_max_w.reshape(b, n, -1)
    gain = gain_table(graph, cells) * most.unsqueeze(1)
    gain = gain / noise_plus_far_w(graph).reshape(b, u, 1, -1)
    place = cells.station.reshape(b, 1, u, 1).expand(b, u, u, gain.shape[3])
    return gain.gather(2, place).permute(0, 3, 1, 2).contiguous(), most


def network_links(graph: HeteroData, cells: Cells) -> Links:
    """One problem for each network: the links that have something to send."""
    gain, _ = link_gains(graph, cells)
    queue = graph["ue"].queue_bits.reshape(len(gain), -1)
    network = torch.arange(len(gain), device=gain.device)
    return _gathered(gain, queue, cells, network, queue > 0)


def neighbourhood_links(graph: HeteroData, cells: Cells) -> Links:
    """A problem for each station: links of its own and its neighbours' users, gains over the noise and all that is farther away.

    Links without packets stay in it, so that its size, and with it the rounding, does not depend on what is farther away.
    """
    gain, _ = link_gains(graph, cells)
    b, n, u, _ = cells.shape
    ue = graph["ue"]
    hears = cells.neighbours | torch.eye(n, dtype=torch.bool, device=gain.device)  # [B, N, N]
    near = hears.gather(2, cells.station.unsqueeze(1).expand(b, n, u))  # row: station, column: user
    network = torch.arange(b, device=gain.device).repeat_interleave(n)
    links = _gathered(gain, ue.queue_bits.reshape(b, u), cells, network, near.flatten(0, 1))
    noise, reported = (value.reshape(b, u, -1) for value in (noise_plus_far_w(graph), ue.interference_w))
    sent = noise.new_zeros(b, n, noise.shape[2])
    sent.scatter_add_(1, cells.station.unsqueeze(2).expand_as(noise), ue.power_w.reshape(b, u, -1).to(noise.dtype))
    received = gain_table(graph, cells) * sent.unsqueeze(1)  # [B, U, N, R]
    foreign = cells.station.unsqueeze(2) != torch.arange(n, device=gain.device)  # [B, U, N]
    received = (received * foreign.unsqueeze(3)).transpose(1, 2).flatten(2)  # [B, N, U * R]
    inside = torch.matmul(hears.to(gain.dtype), received).reshape(b * n, u, -1)
    place = links.device.unsqueeze(2).expand(-1, -1, noise.shape[2])
    floor = noise[network].gather(1, place)
    beyond = reported[network].gather(1, place) - inside.gather(1, place)
    scale = (floor / torch.maximum(beyond, floor)).masked_fill(~links.decides.unsqueeze(2), 0)  # [P, L, R]
    station = torch.arange(n, device=gain.device).repeat(b).unsqueeze(1)
    decides = links.decides & (links.station == station)
    return Links(
        links.gain * scale.transpose(1, 2).unsqueeze(3),
        links.queue_bits,
        links.station,
        network,
        links.device,
        decides,
    )


def _gathered(gain: Tensor, queue: Tensor, cells: Cells, network: Tensor, member: Tensor) -> Links:
    """Problems from marks on the users that belong to each ``[P, U]``."""
    size = max(int(member.sum(1).max()), 1)
    device = member.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :size]
    inside = member.gather(1, device)
    row = network.unsqueeze(1)
    small = gain[row.unsqueeze(2), :, device.unsqueeze(2), device.unsqueeze(1)].permute(0, 3, 1, 2).contiguous()
    small = small.masked_fill(~(inside.unsqueeze(2) & inside.unsqueeze(1)).unsqueeze(1), 0)
    return Links(small, queue[row, device].masked_fill(~inside, 0), cells.station[row, device], network, device, inside)


def wmmse_update(v: Tensor, cross: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """One round of WMMSE: receivers, weights of the errors, amplitudes.

    Args:
        v: amplitudes of links, as parts of the largest ``[*, L]``.
        cross: gains between links over noise, zero from a link to itself ``[*, L, L]`` (row: user, column: link).
        own: gains of links over noise ``[*, L]``.
        weight: of their rates ``[*, L]``.
    """
    other = _interference(cross, v * v) + 1
    total = other + own * v * v
    receiver = own.sqrt() * v / total
    error_weight = weight * total / other
    cost = error_weight * receiver.square()
    curvature = _spilled(cross, cost) + own * cost
    return (error_weight * receiver * own.sqrt() / curvature.clamp_min(1e-30)).clamp_max(1)


def fp_update(v: Tensor, cross: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """One round of fractional programming: Lagrangian dual, quadratic transform, amplitudes; as :func:`wmmse_update`."""
    other = _interference(cross, v * v) + 1
    signal = own * v * v
    root = (weight * (1 + signal / other) * own).sqrt()
    y = root * v / (other + signal)
    cost = y * y
    return (y * root / (_spilled(cross, cost) + own * cost).clamp_min(1e-30)).clamp_max(1)


def _interference(gain: Tensor, power: Tensor) -> Tensor:
    return torch.matmul(gain, power.unsqueeze(-1)).squeeze(-1)


def _spilled(gain: Tensor, cost: Tensor) -> Tensor:
    # A row times a matrix: the other order takes MKL many times as long.
    return torch.matmul(cost.unsqueeze(-2), gain).squeeze(-2)
