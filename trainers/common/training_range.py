"""How large and how dense the networks of a training were, and whether another network is like them."""

import functools
from collections.abc import Sequence
from typing import Any

import torch

from hetgraph.graph import Scenario
from hetgraph.models.weights import Header

RANGE = "range"  # of a header's scenario
NEAR = 1.5  # a network is near the range up to this factor below its least and above its largest value
_LEAST_M = 1.0  # extent of a network whose stations and users stand on a line


@functools.lru_cache(maxsize=16)
def sizes_of(scenario: Scenario) -> dict[str, float]:
    """Stations, users and, where they have places, stations per square kilometre of the first network's bounding box."""
    graph = scenario.sample(1, seed=0)
    sizes = {"stations": float(graph["bs"].num_nodes), "users": float(graph["ue"].num_nodes)}
    if "pos" in graph["bs"] and "pos" in graph["ue"]:
        xy = torch.cat([graph["bs"].pos, graph["ue"].pos])[:, :2].double()
        extent_m = (xy.amax(0) - xy.amin(0)).clamp_min(_LEAST_M)
        sizes["stations per km2"] = sizes["stations"] / (1e-6 * float(extent_m.prod()))
    return sizes


def range_of(scenarios: Sequence[Scenario]) -> dict[str, list[float]]:
    """Least and largest sizes of some scenarios' networks, as a checkpoint's header keeps them."""
    sizes = [sizes_of(scenario) for scenario in scenarios]
    names = [name for name in sizes[0] if all(name in each for each in sizes)]
    return {name: [min(each[name] for each in sizes), max(each[name] for each in sizes)] for name in names}


def beyond(header: Header, scenario: Scenario) -> str | None:
    """In which sizes a network is far from those of a checkpoint's training; ``None`` where it is near, or nobody knows.

    Args:
        header: of the checkpoint.
        scenario: of the network.
    """
    known: Any = header.scenario.get(RANGE, {})
    sizes, far = sizes_of(scenario), []
    for name, (low, high) in known.items():
        if name in sizes and not low / NEAR <= sizes[name] <= high * NEAR:
            trained = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            far.append(f"{sizes[name]:.4g} {name} (training: {trained})")
    return ", ".join(far) or None
