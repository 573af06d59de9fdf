"""Observations of IoT networks in few bytes, for a replay memory."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hetgraph.envs.iot.networks import Name, Values
from hetgraph.graph.schema import CHANNEL
from hetgraph.units import db_to_linear, linear_to_db

LEAST = 1e-30  # powers and gains below it are zero: -300 dB
# Powers and gains in dB in half precision are within 0.07 dB of what they were down to -250 dB, which is far below the changes of
# fading from slot to slot; counts are whole numbers below 32,768; the rest keeps its precision.
DECIBEL: tuple[Name, ...] = (
    (CHANNEL, "gain"),
    (CHANNEL, "interference_w"),
    ("ue", "interference_w"),
    ("ue", "interference_mean_w"),
    ("ue", "power_w"),
    ("bs", "power_w"),
)
HALF: tuple[Name, ...] = ((CHANNEL, "rsrp_dbm"), ("bs", "interference_db"), ("ue", "served_share"))
MEGA: tuple[Name, ...] = (("ue", "rate_bps"), ("ue", "rate_mean_bps"), ("ue", "offered_bps"))
COUNT: tuple[Name, ...] = (("ue", "serving_slot"), ("ue", "head_slots"), ("ue", "deadline_slots"))
PLAIN: tuple[Name, ...] = (
    ("ue", "queue_bits"), ("ue", "active"), ("ue", "pos"), ("bs", "pos"), (CHANNEL, "may_serve"), (None, "slots_left"),
    ("ue", "noise_w"),  # where cells outside the network raise it
)  # fmt: skip
LAYOUT = "layout"


def row_name(key: Name) -> str:
    """Name of an attribute in a row: ``bs.power_w``."""
    store = key[0]
    return key[1] if store is None else f"{store if isinstance(store, str) else store[1]}.{key[1]}"


def pack(values: Mapping[Name, Tensor], layout: Tensor) -> dict[str, Tensor]:
    """Rows ``[B, *]`` of the attributes that change, and where the fixed ones are.

    Args:
        values: attributes ``[B, *]`` by store and name.
        layout: row of the fixed attributes ``[B]``.
    """
    rows = {LAYOUT: layout.to(torch.int32)}
    for keys, encode in (
        (DECIBEL, lambda v: linear_to_db(v.clamp_min(LEAST)).half()),
        (HALF, Tensor.half),
        (MEGA, lambda v: (v / 1e6).half()),
        (COUNT, Tensor.short),
        (PLAIN, Tensor.clone),
    ):
        rows |= {row_name(key): encode(values[key]) for key in keys if key in values}
    return rows


def unpack(rows: Mapping[str, Tensor], dtype: torch.dtype) -> tuple[Values, Tensor]:
    """Attributes and layouts of :func:`pack`; real numbers in ``dtype``."""
    values: Values = {}
    for keys, decode in (
        (DECIBEL, lambda v: _linear(v.to(dtype))),
        (HALF, lambda v: v.to(dtype)),
        (MEGA, lambda v: v.to(dtype) * 1e6),
        (COUNT, Tensor.long),
        (PLAIN, lambda v: v),
    ):
        values |= {key: decode(rows[row_name(key)]) for key in keys if row_name(key) in rows}
    return values, rows[LAYOUT].long()


def _linear(value_db: Tensor) -> Tensor:
    """Zero stays zero."""
    least = linear_to_db(torch.tensor(LEAST)).half().to(value_db)
    return torch.where(
        value_db <= least, torch.zeros((), dtype=value_db.dtype, device=value_db.device), db_to_linear(value_db)
    )
