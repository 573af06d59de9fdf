"""Options that say on which networks: a preset, a YAML file, somebody's sites and users, or a gain matrix."""

from dataclasses import dataclass
from pathlib import Path

from torch_geometric.data import Batch

from hetgraph.datasets import scenario_of
from hetgraph.graph import Scenario, Selection, from_npz
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.trainers.task import option

OF_SITES = ("users", "radio", "operator", "window", "far_cells", "start_load", "user_density", "num_users")
VALIDATION, TEST = 1_000_000, 2_000_000  # seeds of validation and test layouts; training layouts have 0 to 999,999


@dataclass(frozen=True)
class Networks:
    """Options of all tasks."""

    scenario: str | None = option(None, "preset (with arguments after a colon) or YAML file of a scenario")
    sites: str | None = option(None, "CSV or GeoJSON of sites and cells, in place of drawn ones")
    users: str | None = option(None, "CSV or GeoJSON of users, for --sites")
    radio: str | None = option(None, "technology of the cells that are taken, for --sites: GSM, UMTS, LTE, NR")
    operator: str | None = option(
        None, "operator of the cells that are taken, for --sites: name or code such as 262-01"
    )
    window: str | None = option(None, "west,south,east,north of the cells that are taken, degrees, for --sites")
    far_cells: bool = option(False, "cells around --window interfere, at the load of their column prb_util")
    user_density: str | None = option(
        None, "GeoJSON, ASCII grid or CSV of where users are likely, in place of --users, for --sites"
    )
    num_users: int | None = option(None, "users of a network without --users, for --sites; the scenario's number")
    gain: str | None = option(None, "npz with gain [N, U, R], noise_w, power_max_w, rb_bandwidth_hz")
    layouts: int | None = option(None, "networks")
    seed: int = option(TEST, "seed of the networks")


def networks_of(options: Networks, default: str, base: str | None = None) -> Scenario | Batch:
    """Scenario, or the networks themselves, of some options.

    Args:
        options: see above.
        default: preset without any of them.
        base: preset of what a CSV of sites does not say, where no scenario is named; the default one when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: options that exclude each other, or a file that is not as it must be.
    """
    for name in OF_SITES:
        value = getattr(options, name, None)
        if value not in (None, False) and options.sites is None:
            raise ValueError(f"--{name.replace('_', '-')}: got {value!r} without --sites, expected both")
    if options.gain is not None:
        for name in ("scenario", "sites"):
            if getattr(options, name) is not None:
                raise ValueError(f"--gain: got a file beside --{name}, expected one of both")
        return Batch.from_data_list([from_npz(options.gain)])
    if options.sites is None:
        return scenario_of(options.scenario or default)
    base_scenario = scenario_of(options.scenario or base or default)
    return scenario_from_csv(
        options.sites,
        options.users,
        base=base_scenario,
        selection=selection_of(options),
        density=options.user_density,
        num_users=None if options.num_users is None else count_of(options.num_users, 1, "num-users"),
    )


def selection_of(options: Networks) -> Selection:
    """Which cells of a file the options take, and what their loads are for."""
    names = (options.radio or "", options.operator or "", options.window or "")
    return Selection(*names, far_cells=options.far_cells, start_load=getattr(options, "start_load", False))


def title_of(options: Networks, default: str) -> str:
    """What a table calls the networks."""
    given = options.gain or options.sites
    return Path(given).name if given is not None else options.scenario or default


def count_of(number: int | None, default: int, name: str = "layouts") -> int:
    """A number of networks or slots from an option.

    Raises:
        ValueError: fewer than one.
    """
    if number is not None and number < 1:
        raise ValueError(f"--{name}: got {number}, expected at least 1")
    return default if number is None else number


def numbers_of(text: str, name: str) -> list[float]:
    """Numbers of a comma-separated option.

    Raises:
        ValueError: something else.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--{name}: got {text!r}, expected numbers separated by commas") from None
