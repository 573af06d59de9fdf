"""Sources of arrivals from scenarios."""

import math
from dataclasses import replace
from typing import Any

from torch_geometric.data import HeteroData

from hetgraph.envs.arrivals.city import CityArrivals
from hetgraph.envs.arrivals.layouts import LayoutArrivals, size_of
from hetgraph.envs.arrivals.service import Service
from hetgraph.envs.arrivals.sources import DiscreteArrivals, Source
from hetgraph.graph.presets import preset
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.traffic import Arrivals

SPREAD = (0.34, 1.0, 1.66)  # demands as parts of the mean, where a scenario does not say


def source_of(scenario: str | Scenario | HeteroData | Source) -> Source:
    """Arrivals of a scenario: users at given spectral efficiencies, or who come anywhere in the area.

    Where a scenario has no traffic, or graphs are given, users come to the places of the layout's users (:func:`on_layout`).

    Raises:
        ValueError: other traffic than arrivals.
    """
    if isinstance(scenario, Source):
        return scenario
    scenario = preset(scenario) if isinstance(scenario, str) else scenario
    if not isinstance(scenario, Scenario) or scenario.traffic is None:
        return on_layout(scenario)
    traffic, rules = scenario.traffic, scenario.rules
    if not isinstance(traffic, Arrivals):
        raise ValueError(f"scenario.traffic: got {traffic.kind}, expected arrivals, as in grows-3")
    if any(tier.load for tier in scenario.tiers):
        raise ValueError("tiers.load: got loads at the start beside traffic, expected a scenario without traffic")
    service = Service(
        scenario.num_stations,
        blocks=rules.blocks,
        least_asked=traffic.asked[0],
        demand=traffic.unit,
        share=rules.share,
        unit=rules.rate_unit,
        time_unit=rules.time_unit_slots,
    )
    known: dict[str, Any] = {
        "service": service,
        "slots": traffic.slots,
        "probabilities": traffic.probability,
        "demands": traffic.demand,
        "spread": traffic.spread,
        "most_asked": traffic.asked[1],
        "slot_s": scenario.radio.slot_s,
        "data_bits": traffic.data_bits,
    }
    return _discrete(scenario, known) if scenario.users.placement == "efficiencies" else _city(scenario, traffic, known)


def _discrete(scenario: Scenario, known: dict[str, Any]) -> DiscreteArrivals:
    users, radio, tier = scenario.users, scenario.radio, scenario.tiers[0]
    unit = radio.bandwidth_hz * radio.slot_s / known["data_bits"]  # units of data in a slot at 1 bit/s/Hz
    return DiscreteArrivals(
        **known,
        rates=tuple(efficiency * unit for efficiency in users.efficiencies),
        bonus=users.first_bonus * unit,
        hears=users.hears,
        spacing_m=tier.spacing_m,
        power_dbm=tier.power_dbm,
        noise_figure_db=radio.noise_figure_db,
        bandwidth_hz=radio.bandwidth_hz,
    )


def _city(scenario: Scenario, traffic: Arrivals, known: dict[str, Any]) -> CityArrivals:
    radio, rules = scenario.radio, scenario.rules
    hears = radio.candidates or scenario.num_stations
    return CityArrivals(
        **known,
        scenario=scenario,
        hears=hears,
        most_candidates=rules.candidates or hears,
        crowd=traffic.crowd,
        crowd_radius_m=traffic.crowd_radius_m,
        crowd_window=traffic.crowd_window,
        speed_mps=scenario.users.speed_mps,
        moves_every=round(scenario.mobility.step_s / radio.slot_s),
        load=rules.interference_load,
        most_bps_hz=math.inf if rules.most_bps_hz is None else rules.most_bps_hz,
        least_bps_hz=rules.least_bps_hz,
    )


def on_layout(layout: Scenario | HeteroData) -> LayoutArrivals:
    """Arrivals on a scenario or on given graphs, at the load of ``grows-city`` without its crowd: users stand.

    A unit of data is what a second of the band carries at 1 bit/s/Hz. Of a scenario's rules ``blocks``, ``candidates`` and
    ``share`` count.

    Args:
        layout: a scenario, or a contract graph or batch of them.
    """
    rules = layout.rules if isinstance(layout, Scenario) else Rules()
    stations, band_hz = size_of(layout)
    many = stations / 3
    service = Service(stations, rules.blocks, share=rules.share, unit=1.19 / many, time_unit=many)  # as in grows-3
    return LayoutArrivals(
        layout=layout,
        service=service,
        slots=max(round(40 * many), 1),
        spread=SPREAD,
        slot_s=0.5 / many,
        data_bits=band_hz,
        most_candidates=rules.candidates or 4,
    )


def arrivals(
    scenario: str | Scenario | HeteroData | Source, probability: float | None = None, demand: float | None = None
) -> Source:
    """Arrivals of a scenario.

    Args:
        scenario: ``grows-3``, ``grows-tiny`` or ``grows-city``, with its arguments after a colon if need be
            (``grows-3:stations=19``), another preset's name, a scenario, a contract graph or batch of them, or a source itself.
        probability: of an arrival in a slot, for all networks.
        demand: mean demand, for all networks.

    Raises:
        ValueError: an unknown name or argument, a number out of its range, or a layout that arrivals do not fit.
    """
    source = source_of(scenario)
    if probability is not None and not 0 < probability <= 1:
        raise ValueError(f"probability: got {probability}, expected a number above 0, at most 1")
    if demand is not None and demand <= 0:
        raise ValueError(f"demand: got {demand}, expected a positive number")
    if probability is not None:
        source = replace(source, probabilities=(probability,))
    return source if demand is None else replace(source, demands=(demand,))
