"""The graph contract as code: one table from which checks, documentation and storage are made.

Every scenario is a :class:`torch_geometric.data.HeteroData` of ``bs``, ``ue`` and ``antenna`` nodes. Sizes are written as
``N`` stations, ``U`` users, ``A`` antennas, ``Amax`` of the station with most of them, ``E`` channel edges, ``R`` resource
blocks; ``1`` is a literal one and ``*`` any length.

A carrier owns a range of the blocks: ``bs.carrier_hz`` is a station's carrier, ``bs.rb_power_max_w`` is zero on the blocks of
others. ``h`` and ``precoder`` are zero beyond the antennas of the edge's, or the serving, station. ``bs.row`` is the station's row
in its owner's file.
"""

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 2

CHANNEL = ("bs", "channel", "ue")
MOUNTED_ON = ("antenna", "mounted_on", "bs")
NEIGHBOURS = ("bs", "neighbours", "bs")
CONFLICTS = ("ue", "conflicts", "ue")

NODE_TYPES = ("bs", "ue", "antenna")
EDGE_TYPES = (CHANNEL, MOUNTED_ON, NEIGHBOURS, CONFLICTS)

Kind = Literal["real", "bool", "long", "complex"]
Level = Literal["local", "neighbourhood", "global", "genie"]


@dataclass(frozen=True)
class Field:
    """One attribute of one store of the graph.

    Args:
        store: node type, edge type, or ``None`` for an attribute of the whole graph.
        name: attribute name; units are part of it.
        shape: symbolic shape, see the module's docstring.
        kind: ``real`` (float32 or float64, the gain's dtype), ``bool``, ``long`` or ``complex``.
        unit: physical unit, for the documentation.
        dynamic: changes while an environment runs (replay stores it) or is fixed with the layout.
        level: the narrowest observation level that may see it.
        required: must be present in every graph.
        nonnegative: negative values are refused.
    """

    store: str | tuple[str, str, str] | None
    name: str
    shape: tuple[str, ...]
    kind: Kind = "real"
    unit: str = ""
    dynamic: bool = False
    level: Level = "local"
    required: bool = False
    nonnegative: bool = False

    @property
    def where(self) -> str:
        """Readable place of the attribute, e.g. ``bs.power_max_w`` or ``(bs, channel, ue).gain``."""
        if self.store is None:
            return self.name
        store = self.store if isinstance(self.store, str) else "(" + ", ".join(self.store) + ")"
        return f"{store}.{self.name}"


SCHEMA: tuple[Field, ...] = (
    Field("bs", "pos", ("N", "3"), unit="m"),
    Field("bs", "tier", ("N",), "long"),
    Field("bs", "site", ("N",), "long"),
    Field("bs", "row", ("N",), "long"),
    Field("bs", "carrier_hz", ("N",), unit="Hz", nonnegative=True),
    Field("bs", "azimuth_rad", ("N",), unit="rad"),
    Field("bs", "tilt_rad", ("N",), unit="rad"),
    Field("bs", "power_max_w", ("N",), unit="W", required=True, nonnegative=True),
    Field("bs", "rb_power_max_w", ("N", "R"), unit="W", required=True, nonnegative=True),
    Field("bs", "antenna_power_max_w", ("N", "Amax"), unit="W", nonnegative=True),
    Field("bs", "circuit_power_w", ("N",), unit="W", nonnegative=True),
    Field("bs", "amplifier_efficiency", ("N",), nonnegative=True),
    Field("bs", "max_users", ("N",), "long"),
    Field("bs", "free_rb", ("N",), dynamic=True),
    Field("bs", "users", ("N",), dynamic=True, nonnegative=True),
    Field("bs", "utility", ("N",), dynamic=True),
    Field("bs", "backlog_slots", ("N",), unit="slot", dynamic=True, nonnegative=True),
    Field("bs", "activity", ("N",), dynamic=True, nonnegative=True),
    Field("bs", "offset_db", ("N",), unit="dB", dynamic=True),
    Field("bs", "room", ("N",), unit="users", dynamic=True, nonnegative=True),
    Field("bs", "interference_db", ("N",), unit="dB", dynamic=True),
    Field("bs", "power_w", ("N", "R"), unit="W", dynamic=True, nonnegative=True),
    Field("ue", "pos", ("U", "3"), unit="m", dynamic=True),
    Field("ue", "velocity", ("U", "2"), unit="m/s", dynamic=True),
    Field("ue", "speed_mps", ("U",), unit="m/s", dynamic=True, nonnegative=True),
    Field("ue", "indoor", ("U",), "bool"),
    Field("ue", "floor", ("U",), "long"),
    Field("ue", "indoor_distance_m", ("U",), unit="m", nonnegative=True),
    Field("ue", "penetration_loss_db", ("U", "R"), unit="dB"),
    Field("ue", "active", ("U",), "bool", dynamic=True),
    Field("ue", "serving_slot", ("U",), "long", dynamic=True),
    Field("ue", "noise_w", ("U", "R"), unit="W", required=True, nonnegative=True),
    Field("ue", "far_interference_w", ("U", "R"), unit="W", dynamic=True, nonnegative=True),
    Field("ue", "queue_bits", ("U",), unit="bit", dynamic=True, nonnegative=True),
    Field("ue", "demand_bits", ("U",), unit="bit", dynamic=True, nonnegative=True),
    Field("ue", "demand", ("U",), unit="data or slots", dynamic=True, nonnegative=True),
    Field("ue", "rate", ("U",), unit="data per slot", dynamic=True, nonnegative=True),
    Field("ue", "asked_rb", ("U",), dynamic=True, nonnegative=True),
    Field("ue", "packet_bits", ("U",), unit="bit", nonnegative=True),
    Field("ue", "arrival_rate", ("U",), unit="1/s", nonnegative=True),
    Field("ue", "rate_min_bps", ("U",), unit="bit/s", nonnegative=True),
    Field("ue", "offered_bps", ("U",), unit="bit/s", nonnegative=True),
    Field("ue", "deadline_slots", ("U",), "long", unit="slot", nonnegative=True),
    Field("ue", "head_slots", ("U",), "long", unit="slot", dynamic=True, nonnegative=True),
    Field("ue", "rate_mean_bps", ("U",), unit="bit/s", dynamic=True, nonnegative=True),
    Field("ue", "rate_bps", ("U",), unit="bit/s", dynamic=True, nonnegative=True),
    Field("ue", "interference_w", ("U", "R"), unit="W", dynamic=True, nonnegative=True),
    Field("ue", "interference_mean_w", ("U", "R", "2"), unit="W", dynamic=True, nonnegative=True),
    Field("ue", "own_gain", ("U", "R"), dynamic=True, nonnegative=True),
    Field("ue", "spectral_efficiency", ("U", "R"), unit="bit/s/Hz", dynamic=True, nonnegative=True),
    Field("ue", "power_w", ("U", "R"), unit="W", dynamic=True, nonnegative=True),
    Field("ue", "served_share", ("U",), dynamic=True, nonnegative=True),
    Field("ue", "level", ("U",), "long", dynamic=True, nonnegative=True),
    Field("ue", "since_slots", ("U",), "long", unit="slot", dynamic=True, nonnegative=True),
    Field("ue", "precoder", ("U", "Amax", "R"), "complex", dynamic=True),
    Field("antenna", "offset", ("A", "3"), unit="m"),
    Field("antenna", "boresight", ("A", "2"), unit="rad"),
    Field(CHANNEL, "edge_index", ("2", "E"), "long", required=True),
    Field(CHANNEL, "slot", ("E",), "long", required=True),
    Field(CHANNEL, "gain", ("E", "R"), dynamic=True, level="genie", required=True, nonnegative=True),
    Field(CHANNEL, "known", ("E",), "bool", dynamic=True),
    Field(CHANNEL, "own", ("E",), "bool", dynamic=True),
    Field(CHANNEL, "users", ("E",), unit="users of the station", dynamic=True, level="neighbourhood", nonnegative=True),
    Field(CHANNEL, "interference_w", ("E",), unit="W", dynamic=True, nonnegative=True),
    Field(CHANNEL, "spectral_efficiency", ("E",), unit="bit/s/Hz", dynamic=True, nonnegative=True),
    Field(CHANNEL, "allowed", ("E",), "bool", dynamic=True),
    Field(CHANNEL, "bias_db", ("E",), unit="dB"),
    Field(CHANNEL, "h", ("E", "Amax", "R"), "complex", dynamic=True, level="genie"),
    Field(CHANNEL, "may_serve", ("E",), "bool"),
    Field(CHANNEL, "rate", ("E",), unit="data per slot", dynamic=True, nonnegative=True),
    Field(CHANNEL, "pathloss_db", ("E",), unit="dB"),
    Field(CHANNEL, "shadow_db", ("E",), unit="dB"),
    Field(CHANNEL, "antenna_gain_db", ("E",), unit="dB"),
    Field(CHANNEL, "rsrp_dbm", ("E",), unit="dBm"),
    Field(CHANNEL, "distance_m", ("E",), unit="m", nonnegative=True),
    Field(CHANNEL, "los", ("E",), "bool"),
    Field(CHANNEL, "offset_m", ("E", "2"), unit="m"),
    Field(CHANNEL, "measured", ("E",), "bool"),
    Field(MOUNTED_ON, "edge_index", ("2", "*"), "long", required=True),
    Field(NEIGHBOURS, "edge_index", ("2", "*"), "long", required=True),
    Field(CONFLICTS, "edge_index", ("2", "*"), "long", required=True),
    Field(None, "rb_bandwidth_hz", ("1", "R"), unit="Hz", required=True, nonnegative=True),
    Field(None, "carrier_hz", ("1",), unit="Hz", nonnegative=True),
    Field(None, "arrival_probability", ("1",), nonnegative=True),
    Field(None, "mean_demand", ("1",), unit="data or slots", nonnegative=True),
    Field(None, "time_unit", ("1",), unit="slot", nonnegative=True),
    Field(None, "layers", ("1",), "long", nonnegative=True),
    Field(None, "levels", ("1",), "long", nonnegative=True),
    Field(None, "shared", ("1",), "bool"),
    Field(None, "rate_unit_bps", ("1",), unit="bit/s", nonnegative=True),
    Field(None, "handover_rate", ("1",), dynamic=True, level="global", nonnegative=True),
    Field(None, "episode_slots", ("1",), unit="slot", nonnegative=True),
    Field(None, "slots_left", ("1",), unit="slot", dynamic=True, nonnegative=True),
    Field(None, "slot_s", ("1",), unit="s", nonnegative=True),
    Field(None, "tick_s", ("1",), unit="s", nonnegative=True),
)


def schema_markdown() -> str:
    """The contract as a Markdown table, for the documentation."""
    rows = ["| attribute | shape | kind | unit | dynamic | level | required |", "|---|---|---|---|---|---|---|"]
    for field in SCHEMA:
        shape = "[" + ", ".join(field.shape) + "]"
        flags = ("yes" if field.dynamic else "", field.level, "yes" if field.required else "")
        rows.append(f"| `{field.where}` | `{shape}` | {field.kind} | {field.unit} | {' | '.join(flags)} |")
    return "\n".join(rows)
