"""Networks of an environment of queues: a batch of contract graphs in which every user has one station."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.base import number_of_networks
from hetgraph.graph.check import check
from hetgraph.graph.levels import own_edges
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON

MOST_DENSE = 64  # stations up to which every station is a candidate of every user
CANDIDATES = 32  # of a user in larger networks, the strongest; the other stations are far interference
NOT_KEPT = ("x", "edge_attr", "h")  # columns are made by models, and `h` is of the drawn slot alone


def network_numbers(scenario: Any, num_envs: int | None, first: int) -> list[int]:
    """Numbers of an environment's networks; as many as a batch has, else one, where ``num_envs`` is ``None``.

    Raises:
        ValueError: less than one network, or a negative number.
    """
    num_envs = number_of_networks(scenario, num_envs)
    if num_envs < 1 or first < 0:
        raise ValueError(f"num_envs, first: got {num_envs}, {first}, expected at least 1 and 0")
    return list(range(first, first + num_envs))


def graphs_of(scenario: Scenario | HeteroData, numbers: Sequence[int], seed: int) -> Batch:
    """Networks by their numbers, as one batch.

    Args:
        scenario: drawn from; of given graphs network i is the i-th one, modulo their number.
        numbers: of the networks; a number may come more than once.
        seed: of a scenario's networks.

    Raises:
        ValueError: a graph that breaks the contract.
    """
    if isinstance(scenario, HeteroData):
        check(scenario)
        given = scenario if "batch" in scenario["bs"] else Batch.from_data_list([scenario])
        count = int(given.num_graphs)
        numbers = [number % count for number in numbers]
        if numbers == list(range(count)):
            return given.clone()
        singles = dict(enumerate(given.to_data_list()))
    else:
        needed = sorted(set(numbers))
        whole = needed == list(range(needed[0], needed[0] + len(needed)))
        spans = [(needed[0], len(needed))] if whole else [(number, 1) for number in needed]
        drawn = [scenario.sample(count, seed=seed, first=first) for first, count in spans]
        if whole and list(numbers) == needed:
            return drawn[0]
        singles = dict(zip(needed, (one for part in drawn for one in part.to_data_list()), strict=True))
    return Batch.from_data_list([singles[number] for number in numbers])


def prepared(batch: Batch, slot_s: float, dtype: torch.dtype | None = None) -> Batch:
    """The batch as environments keep it: contract graphs with an association that does not change.

    Of more than 64 stations a user keeps the 32 that it receives best; the others are far interference, at full power and without
    fading. Every user gets the station that ``serving_slot`` names or, of those that may serve it, the one that it receives
    best. Stations without antennas get one in their place.

    Args:
        batch: networks, changed in place.
        slot_s: length of a slot where the graphs do not say.
        dtype: of real attributes; ``None`` for that of the gains.

    Raises:
        ValueError: networks of different sizes, a user without a station that may serve it, or one that is not there.
    """
    for key in (*batch.node_types, *batch.edge_types):
        for name in NOT_KEPT:
            if name in batch[key]:
                del batch[key][name], batch._slice_dict[key][name], batch._inc_dict[key][name]
    links = links_of(batch)
    _check_sizes(links)
    if links.dense and links.num_bs // links.num_networks > MOST_DENSE:
        batch = strongest(batch, links, CANDIDATES)
        links = links_of(batch)
    if "active" in batch["ue"] and not bool(batch["ue"].active.all()):
        user = int((~batch["ue"].active).nonzero()[0])
        raise ValueError(f"ue.active: got user {user} who is not there, expected all users in an environment of queues")
    put(batch, "ue", "serving_slot", _serving_slot(batch, links))
    own = own_edges(batch)
    put(batch, CHANNEL, "own", own)
    put(batch, CHANNEL, "may_serve", own.clone())
    _add_antennas(batch, links)
    if "slot_s" not in batch:
        put(batch, None, "slot_s", torch.full((links.num_networks,), slot_s))
    _set_dtype(batch, batch[CHANNEL].gain.dtype if dtype is None else dtype)
    return batch


def _set_dtype(batch: Batch, dtype: torch.dtype) -> None:
    """Real attributes in one dtype; places keep theirs."""
    for store in (batch._global_store, *batch.node_stores, *batch.edge_stores):
        for name, value in store.items():
            if isinstance(value, Tensor) and value.is_floating_point() and name != "pos":
                store[name] = value.to(dtype)


def _check_sizes(links: Links) -> None:
    for what, network in (("stations", links.bs_network), ("users", links.ue_network)):
        count = torch.bincount(network, minlength=links.num_networks)
        if bool((count != count[0]).any()):
            got = f"{int(count.min())} to {int(count.max())} {what}"
            raise ValueError(f"scenario: got networks of {got}, expected as many in each network of an environment")


def _serving_slot(batch: Batch, links: Links) -> Tensor:
    """Slot of each user's station ``[U]``."""
    channel, given = batch[CHANNEL], torch.full((links.num_ue,), -1, device=links.ue.device)
    may = channel.may_serve if "may_serve" in channel else torch.ones_like(channel.slot, dtype=torch.bool)
    if "serving_slot" in batch["ue"]:
        given = batch["ue"].serving_slot
        given = torch.where((given >= 0) & links.pick(may, given), given, -1)
    alone = torch.bincount(links.ue[may], minlength=links.num_ue) == 0
    if bool(alone.any()):
        user = int(alone.nonzero()[0])
        raise ValueError(
            f"(bs, channel, ue).may_serve: got no station for user {user}, expected at least one for each user"
        )
    received = received_w(batch).masked_fill(~may, -1)
    return torch.where(given >= 0, given, links.argmax_slot(links.lift(received)))


def large_scale(batch: Batch) -> Tensor:
    """Gain of every edge without fading ``[E]``; the mean over resource blocks where the graphs do not say."""
    channel = batch[CHANNEL]
    if "pathloss_db" not in channel:
        mean: Tensor = channel.gain.mean(1)
        return mean
    loss = channel.pathloss_db + channel.shadow_db - channel.antenna_gain_db
    return torch.pow(10, -loss.double() / 10)


def received_w(batch: Batch) -> Tensor:
    """Power of every edge without fading, of a station that sends at full power on all of its resource blocks ``[E]``, W."""
    power: Tensor = large_scale(batch) * batch["bs"].rb_power_max_w.mean(1)[batch[CHANNEL].edge_index[0]]
    return power


def strongest(batch: Batch, links: Links, count: int) -> Batch:
    """The batch with the edges of each user's strongest stations alone, its own among them, in their order; in place.

    Args:
        batch: networks in which every station is a candidate of every user.
        links: their index structure.
        count: candidates that a user keeps.
    """
    edges, blocks_w = batch[CHANNEL], equal_power_w(batch["bs"].power_max_w, batch["bs"].rb_power_max_w)
    may = edges.may_serve if "may_serve" in edges else torch.zeros_like(edges.slot, dtype=torch.bool)
    order = links.lift(received_w(batch) + may * torch.finfo(torch.float32).max)
    kept = torch.zeros_like(order, dtype=torch.bool).scatter_(2, order.topk(count, dim=2).indices, True).flatten()
    far = links.lift(large_scale(batch).unsqueeze(1).masked_fill(kept.unsqueeze(1), 0)) * links.from_bs(blocks_w)
    put(batch, "ue", "far_interference_w", links.sum_to_ue(far).to(edges.gain.dtype) + _far_w(batch))
    slices = torch.arange(links.num_networks + 1) * (links.num_ue // links.num_networks * count)
    for name, value in list(edges.items()):
        if isinstance(value, Tensor):
            edges[name] = value[:, kept] if name == "edge_index" else value[kept]
            batch._slice_dict[CHANNEL][name] = slices
    edges.slot = torch.arange(count, device=links.ue.device).repeat(links.num_ue)
    return batch


def _far_w(batch: Batch) -> Tensor | float:
    far: Tensor | float = batch["ue"].far_interference_w if "far_interference_w" in batch["ue"] else 0.0
    return far


def _add_antennas(batch: Batch, links: Links) -> None:
    """One omnidirectional antenna in the place of every station, where no station has any.

    Raises:
        ValueError: antennas on some stations only.
    """
    bare = torch.bincount(batch[MOUNTED_ON].edge_index[1], minlength=links.num_bs) == 0
    if not bool(bare.any()):
        return
    if not bool(bare.all()):
        raise ValueError(
            f"antenna: got none on station {int(bare.nonzero()[0])}, expected at least one on each or none"
        )
    station = torch.arange(links.num_bs, device=links.bs.device)
    power, antenna = batch["bs"].power_max_w, batch["antenna"]
    for name, width in (("offset", 3), ("boresight", 2)):
        put(batch, "antenna", name, power.new_zeros(links.num_bs, width), like="bs")
    antenna.num_nodes = links.num_bs
    antenna._num_nodes = [links.num_bs // links.num_networks] * links.num_networks
    antenna.batch, antenna.ptr = links.bs_network.clone(), batch["bs"].ptr.clone()
    batch[MOUNTED_ON].edge_index = torch.stack([station, station])
    slices = batch._slice_dict["bs"]["power_max_w"]
    batch._slice_dict[MOUNTED_ON]["edge_index"] = slices
    batch._inc_dict[MOUNTED_ON]["edge_index"] = slices[:-1].reshape(-1, 1, 1).expand(-1, 2, 1)


def put(batch: Batch, store: Any, name: str, value: Tensor, like: Any = None) -> None:
    """Set an attribute of a batch so that :meth:`to_data_list` knows it, too.

    Args:
        batch: changed in place.
        store: node or edge type, or ``None`` for the whole graph.
        name: of the attribute.
        value: one row for each node, edge or network.
        like: node type with as many rows, where the store's own numbers of rows change.
    """
    networks = int(batch.num_graphs)
    none = torch.zeros(networks, dtype=torch.long)
    if store is None:
        batch[name] = value
        batch._slice_dict[name], batch._inc_dict[name] = torch.arange(networks + 1), none
        return
    batch[store][name] = value
    source = store if like is None else like
    sibling = {"bs": "power_max_w", "ue": "noise_w"}.get(source, "slot")
    batch._slice_dict[store][name] = batch._slice_dict[source][sibling]
    batch._inc_dict[store][name] = none
