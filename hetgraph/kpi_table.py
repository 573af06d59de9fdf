"""The key performance indicators of all tasks, once: name, unit, direction, source and label of each.

Every table, file, figure and report takes names and units from here. What compares two methods is derived from an indicator
and has a name of its own: ``sum_rate_vs_reference`` is a ratio and has no unit, ``rejections_difference`` has that of the
indicator. The ends of an interval carry ``_low`` and ``_high``.
"""

from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["higher", "lower"]
UNIT_SUFFIXES = ("_bps", "_bpj", "_ms", "_slots", "_w", "_j", "_s")
ENDS = ("_low", "_high")


@dataclass(frozen=True)
class Kpi:
    """An indicator.

    Args:
        name: key in files and in code.
        unit: unit of the stored values; ``1`` for what has none.
        better: which direction is better.
        source: definition.
        label: what tables and figures call it.
        scale: factor of the shown values.
        shown_unit: unit of the shown values, where they are scaled.
    """

    name: str
    unit: str
    better: Better
    source: str
    label: str
    scale: float = 1.0
    shown_unit: str = ""

    @property
    def heading(self) -> str:
        """Label and unit of the shown values."""
        unit = self.shown_unit or self.unit
        return self.label if unit == "1" else f"{self.label}, {unit}"


def _percent(name: str, better: Better, source: str, label: str) -> Kpi:
    return Kpi(name, "1", better, source, label, 100.0, "%")


def _mega(name: str, unit: str, better: Better, source: str, label: str) -> Kpi:
    return Kpi(name, unit, better, source, label, 1e-6, f"M{unit}")


IMBALANCE = (
    "of the stations' loads: standard deviation over mean (snapshot), mean distance from the mean (handover, eq. 12)"
)
THROUGHPUT = "bits served over time: of all users (iot), mean over users (handover, eq. 10)"
JAIN = (
    "Jain's index (sum x)^2 / (n sum x^2) over users: of rates (snapshot, handover), of served shares of what they are offered "
    "(iot, handover with traffic)"
)
SNAPSHOT = (
    _mega("rate_bps", "bit/s", "higher", "rate of a user under the named convention", "user rate"),
    _mega("sum_rate_bps", "bit/s", "higher", "sum of the users' rates", "sum rate"),
    _mega("mean_rate_bps", "bit/s", "higher", "mean of the users' rates", "mean rate"),
    _mega("p5_rate_bps", "bit/s", "higher", "5th percentile of the users' rates, unserved ones at 0", "5th pct."),
    Kpi("jain", "1", "higher", JAIN, "Jain"),
    Kpi(
        "pf_utility",
        "ln(bit/s)",
        "higher",
        "mean of ln(rate / 1 bit/s), rates under 1e-9 bit/s/Hz at that",
        "log utility",
    ),
    Kpi("pf_gain", "nat", "higher", "mean of ln(rate / reference's rate) over users whom both serve", "PF gain"),
    Kpi("spectral_efficiency", "bit/s/Hz", "higher", "sum rate over bandwidth, per station", "spectral efficiency"),
    Kpi("power_w", "W", "lower", "summed transmit power", "power"),
    _mega("energy_efficiency_bpj", "bit/J", "higher", "sum rate over consumed power, circuits included", "efficiency"),
    _percent("qos_violation", "lower", "share of users, or of promises, whose service falls short", "QoS violations"),
    Kpi(
        "latency_proxy_ms",
        "ms",
        "lower",
        "mean over users of a payload over the rate (HetGNN paper, eq. 12)",
        "latency proxy",
    ),
    Kpi("load", "1", "lower", "users of a station", "users of a station"),
    Kpi("load_imbalance", "1", "lower", IMBALANCE, "load imbalance"),
    _percent("unserved", "lower", "share of users whose rate is zero", "unserved"),
    _percent("subchannel_utilisation", "higher", "share of pairs of station and block with power", "blocks used"),
    Kpi("wall_ms", "ms", "lower", "median wall time of a decision on one network", "time"),
)


def _delays(unit: str) -> tuple[Kpi, ...]:
    what = {
        "mean_delay": "mean over packets",
        "p95_delay": "95th percentile over packets",
        "p99_delay": "99th percentile over packets",
        "max_delay": "longest of all packets",
        "waiting": "whole slots before the one in which a packet leaves, mean",
        "transmission": "part of the slot in which a packet leaves, mean",
    }
    labels = {"mean_delay": "mean delay", "p95_delay": "95th pct.", "p99_delay": "99th pct.", "max_delay": "max"}
    return tuple(Kpi(f"{k}_{unit}", unit, "lower", source, labels.get(k, k)) for k, source in what.items())


DELAYS = {unit: _delays(unit) for unit in ("ms", "slots")}  # conflict graphs count slots
QUEUES = (
    *DELAYS["ms"],
    *DELAYS["slots"],
    _percent("delivered", "higher", "share of packets that left before the end", "delivered"),
    Kpi("decision_ms", "ms", "lower", "median wall time of a decision for all networks together", "time"),
)
ARRIVALS = (
    Kpi(
        "utility",
        "nat",
        "higher",
        "sum over served users of their log utility, mean over slots (GROWS paper)",
        "utility",
    ),
    Kpi("arrivals", "users", "higher", "users that come in an episode", "arrivals"),
    Kpi("rejections", "users", "lower", "users of an episode whom no station took", "rejections"),
    Kpi("completions", "users", "higher", "users of an episode whose demand was met", "completions"),
)
HANDOVER = (
    Kpi(
        "anu", "nat", "higher", "average network utility: sum over users of ln(1 + rate / unit), mean over steps", "ANU"
    ),
    Kpi("asc", "bit/s/Hz", "higher", "average system capacity: sum of the users' spectral efficiencies", "ASC"),
    _percent("handover_rate", "lower", "handovers per user and step", "handovers"),
    _percent("ping_pong_rate", "lower", "handovers back to the cell before, per user and step", "ping-pong"),
    _mega("energy_efficiency", "bit/J", "higher", "sum rate over transmit and circuit power (eq. 15)", "efficiency"),
    Kpi("reward", "1", "higher", "mean reward of cells and steps", "reward"),
    Kpi(
        "mean_delay_s",
        "s",
        "lower",
        "mean over users of bits that wait, integrated over time, over bits that came for the user (Little)",
        "mean delay",
    ),
    Kpi("bit_delay_s", "s", "lower", "the same of all users' bits together", "mean delay of bits"),
    Kpi("p95_delay_s", "s", "lower", "95th percentile over users of a user's mean delay", "95th pct."),
    _percent("unsatisfied", "lower", "share of users whose mean delay is above a second", "unsatisfied"),
    Kpi("handovers_per_min", "1/min", "lower", "handovers of a user in a minute", "handovers"),
    Kpi(
        "ping_pongs_per_min",
        "1/min",
        "lower",
        "its handovers back to the cell that it left 2 s ago at most",
        "ping-pongs",
    ),
    Kpi("failures_per_min", "1/min", "lower", "links of a user that are lost in a minute", "failures"),
)
IOT = (
    _mega("throughput_bps", "bit/s", "higher", THROUGHPUT, "throughput"),
    _mega(
        "throughput_std_bps",
        "bit/s",
        "lower",
        "standard deviation of the throughput over slots",
        "throughput deviation",
    ),
    _mega("bit_per_j", "bit/J", "higher", "bits served in an episode over the energy spent", "efficiency"),
    Kpi("jain_rate", "1", "higher", "Jain's index of the users' served bits", "Jain of rates"),
    _percent("utilisation", "higher", "share of pairs of station and subchannel in use", "subchannels used"),
    _percent("loss", "lower", "bits dropped over bits served or dropped", "bits lost"),
    _mega("arrived_bits", "bit", "higher", "bits that came in an episode", "bits arrived"),
    _mega("served_bits", "bit", "higher", "bits served in an episode", "bits served"),
    _mega("dropped_bits", "bit", "lower", "bits dropped in an episode", "bits dropped"),
    Kpi("energy_j", "J", "lower", "energy spent in an episode", "energy"),
    Kpi("return", "1", "higher", "sum of the team's rewards in an episode", "return"),
    Kpi("return_variance", "1", "lower", "variance of the return over networks", "variance of the return"),
)
INDICATORS = {kpi.name: kpi for task in (SNAPSHOT, QUEUES, ARRIVALS, HANDOVER, IOT) for kpi in task}


def stem(name: str) -> str:
    """Name of an indicator without its unit."""
    for suffix in UNIT_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def vs_reference(name: str) -> str:
    """Name of an indicator's ratio to the reference's."""
    return f"{stem(name)}_vs_reference"


def difference(name: str) -> str:
    """Name of an indicator's difference to the reference's; its unit is the indicator's."""
    return f"{name}_difference"


def share_of_room(name: str) -> str:
    """Name of the share that an indicator takes of the room between two methods."""
    return f"{stem(name)}_share_of_room"


def _derived() -> dict[str, Kpi]:
    out: dict[str, Kpi] = {}
    for name, kpi in INDICATORS.items():
        over = f"{kpi.source}: ratio to the reference's"
        ratio = Kpi(vs_reference(name), "1", kpi.better, over, f"{kpi.label} / reference")
        less = replace(
            kpi, name=difference(name), source=f"{kpi.source}: less the reference's", label=f"{kpi.label} - reference"
        )
        room = f"{kpi.source}: part of the way from one method to another"
        share = Kpi(share_of_room(name), "1", "higher", room, f"share of room, {kpi.label}", 100.0, "%")
        out |= {each.name: each for each in (ratio, less, share)}
    return out


DERIVED = _derived()


def indicator(column: str) -> Kpi:
    """Indicator of a column of a file: an indicator, what is derived from one, or an end of its interval.

    Raises:
        ValueError: none of these.
    """
    known = INDICATORS | DERIVED
    if column in known:
        return known[column]
    for end in ENDS:
        base = known.get(column.removesuffix(end))
        if column.endswith(end) and base is not None:
            return replace(base, name=column, label=f"{base.label}, {end[1:]} end")
    raise ValueError(f"indicator: got {column!r}, expected one of {', '.join(INDICATORS)}, or what is derived from one")
