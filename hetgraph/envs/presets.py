"""Sources of arrivals by name."""

from dataclasses import replace

from hetgraph.envs.arrivals import DiscreteArrivals, Source
from hetgraph.envs.service import Service


def grows_3() -> DiscreteArrivals:
    """Three stations; constants that the paper does not print, fitted to its Table I (`benchmarks/grows.py calibrate`)."""
    service = Service(stations=3, blocks=9, unit=1.19)
    return DiscreteArrivals(service, spread=(0.34, 1.0, 1.66), rates=(0.86, 1.6, 2.34), bonus=0.03)


ARRIVALS = {"grows-3": grows_3}


def arrivals(name: str, probability: float | None = None, demand: float | None = None) -> Source:
    """Arrivals by name.

    Args:
        name: ``grows-3`` or ``grows-city``.
        probability: of an arrival in a slot, for all networks.
        demand: mean demand, for all networks.

    Raises:
        ValueError: an unknown name, or a number out of its range.
    """
    if name not in ARRIVALS:
        raise ValueError(f"scenario: got {name!r}, expected one of {', '.join(ARRIVALS)}")
    if probability is not None and not 0 < probability <= 1:
        raise ValueError(f"probability: got {probability}, expected a number above 0, at most 1")
    if demand is not None and demand <= 0:
        raise ValueError(f"demand: got {demand}, expected a positive number")
    source = ARRIVALS[name]()
    if probability is not None:
        source = replace(source, probabilities=(probability,))
    return source if demand is None else replace(source, demands=(demand,))
