"""Scenarios by name."""

import inspect
import warnings
from collections.abc import Callable

from hetgraph.graph.presets_arrivals import grows_3, grows_city, grows_tiny
from hetgraph.graph.presets_mimo import mimo_7
from hetgraph.graph.presets_queues import conflict_8, hexagonal, scattered
from hetgraph.graph.presets_sectors import calibration_uma, calibration_umi, hex_19x3
from hetgraph.graph.presets_snapshot import hetnet_3tier, interference_k, uma_5bs
from hetgraph.graph.presets_time import (
    handover_full,
    handover_traffic,
    iot_noma,
    iot_oma,
    lte_trace,
    resizable,
    resized,
)
from hetgraph.graph.scenario import Scenario

PRESETS: dict[str, Callable[..., Scenario]] = {
    "uma-5bs": uma_5bs,
    "hetnet-3tier": hetnet_3tier,
    "interference-k": interference_k,
    "hex-19": hexagonal,
    "hex-19x3": hex_19x3,
    "random-19": scattered,
    "conflict-8": conflict_8,
    "grows-3": grows_3,
    "grows-tiny": grows_tiny,
    "grows-city": grows_city,
    "handover-full": handover_full,
    "handover-traffic": handover_traffic,
    "iot-noma": iot_noma,
    "iot-oma": iot_oma,
    "lte-trace": lte_trace,
    "mimo-7": mimo_7,
    "calibration-uma": calibration_uma,
    "calibration-umi": calibration_umi,
}


def preset(name: str) -> Scenario:
    """Scenario by name; change it with :func:`dataclasses.replace` or :meth:`Scenario.scaled`.

    Args:
        name: a preset's name, with its arguments after a colon if need be: ``interference-k:pairs=40,noise_dbm=-75``.

    Raises:
        ValueError: an unknown name or argument, or a value of another type.

    Example:
        >>> preset("hetnet-3tier").num_stations
        21
        >>> preset("interference-k:pairs=4,noise_dbm=-75").sample(2, seed=1)["bs"].pos.shape  # two networks
        torch.Size([8, 3])
        >>> preset("uma-6bs")
        Traceback (most recent call last):
            ...
        ValueError: preset: got 'uma-6bs', expected one of uma-5bs, hetnet-3tier, ...
    """
    base, _, text = name.partition(":")
    if base not in PRESETS:
        raise ValueError(f"preset: got {base!r}, expected one of {', '.join(PRESETS)}")
    known = inspect.signature(PRESETS[base]).parameters
    arguments: dict[str, int | float | str] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise ValueError(f"preset {base}: got argument {key!r}, expected one of {', '.join(known) or 'none'}")
        kind = type(known[key].default)
        try:
            arguments[key] = _flag(value) if kind is bool else kind(value)
        except (ValueError, KeyError):
            raise ValueError(f"preset {base}: got {key}={value}, expected a value of type {kind.__name__}") from None
    return PRESETS[base](**arguments)


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def roaming(cells: int = 25, users: int = 250, base: str = "hetnet-3tier") -> Scenario:
    """A preset with as many cells and users, at the density of its own cells.

    Args:
        cells: about how many; tiers keep their proportions (``hetnet-3tier`` has exactly 25, 50 or 100).
        users: number of users.
        base: the preset; one whose cells or users are on a grid, at fixed places or so many per cell keeps its own, with a warning.

    Raises:
        ValueError: an unknown preset, cells that its tiers cannot make, or a number that is not positive.
    """
    scenario = preset(base)
    if resizable(scenario):
        return resized(scenario, cells, users)
    kept = f"{scenario.num_stations} cells and {scenario.users.count} users"
    warnings.warn(f"{base}: keeps its {kept}; cells={cells} and users={users} are not used", stacklevel=2)
    return scenario
