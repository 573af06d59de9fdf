"""The decision that every classical method and every model yields."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.utils._pytree as pytree
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.groups import groups_of


@dataclass(frozen=True)
class Allocation:
    """Who is served by whom, and at which power.

    Args:
        serving: serving station of each user ``[U]``, in the numbering of the graph or batch; -1 for none.
        power_w: time-averaged transmit power of each station and resource block ``[N, R]``, W.
        airtime: share of each resource block that a user gets from its station ``[U, R]``; ``None`` leaves it to the
            rate convention.
        layer_power_w: each user's own part of its station's power ``[U, R]``, W, summing to ``power_w``; ``None`` when
            a station's users share one power per resource block.
        precoder: of each user from its station while its group is served, in the root of W, complex ``[U, Amax, R]``; zero beyond
            the station's antennas. ``None`` without precoding.
        group: group of each user among those of its station, on each resource block, that take turns for equal airtimes, -1
            where it is not served ``[U, R]``; with a precoder ``None`` stands for all users at once.
    """

    serving: Tensor
    power_w: Tensor
    airtime: Tensor | None = None
    layer_power_w: Tensor | None = None
    precoder: Tensor | None = None
    group: Tensor | None = None

    @property
    def groups(self) -> Tensor:
        """Group of each user on each resource block, -1 where it is not served ``[U, R]``."""
        if self.group is not None:
            return self.group
        everyone = torch.where(self.serving >= 0, 0, -1).unsqueeze(1)
        return everyone.expand(-1, self.power_w.shape[1])


def _flatten(allocation: Allocation) -> tuple[list[Tensor], tuple[str, ...]]:
    tensors = {name: value for name, value in vars(allocation).items() if value is not None}
    return list(tensors.values()), tuple(tensors)


def _unflatten(leaves: Iterable[Tensor], names: tuple[str, ...]) -> Allocation:
    return Allocation(**dict(zip(names, leaves, strict=True)))


pytree.register_pytree_node(Allocation, _flatten, _unflatten, serialized_type_name="hetgraph.radio.Allocation")


def violations(graph: HeteroData, allocation: Allocation, *, tolerance: float = 1e-5) -> list[str]:
    """Constraints that an allocation breaks, one sentence each; empty when it is feasible.

    Shapes come first, then the association, then powers and airtimes; what is wrong hides what comes after it.

    Args:
        graph: a graph or a batch of graphs.
        allocation: the decision to check.
        tolerance: relative slack on powers and airtimes, for rounding in float32.
    """
    links = links_of(graph)
    result = _shape_violations(graph, links, allocation) or _serving_violations(graph, links, allocation)
    return result or _power_violations(graph, links, allocation, tolerance)


def feasible(graph: HeteroData, allocation: Allocation, *, tolerance: float = 1e-5) -> bool:
    """Whether an allocation keeps to the graph: candidates, budgets per station and resource block, airtimes (eq. 6-7).

    A batched association that points into another network is infeasible, since no candidate edge leads there.

    Example:
        >>> graph = from_gain(torch.ones(1, 2, 1), noise_w=1.0, power_max_w=1.0)
        >>> serving = torch.zeros(2, dtype=torch.long)
        >>> feasible(graph, Allocation(serving, torch.ones(1, 1))), feasible(graph, Allocation(serving, 2 * torch.ones(1, 1)))
        (True, False)
    """
    return not violations(graph, allocation, tolerance=tolerance)


def _shape_violations(graph: HeteroData, links: Links, allocation: Allocation) -> list[str]:
    blocks = graph["ue"].noise_w.shape[1]
    expected = {
        "serving": (links.num_ue,),
        "power_w": (links.num_bs, blocks),
        "airtime": (links.num_ue, blocks),
        "layer_power_w": (links.num_ue, blocks),
        "group": (links.num_ue, blocks),
    }
    if allocation.precoder is not None:
        if "h" not in graph[CHANNEL]:
            return ["allocation.precoder: got one, expected None in a graph without h"]
        expected["precoder"] = (links.num_ue, graph[CHANNEL].h.shape[1], blocks)
    result = []
    for name, shape in expected.items():
        value = getattr(allocation, name)
        if value is not None and tuple(value.shape) != shape:
            result.append(f"allocation.{name}: got shape {tuple(value.shape)}, expected {shape}")
        elif value is not None and not bool(torch.isfinite(value).all()):
            result.append(f"allocation.{name}: got NaN or infinite values, expected finite ones")
    return result


def _serving_violations(graph: HeteroData, links: Links, allocation: Allocation) -> list[str]:
    serving = allocation.serving
    if serving.is_floating_point() or bool((serving < -1).any()) or bool((serving >= links.num_bs).any()):
        return [f"allocation.serving: got values outside -1..{links.num_bs - 1}, expected station indices"]
    slot = links.slot_of(serving)
    if bool(((slot < 0) & (serving >= 0)).any()):
        user = int(((slot < 0) & (serving >= 0)).nonzero()[0])
        return [f"allocation.serving: got station {int(serving[user])} for user {user}, expected one of its candidates"]
    limit = graph["bs"].max_users if "max_users" in graph["bs"] else torch.zeros(links.num_bs, device=serving.device)
    load = links.users_per_bs(serving)
    if bool(((load > limit) & (limit > 0)).any()):
        worst = int(((load - limit) * (limit > 0)).argmax())
        got, most = int(load[worst]), int(limit[worst])
        return [f"allocation.serving: got {got} users at station {worst}, expected at most max_users, {most}"]
    channel = graph["bs", "channel", "ue"]
    if "may_serve" in channel and bool((~links.pick(channel.may_serve, slot) & (slot >= 0)).any()):
        return ["allocation.serving: got a station that may not serve its user, expected an edge with may_serve"]
    return []


def _power_violations(graph: HeteroData, links: Links, allocation: Allocation, tolerance: float) -> list[str]:
    power, bs = allocation.power_w, graph["bs"]
    slack, result = 1 + tolerance, []
    if bool((power < 0).any()):
        result.append(f"allocation.power_w: got {float(power.min()):g} W, expected no negative power")
    total = power.sum(1)
    if bool((total > bs.power_max_w * slack).any()):
        worst = int((total - bs.power_max_w).argmax())
        limit = float(bs.power_max_w[worst])
        result.append(
            f"allocation.power_w: got {float(total[worst]):g} W at station {worst}, expected at most {limit:g}"
        )
    if bool((power > bs.rb_power_max_w * slack).any()):
        result.append("allocation.power_w: got more than rb_power_max_w on a resource block, expected at most that")
    if allocation.airtime is not None:
        share = allocation.airtime * (allocation.serving >= 0).unsqueeze(1)
        load = share.new_zeros(power.shape).index_add(0, allocation.serving.clamp_min(0), share)
        if bool((share < 0).any()) or bool((load > slack).any()):
            result.append(
                "allocation.airtime: got shares outside 0..1 per station and block, expected a sum of at most 1"
            )
    if allocation.layer_power_w is not None:
        layer = allocation.layer_power_w * (allocation.serving >= 0).unsqueeze(1)
        total = layer.new_zeros(power.shape).index_add(0, allocation.serving.clamp_min(0), layer)
        scale = bs.power_max_w.unsqueeze(1) * max(tolerance, 1e-4)
        if bool((layer < 0).any()) or bool(((total - power).abs() > scale).any()):
            result.append("allocation.layer_power_w: got layers that do not sum to power_w, expected them to")
    if allocation.precoder is not None:
        result += _precoder_violations(graph, allocation, tolerance)
    return result


def _precoder_violations(graph: HeteroData, allocation: Allocation, tolerance: float) -> list[str]:
    bs, result = graph["bs"], []
    antenna = mean_antenna_power_w(allocation)
    power = antenna.sum(1)
    scale = bs.power_max_w.unsqueeze(1) * max(tolerance, 1e-4)
    if bool(((power - allocation.power_w).abs() > scale).any()):
        result.append("allocation.precoder: got precoders whose powers do not sum to power_w, expected them to")
    if "antenna_power_max_w" in bs and bool((antenna.sum(2) > bs.antenna_power_max_w * (1 + tolerance) + 1e-12).any()):
        result.append("allocation.precoder: got more than antenna_power_max_w at an antenna, expected at most that")
    return result


def mean_antenna_power_w(allocation: Allocation) -> Tensor:
    """Power of each antenna of each station and block, in the mean over its groups ``[N, Amax, R]``, W.

    Raises:
        ValueError: an allocation without precoders.
    """
    if allocation.precoder is None:
        raise ValueError("allocation.precoder: got None, expected [U, Amax, R]")
    w = allocation.precoder
    power = w.real.square() + w.imag.square()
    groups = groups_of(allocation.groups, allocation.serving, dtype=power.dtype)
    streams = groups.gather(power.transpose(1, 2)).sum(1) * groups.share.unsqueeze(1)  # [Q, Amax]
    stations, blocks = allocation.power_w.shape
    total = power.new_zeros(stations * blocks, power.shape[1]).index_add(0, groups.row, streams)
    return total.reshape(stations, blocks, -1).transpose(1, 2)
