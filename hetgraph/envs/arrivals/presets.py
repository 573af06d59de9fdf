"""Sources of arrivals by name."""

from collections.abc import Callable
from dataclasses import replace

from hetgraph.envs.arrivals.city import CityArrivals
from hetgraph.envs.arrivals.service import Service
from hetgraph.envs.arrivals.sources import DiscreteArrivals, Source
from hetgraph.graph.presets import hetnet_3tier, named

SPREAD = (0.34, 1.0, 1.66)  # demands as parts of the mean


def grows_3(stations: int = 3) -> DiscreteArrivals:
    """Three stations; constants that the paper does not print, fitted to its Table I (`benchmarks/grows.py calibrate`).

    A unit of data is what a second of the 20 MHz carries at 1 bit/s/Hz, 20 Mbit, and a slot of three stations is a second: rates
    are spectral efficiencies. With more stations each user hears the three at the corners of the triangle it stands in, and slots
    are as much shorter, so that the load of a station is the same on average; those at the edge of the grid have less.

    Args:
        stations: number of stations.
    """
    many = stations / 3
    service = Service(stations=stations, blocks=9, unit=1.19 / many, time_unit=many)
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
    service = Service(scenario.num_stations, blocks=9, unit=1.19 / many, time_unit=many)
    slot_s = 0.5 / many  # two users a second and three stations
    return CityArrivals(
        scenario=scenario,
        service=service,
        slots=round(40 * many),
        spread=SPREAD,
        slot_s=slot_s,
        moves_every=round(5.0 / slot_s),
    )


ARRIVALS: dict[str, Callable[..., Source]] = {"grows-3": grows_3, "grows-tiny": grows_tiny, "grows-city": grows_city}


def arrivals(name: str, probability: float | None = None, demand: float | None = None) -> Source:
    """Arrivals by name.

    Args:
        name: ``grows-3``, ``grows-tiny`` or ``grows-city``, with its arguments after a colon if need be: ``grows-3:stations=19``.
        probability: of an arrival in a slot, for all networks.
        demand: mean demand, for all networks.

    Raises:
        ValueError: an unknown name or argument, or a number out of its range.
    """
    source = named(name, ARRIVALS)
    if probability is not None and not 0 < probability <= 1:
        raise ValueError(f"probability: got {probability}, expected a number above 0, at most 1")
    if demand is not None and demand <= 0:
        raise ValueError(f"demand: got {demand}, expected a positive number")
    if probability is not None:
        source = replace(source, probabilities=(probability,))
    return source if demand is None else replace(source, demands=(demand,))
