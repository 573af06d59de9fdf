"""Sources of arrivals by name."""

from collections.abc import Callable
from dataclasses import replace

from torch_geometric.data import HeteroData

from hetgraph.envs.arrivals.city import CityArrivals
from hetgraph.envs.arrivals.layouts import LayoutArrivals
from hetgraph.envs.arrivals.service import Service
from hetgraph.envs.arrivals.sources import DiscreteArrivals, Source
from hetgraph.graph.presets import hetnet_3tier, named, preset
from hetgraph.graph.scenario import Scenario

SPREAD = (0.34, 1.0, 1.66)  # demands as parts of the mean


def grows_service(stations: int) -> Service:
    """Nine resource blocks a station; slots are as much shorter than those of three stations as there are more stations."""
    return Service(stations, blocks=9, unit=1.19 / (stations / 3), time_unit=stations / 3)


def grows_3(stations: int = 3) -> DiscreteArrivals:
    """Three stations; constants that the paper does not print, fitted to its Table I (`benchmarks/grows.py calibrate`).

    A unit of data is what a second of the 20 MHz carries at 1 bit/s/Hz, 20 Mbit, and a slot of three stations is a second: rates
    are spectral efficiencies. With more stations each user hears the three at the corners of the triangle it stands in, and slots
    are as much shorter, so that the load of a station is the same on average; those at the edge of the grid have less.

    Args:
        stations: number of stations.
    """
    many = stations / 3
    service = grows_service(stations)
    rates = tuple(rate / many for rate in (0.86, 1.6, 2.34))
    slots, hears = round(40 * many), min(stations, 3)
    return DiscreteArrivals(
        service=service, slots=slots, spread=SPREAD, rates=rates, bonus=0.03 / many, hears=hears, slot_s=1 / many
    )


def grows_tiny() -> DiscreteArrivals:
    """Two stations with two resource blocks and six slots: small enough for dynamic programming."""
    service = Service(stations=2, blocks=2)
    return DiscreteArrivals(
        service=service,
        slots=6,
        probabilities=(0.9,),
        demands=(2.0,),
        spread=(0.5, 1.5),
        rates=(0.5, 2.0),
    )


def grows_city(stations: int = 300) -> CityArrivals:
    """A city of macro, micro and pico stations at the density of ``hetnet-3tier``, with a flash crowd and users who move.

    Args:
        stations: number of stations, of the three tiers in the proportions of that preset.
    """
    base = hetnet_3tier()
    more = stations / base.num_stations
    scenario = base.scaled(stations=more, area=more)
    many = scenario.num_stations / 3
    service = grows_service(scenario.num_stations)
    slot_s = 0.5 / many  # two users a second and three stations
    return CityArrivals(
        scenario=scenario,
        service=service,
        slots=round(40 * many),
        spread=SPREAD,
        slot_s=slot_s,
        moves_every=round(5.0 / slot_s),
    )


def on_layout(layout: Scenario | HeteroData) -> LayoutArrivals:
    """Arrivals on a scenario or on given graphs, at the load of :func:`grows_city` without its crowd: users stand.

    A unit of data is what a second of the band carries at 1 bit/s/Hz.

    Args:
        layout: a scenario, or a contract graph or batch of them.
    """
    if isinstance(layout, Scenario):
        stations, band_hz = layout.num_stations, layout.radio.bandwidth_hz
    else:
        stations = int(layout["bs"].ptr[1]) if "ptr" in layout["bs"] else len(layout["bs"].power_max_w)
        band_hz = float(layout.rb_bandwidth_hz[0].sum())
    many, service = stations / 3, grows_service(stations)
    slots = max(round(40 * many), 1)
    return LayoutArrivals(
        layout=layout, service=service, slots=slots, spread=SPREAD, slot_s=0.5 / many, data_bits=band_hz
    )


ARRIVALS: dict[str, Callable[..., Source]] = {"grows-3": grows_3, "grows-tiny": grows_tiny, "grows-city": grows_city}


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
    if isinstance(scenario, str):
        own = scenario.split(":")[0] in ARRIVALS
        source = named(scenario, ARRIVALS) if own else on_layout(preset(scenario))
    else:
        source = scenario if isinstance(scenario, Source) else on_layout(scenario)
    if probability is not None and not 0 < probability <= 1:
        raise ValueError(f"probability: got {probability}, expected a number above 0, at most 1")
    if demand is not None and demand <= 0:
        raise ValueError(f"demand: got {demand}, expected a positive number")
    if probability is not None:
        source = replace(source, probabilities=(probability,))
    return source if demand is None else replace(source, demands=(demand,))
