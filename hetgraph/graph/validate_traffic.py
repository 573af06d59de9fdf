"""Ranges of a scenario's source, traffic and rules."""

from hetgraph.field_types import not_negative, positive, require
from hetgraph.graph.mobility import Services
from hetgraph.graph.rules import Rules
from hetgraph.graph.source import Drawn, Given, source_kinds
from hetgraph.graph.traffic import Arrivals, Flows, Packets, Traffic


def validate_source(source: Drawn | Given) -> None:
    if isinstance(source, Given):
        kinds = source_kinds()
        require("source.kind", source.kind, source.kind in kinds, f"one of drawn, {', '.join(kinds)}")
        require("source.path", source.path, source.path != "", "a file or folder")


def validate_traffic(traffic: Traffic | None) -> None:
    if isinstance(traffic, Services):
        _validate_services(traffic)
    elif isinstance(traffic, Packets):
        not_negative("traffic", traffic, "rate_hz")
        positive("traffic", traffic, "bits")
        require("traffic.burst_slots", traffic.burst_slots, traffic.burst_slots >= 1, "at least 1")
        require("traffic.duty", traffic.duty, 0 < traffic.duty <= 1, "above 0, at most 1")
    elif isinstance(traffic, Arrivals):
        _validate_arrivals(traffic)
    elif isinstance(traffic, Flows):
        _validate_flows(traffic)


def _validate_flows(flows: Flows) -> None:
    positive("traffic", flows, "load_bps", "file_bits", "on_s", "crowd")
    not_negative("traffic", flows, "spread", "off_s", "crowd_radius_m")
    require("traffic.video", flows.video, 0 <= flows.video <= 1, "0..1")
    start, end = flows.crowd_window_s
    require("traffic.crowd_window_s", (start, end), 0 <= start <= end, "when it comes, then when it goes")


def _validate_services(services: Services) -> None:
    names = ("bursts_per_s", "burst_bits", "window_s", "video_deadline_s", "burst_deadline_s")
    positive("traffic", services, *names)
    not_negative("traffic", services, "load")
    for name in ("video", "video_jitter", "reliability"):
        value = getattr(services, name)
        require(f"traffic.{name}", value, 0 <= value <= 1, "0..1")
    rates = services.video_bps
    require("traffic.video_bps", rates, len(rates) > 0 and min(rates) >= 0, "rates of 0 or more, at least one")


def _validate_arrivals(arrivals: Arrivals) -> None:
    chances = arrivals.probability
    some = len(chances) > 0 and min(chances) > 0 and max(chances) <= 1
    require("traffic.probability", chances, some, "numbers above 0, at most 1")
    for name in ("demand", "spread"):
        values = getattr(arrivals, name)
        require(f"traffic.{name}", values, len(values) > 0 and min(values) > 0, "positive numbers")
    positive("traffic", arrivals, "data_bits", "slots")
    not_negative("traffic", arrivals, "crowd_radius_m")
    low, high = arrivals.asked
    require("traffic.asked", (low, high), 1 <= low <= high, "the fewest, then the most resource blocks")
    require("traffic.crowd", arrivals.crowd, 0 <= arrivals.crowd <= 1, "0..1")
    start, end = arrivals.crowd_window
    require("traffic.crowd_window", (start, end), 0 <= start <= end <= 1, "when it comes, then when it goes, in 0..1")


def validate_rules(rules: Rules) -> None:
    positive("rules", rules, "blocks", "layers", "decide_every", "rate_unit", "time_unit_slots")
    not_negative("rules", rules, "candidates", "time_to_trigger_s", "report_age_slots", "least_bps_hz")
    for name in ("max_users", "most_bps_hz"):
        value = getattr(rules, name)
        require(f"rules.{name}", value, value is None or value > 0, "a positive number, or null")
    load = rules.max_load
    require("rules.max_load", load, load is None or 0 <= load <= 1, "0..1, or null")
    require("rules.interference_load", rules.interference_load, 0 <= rules.interference_load <= 1, "0..1")
