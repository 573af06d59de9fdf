"""Named features: one table of all columns that networks read, each made from physical attributes of the graph.

A model lists the names that it reads, gets one tensor per store, and its checkpoint carries the list. Columns of unknown edges
are made from their attributes, which are zero: ratios of powers are -120 dB, gains -300 dB. What depends on a decision that is
being made, as inputs of critics and of refinement rounds do, is no column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import link_values as links
from hetgraph.graph import node_values as nodes
from hetgraph.graph.facts import Facts
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, NEIGHBOURS

Store = str | tuple[str, str, str] | None
_STORES: dict[str, Store] = {
    "bs": "bs",
    "ue": "ue",
    "antenna": "antenna",
    "channel": CHANNEL,
    "mounted_on": MOUNTED_ON,
    "neighbours": NEIGHBOURS,
    "graph": None,
}


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: unique within its store.
        store: node type, edge type, or ``None`` for the whole graph.
        unit: of the value before scaling.
        needs: attributes that a graph must have, as ``store.attribute``, beside the required ones of the schema.
        shift: typical value.
        scale: typical deviation.
        fn: value ``[n]``, or ``[n, R]`` of a block column.
        block: one value for each resource block.
    """

    name: str
    store: Store
    unit: str
    needs: tuple[str, ...]
    shift: float
    scale: float
    fn: Callable[[Facts], Tensor]
    block: bool = False

    @cached_property
    def attributes(self) -> tuple[tuple[Store, str], ...]:
        """What it needs, as store and name."""
        return tuple((_STORES[store], name) for store, name in (need.split(".") for need in self.needs))


def _bs(name: str) -> Callable[[Facts], Tensor]:
    return lambda f: f.real(f.bs(name))


def _ue(name: str, unit: float = 1) -> Callable[[Facts], Tensor]:
    return lambda f: f.real(f.ue(name)) / unit


def _velocity(axis: int) -> Callable[[Facts], Tensor]:
    return lambda f: f.real(f.ue("velocity")[:, axis])


def _graph(name: str) -> Callable[[Facts], Tensor]:
    return lambda f: f.real(f.network(name))


def _tilt(f: Facts) -> Tensor:
    return f.real(f.antenna("boresight")[:, 1])


def _offset(axis: int) -> Callable[[Facts], Tensor]:
    return lambda f: f.real(f.antenna("offset")[:, axis])


_LOAD = ("bs.users", "bs.max_users")
_ON_EDGE = ("channel.users", "channel.spectral_efficiency", "graph.rate_unit_bps")
_OWN = ("ue.serving_slot",)
_OWN_EFFICIENCY = ("channel.spectral_efficiency", *_OWN)
_HEARD = ("channel.rsrp_dbm", "channel.interference_w")
_DATA = ("channel.rate", "graph.time_unit")
_NEED = ("ue.demand", *_DATA)
_SHARE = ("channel.users", *_DATA)
_HAD = ("ue.rate_bps", "graph.rate_unit_bps")
_OWN_POWER = ("ue.own_gain", *_OWN)
_CROSS = (*links.PACKETS, *_OWN_POWER, "ue.power_w", "ue.interference_w")

_TABLE = (
    # Stations.
    Column("power_dbm", "bs", "dBm", (), 40, 8, nodes.bs_power_dbm),
    Column("users_per_bs", "bs", "log", (), 3, 1.5, nodes.bs_users_per_bs),
    Column("strongest_share", "bs", "", (), 1, 1, nodes.bs_strongest_share),
    Column("users", "bs", "", ("bs.users",), 10, 10, _bs("users")),
    Column("load", "bs", "", _LOAD, 0, 1, lambda f: f.load),
    Column("off_balance", "bs", "", _LOAD, 0, 1, nodes.bs_off_balance),
    Column("efficiency_mean", "bs", "bit/s/Hz", _OWN_EFFICIENCY, 0, 5, nodes.bs_efficiency_mean),
    Column("efficiency_std", "bs", "bit/s/Hz", _OWN_EFFICIENCY, 0, 5, nodes.bs_efficiency_std),
    Column("leavers_share", "bs", "", ("channel.allowed", *_OWN), 0, 1, nodes.bs_leavers_share),
    Column("room_share", "bs", "", ("bs.room", "bs.max_users"), 0, 1, nodes.bs_room_share),
    Column("free_rb", "bs", "", ("bs.free_rb",), 0, 10, _bs("free_rb")),
    Column("utility", "bs", "", ("bs.utility",), 0, 1, _bs("utility")),
    Column("backlog_log", "bs", "log", ("bs.backlog_slots", "graph.time_unit"), 0, 3, nodes.bs_backlog),
    Column("queue_log", "bs", "log", ("ue.queue_bits", *_OWN), 0, 3, nodes.bs_queue_log),
    Column("activity", "bs", "", ("bs.activity",), 0.5, 0.5, _bs("activity")),
    Column("offset_db", "bs", "dB", ("bs.offset_db",), 0, 6, _bs("offset_db")),
    Column("queue_mbit", "bs", "Mbit", ("ue.queue_bits", *_OWN), 0.3, 0.5, nodes.bs_queue_mbit),
    Column("power_share", "bs", "", ("bs.power_w",), 0.5, 0.5, nodes.bs_power_share),
    Column("busy_share", "bs", "", ("bs.power_w",), 0.5, 0.5, nodes.bs_busy_share),
    Column("interference_db", "bs", "dB", ("bs.interference_db",), 10, 10, _bs("interference_db")),
    # Users.
    Column("best_snr_db", "ue", "dB", (), 30, 20, lambda f: f.links.max_to_ue(f.snr_db)),
    Column("best_sinr_db", "ue", "dB", (), 0, 10, lambda f: f.links.max_to_ue(f.sinr_db)),
    Column("active", "ue", "", (), 0, 1, lambda f: links.flag_or_one(f, "ue", "active", f.links.num_ue)),
    Column("served", "ue", "", _OWN, 0.5, 0.5, lambda f: f.real(f.serving_slot >= 0)),
    Column("own_snr_db", "ue", "dB", _OWN, 0, 40, lambda f: f.own_snr_db),
    Column("own_sinr_db", "ue", "dB", _OWN, 0, 20, links.own_sinr_db),
    Column("own_efficiency", "ue", "bit/s/Hz", _OWN_EFFICIENCY, 0, 5, links.own_efficiency),
    Column("own_load", "ue", "", (*_LOAD, *_OWN), 0, 1, lambda f: f.of_station(f.load)),
    Column("log_rate", "ue", "log", _HAD, 0, 1, lambda f: f.log_rate),
    Column("rate_mbps", "ue", "Mbit/s", ("ue.rate_bps",), 4, 4, _ue("rate_bps", 1e6)),
    Column("rate_mean_mbps", "ue", "Mbit/s", ("ue.rate_mean_bps",), 4, 4, _ue("rate_mean_bps", 1e6)),
    Column("offered_mbps", "ue", "Mbit/s", ("ue.offered_bps",), 4, 4, _ue("offered_bps", 1e6)),
    Column("served_share", "ue", "", ("ue.served_share",), 0.8, 0.3, _ue("served_share")),
    Column("speed_mps", "ue", "m/s", ("ue.speed_mps",), 0, 10, _ue("speed_mps")),
    Column("velocity_x_mps", "ue", "m/s", ("ue.velocity",), 0, 10, _velocity(0)),
    Column("velocity_y_mps", "ue", "m/s", ("ue.velocity",), 0, 10, _velocity(1)),
    Column("level_share", "ue", "", ("ue.level", "graph.levels"), 0, 1, links.level_share),
    Column("since_handover", "ue", "slot", ("ue.since_slots",), 0, 10, links.since_handover),
    Column("interference_db", "ue", "dB", ("ue.interference_w",), 10, 10, links.interference_db),
    Column("queue_mbit", "ue", "Mbit", ("ue.queue_bits",), 0.03, 0.05, _ue("queue_bits", 1e6)),
    Column("queue_log", "ue", "log", ("ue.queue_bits",), 0, 3, lambda f: (f.ue("queue_bits") / 1e6).log1p()),
    Column("head_slots", "ue", "slot", ("ue.head_slots",), 5, 10, _ue("head_slots")),
    Column("deadline_slots", "ue", "slot", ("ue.deadline_slots",), 20, 10, _ue("deadline_slots")),
    Column("packets_log", "ue", "log", links.PACKETS, 0, 1, lambda f: links.packets(f).log1p()),
    Column("packets_root", "ue", "", links.PACKETS, 0, 2, lambda f: links.packets(f).sqrt()),
    Column("packet_first", "ue", "", links.PACKETS, 0, 1, lambda f: links.packets(f).clamp_max(1)),
    Column("packet_second", "ue", "", links.PACKETS, 0, 1, lambda f: (links.packets(f) - 1).clamp(0, 1)),
    Column("packet_third", "ue", "", links.PACKETS, 0, 1, lambda f: (links.packets(f) - 2).clamp(0, 1)),
    Column("demand", "ue", "data or slots", ("ue.demand",), 0, 1, _ue("demand")),
    Column("demand_log", "ue", "log", ("ue.demand",), 0, 1, lambda f: f.ue("demand").log1p()),
    Column("asked_rb", "ue", "", ("ue.asked_rb",), 0, 5, _ue("asked_rb")),
    # Users, on each resource block.
    Column("block_snr_db", "ue", "dB", _OWN_POWER, 0, 30, links.block_snr_db, True),
    Column("block_snr_excess_db", "ue", "dB", _OWN_POWER, 0, 10, links.block_snr_excess_db, True),
    Column("block_interference_db", "ue", "dB", ("ue.interference_w",), 0, 30, links.block_inr_db, True),
    Column("block_reach_log", "ue", "log", (*_OWN_POWER, "ue.interference_w"), 0, 7, links.block_reach, True),
    Column("block_efficiency", "ue", "bit/s/Hz", ("ue.spectral_efficiency",), 0, 10, _ue("spectral_efficiency"), True),
    Column("block_power_root", "ue", "", ("ue.power_w", *_OWN), 0, 1, links.block_power, True),
    Column("block_threat_db", "ue", "dB", _CROSS, 0, 30, links.block_threat_db, True),
    Column("block_beyond_db", "ue", "dB", _CROSS, 0, 30, links.block_beyond_db, True),
    Column("block_harm_log", "ue", "log", _CROSS, 0, 2, links.block_harm, True),
    # Antennas.
    Column("cos_azimuth", "antenna", "", ("antenna.boresight",), 0, 1, nodes.antenna_cos_azimuth),
    Column("sin_azimuth", "antenna", "", ("antenna.boresight",), 0, 1, nodes.antenna_sin_azimuth),
    Column("tilt_rad", "antenna", "rad", ("antenna.boresight",), 0, 0.3, _tilt),
    Column("offset_x_m", "antenna", "m", ("antenna.offset",), 0, 0.1, _offset(0)),
    Column("offset_y_m", "antenna", "m", ("antenna.offset",), 0, 0.1, _offset(1)),
    Column("offset_z_m", "antenna", "m", ("antenna.offset",), 0, 0.1, _offset(2)),
    # Channel edges.
    Column("snr_db", CHANNEL, "dB", (), 10, 20, lambda f: f.links.flat(f.snr_db)),
    Column("sinr_db", CHANNEL, "dB", (), -15, 15, lambda f: f.links.flat(f.sinr_db)),
    Column("gap_db", CHANNEL, "dB", (), -20, 20, lambda f: f.links.flat(f.gap_db)),
    Column("spread_db", CHANNEL, "dB", (), 5, 3, links.spread_db),
    Column("cos_azimuth", CHANNEL, "", (), 0, 1, lambda f: f.direction[0]),
    Column("sin_azimuth", CHANNEL, "", (), 0, 1, lambda f: f.direction[1]),
    Column("known", CHANNEL, "", (), 0, 1, lambda f: links.flag_or_one(f, CHANNEL, "known", f.links.num_edges)),
    Column("own", CHANNEL, "", (), 0, 1, lambda f: f.real(f.own_edge)),
    Column("measured", CHANNEL, "", (), 0, 1, lambda f: links.edge_or_zero(f, "measured")),
    Column("bias_db", CHANNEL, "dB", (), 0, 10, lambda f: links.edge_or_zero(f, "bias_db")),
    Column("own_gap_db", CHANNEL, "dB", _OWN, 0, 10, links.own_gap_db),
    Column("distance_m", CHANNEL, "m", ("channel.distance_m",), 0, 500, lambda f: f.real(f.edge("distance_m"))),
    Column("efficiency", CHANNEL, "bit/s/Hz", ("channel.spectral_efficiency",), 0, 5, links.edge_efficiency),
    Column("load", CHANNEL, "", ("channel.users", "bs.max_users"), 0, 1, links.edge_load),
    Column("log_rate", CHANNEL, "log", _ON_EDGE, 0, 1, links.edge_log_rate),
    Column("presence", CHANNEL, "log", _ON_EDGE, 0, 1, links.edge_presence),
    Column("mean_snr_db", CHANNEL, "dB", ("channel.rsrp_dbm",), 30, 20, links.mean_snr_db),
    Column("mean_sinr_db", CHANNEL, "dB", _HEARD, 10, 15, links.mean_sinr_db),
    Column("mean_gap_db", CHANNEL, "dB", ("channel.rsrp_dbm",), -15, 15, links.mean_gap_db),
    Column("fading_db", CHANNEL, "dB", ("channel.rsrp_dbm",), 0, 3, links.fading_db),
    Column("users", CHANNEL, "", ("channel.users",), 10, 10, lambda f: f.real(f.edge("users"))),
    Column("rate", CHANNEL, "data", _DATA, 0, 1, lambda f: f.data_rate),
    Column("rate_log", CHANNEL, "log", _DATA, 0, 1, lambda f: f.data_rate.log1p()),
    Column("need_log", CHANNEL, "log", _NEED, 0, 1, lambda f: f.need_log),
    Column("need", CHANNEL, "unit", _NEED, 0, 10, links.edge_need),
    Column("share_log", CHANNEL, "log", _SHARE, 0, 1, lambda f: f.share_log),
    Column("join_loss", CHANNEL, "log", _SHARE, 0, 1, links.join_loss),
    # Pairs of neighbouring stations.
    Column("distance_m", NEIGHBOURS, "m", ("bs.pos",), 0, 500, nodes.pair_distance_m),
    # Networks.
    Column("cos_time", None, "", nodes.TIME, 0, 1, lambda f: nodes.time_angle(f).cos()),
    Column("sin_time", None, "", nodes.TIME, 0, 1, lambda f: nodes.time_angle(f).sin()),
    Column("slots_left_log", None, "log", ("graph.slots_left", "graph.time_unit"), 0, 1, nodes.slots_left),
    Column("arrival_probability", None, "", ("graph.arrival_probability",), 0, 1, _graph("arrival_probability")),
    Column("mean_demand", None, "data or slots", ("graph.mean_demand",), 0, 1, _graph("mean_demand")),
    Column("handover_rate", None, "", ("graph.handover_rate",), 0, 1, _graph("handover_rate")),
    Column("load_mean", None, "", _LOAD, 0, 1, lambda f: nodes.over_bs(f, f.load)),
    Column("load_std", None, "", _LOAD, 0, 1, lambda f: nodes.load_variance(f).sqrt()),
    Column("load_variance", None, "", _LOAD, 0, 1, nodes.load_variance),
    Column("load_max", None, "", _LOAD, 0, 1, nodes.load_most),
    Column("load_min", None, "", _LOAD, 0, 1, lambda f: nodes.load_most(f, -1)),
    Column("own_snr_mean_db", None, "dB", _OWN, 0, 40, lambda f: nodes.over_ue(f, f.own_snr_db)),
    Column("own_snr_std_db", None, "dB", _OWN, 0, 40, lambda f: nodes.ue_std(f, f.own_snr_db)),
    Column("log_rate_mean", None, "log", _HAD, 0, 1, lambda f: nodes.over_ue(f, f.log_rate)),
    Column("log_rate_std", None, "log", _HAD, 0, 1, lambda f: nodes.ue_std(f, f.log_rate)),
    Column("busy_share", None, "", ("bs.users",), 0, 1, nodes.used_share),
    Column("full_share", None, "", ("bs.room",), 0, 1, nodes.full_share),
)

COLUMNS: dict[tuple[Store, str], Column] = {(column.store, column.name): column for column in _TABLE}


def columns_of(store: Store, names: Sequence[str]) -> tuple[Column, ...]:
    """Columns by name.

    Raises:
        ValueError: a name that the store has no column of.
    """
    return _columns_of(store, tuple(names))


@cache
def _columns_of(store: Store, names: tuple[str, ...]) -> tuple[Column, ...]:
    for name in names:
        if (store, name) not in COLUMNS:
            known = ", ".join(sorted(n for s, n in COLUMNS if s == store)) or "none"
            raise ValueError(f"features: got {name!r} of {_label(store)}, expected one of {known}")
    return tuple(COLUMNS[store, name] for name in names)


def features(graph: HeteroData | Facts, store: Store, names: Sequence[str], scaled: bool = True) -> Tensor:
    """Scaled columns ``(x - shift) / scale`` of a store ``[n, len(names)]``, or ``[n, R, len(names)]`` of block columns.

    Args:
        graph: a graph or a batch, or its :class:`~hetgraph.graph.facts.Facts`, which several calls share.
        store: node type, edge type, or ``None`` for the networks ``[B, len(names)]``.
        names: columns, all of blocks or none.
        scaled: ``False`` for ``x`` itself, for a model that has a scale of its own.

    Raises:
        ValueError: an unknown name, block columns among others, or an attribute that a column needs and the graph lacks.

    Example:
        >>> graph = from_gain(torch.tensor([[[10.0], [1.0]]]), noise_w=1.0, power_max_w=1.0)
        >>> features(graph, ("bs", "channel", "ue"), ("snr_db",), scaled=False)
        tensor([[10.],
                [ 0.]])
    """
    columns = columns_of(store, names)
    if len({column.block for column in columns}) > 1:
        block = next(column.name for column in columns if column.block)
        raise ValueError(
            f"features: got {block!r} of resource blocks among others, expected them in a call of their own"
        )
    facts = graph if isinstance(graph, Facts) else Facts(graph)
    values = [_scaled(facts, column) if scaled else _value(facts, column) for column in columns]
    if not values:
        return torch.zeros(_rows(facts, store), 0, dtype=facts.dtype, device=facts.links.ue.device)
    return torch.stack(values, -1)


def unscaled(facts: Facts, store: Store, names: Sequence[str]) -> list[Tensor]:
    """The same columns one by one, as they are, for a model that has a scale of its own."""
    return [_value(facts, column) for column in columns_of(store, names)]


def _value(facts: Facts, column: Column) -> Tensor:
    for store, name in column.attributes:
        if name not in facts.store(store):
            where = name if store is None else f"{_label(store)}.{name}"
            raise ValueError(
                f"{where}: got nothing, expected it for the column {column.name!r} of {_label(column.store)}"
            )
    return column.fn(facts)


def _scaled(facts: Facts, column: Column) -> Tensor:
    value = _value(facts, column)
    if column.shift:
        return (value - column.shift).div_(column.scale)
    return value / column.scale if column.scale != 1 else value


def _has(graph: HeteroData, store: Store, name: str) -> bool:
    values: Any = graph._global_store if store is None else graph[store]
    return name in values


def _rows(facts: Facts, store: Store) -> int:
    if store is None:
        return facts.links.num_networks
    if isinstance(store, tuple):
        return int(facts.graph[store].edge_index.shape[1])
    return {"bs": facts.links.num_bs, "ue": facts.links.num_ue}.get(store) or len(facts.graph[store].offset)


def _label(store: Store) -> str:
    if store is None:
        return "graph"
    return store if isinstance(store, str) else "(" + ", ".join(store) + ")"


def available(graph: HeteroData, store: Store) -> tuple[str, ...]:
    """Names of the columns, those of resource blocks aside, that a graph has all attributes for."""
    return tuple(
        column.name
        for column in _TABLE
        if column.store == store and not column.block and all(_has(graph, *need) for need in column.attributes)
    )
