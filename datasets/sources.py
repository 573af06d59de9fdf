"""Readers of the sources of scenarios: each makes a source of a scenario whose networks are given.

They are registered under the entry-point group ``hetgraph.sources``, so that the data layer imports none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch_geometric.data import Batch, HeteroData

from hetgraph.datasets.deepmimo import DeepMIMODataset
from hetgraph.datasets.lte_dataset import LTETraceDataset, Split
from hetgraph.datasets.measured_graph import Carrier
from hetgraph.datasets.snapshot import SnapshotDataset
from hetgraph.graph import Drawn, Given, Scenario, Selection, Source, Trajectories, from_npz, scenario_from_csv
from hetgraph.graph.sources import source_of


@dataclass(frozen=True)
class Networks:
    """Networks of users who stand.

    Args:
        scenario: whose name and digest they carry.
        graph: network of a number and seed.
    """

    scenario: Scenario
    graph: Callable[[int, int], HeteroData]

    def sample(self, n: int, *, seed: int, first: int = 0) -> Batch:
        """Networks ``first .. first + n - 1``."""
        graphs = [self.graph(number, seed) for number in range(first, first + n)]
        for graph in graphs:
            graph.scenario, graph.scenario_hash = self.scenario.name, self.scenario.hash
        return Batch.from_data_list(graphs)

    def trajectories(self, n: int, *, slots: int, seed: int, first: int = 0) -> Trajectories | None:
        """None: users stand."""
        return None


@dataclass(frozen=True)
class Drives(Networks):
    """Networks of drive tests, whose users follow pieces of the traces.

    Args:
        traces: what was read.
        slot_s: time between two places, s.
    """

    traces: LTETraceDataset
    slot_s: float

    def trajectories(self, n: int, *, slots: int, seed: int, first: int = 0) -> Trajectories | None:
        """Pieces of traces, a place for each slot; a network's cells are not those that ``sample`` draws for its number."""
        return self.traces.trajectories(n, slots, seed=seed, first=first, slot_s=self.slot_s)


def sites(scenario: Scenario) -> Source:
    """Cells of a CSV, and its users or the scenario's own.

    Layout, tiers and, with a file of users, the users' places are the files'; all else is the scenario's.

    Options: ``users``, CSV of users, or ``user_density``, map of traffic by which users are placed; ``radio``, ``operator`` and
    ``window``, which cells are taken, ``far_cells`` and ``start_load``, what load counters are for, see
    :class:`~hetgraph.graph.Selection`.
    """
    filters, flags = ("radio", "operator", "window"), ("far_cells", "start_load")
    given = _given(scenario, "users", "user_density", *filters, *flags)
    users, density = (given.option(name, "") or None for name in ("users", "user_density"))
    texts, choices = (given.option(name, "") for name in filters), (given.option(name, False) for name in flags)
    chosen = Selection(**dict(zip((*filters, *flags), (*texts, *choices), strict=True)))  # type: ignore[arg-type]
    base = replace(scenario, source=Drawn())
    own = scenario_from_csv(given.path, users, base=base, selection=chosen, density=density)
    return source_of(replace(own, name=scenario.name))


def gain(scenario: Scenario) -> Source:
    """Gains of an npz, see :func:`~hetgraph.graph.from_npz`, or of all those of a folder, which networks take in turn.

    Power, noise and bandwidth are the file's, too; nothing else of the scenario is read but its name.
    """
    path = Path(_given(scenario).path)
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"{path}: got no npz in the folder, expected at least one")
    graphs = [from_npz(file) for file in files]
    return Networks(scenario, lambda number, seed: graphs[number % len(graphs)].clone())


def graphs(scenario: Scenario) -> Source:
    """Networks of a folder made by ``hetgraph generate``, in turn; nothing of the scenario is read but its name."""
    stored = SnapshotDataset(_given(scenario).path)
    return Networks(scenario, lambda number, seed: stored[number % len(stored)])


def deepmimo(scenario: Scenario) -> Source:
    """Ray-traced networks of a DeepMIMO folder.

    Power of a station, band, resource blocks, noise figure and neighbours are the scenario's, as is the carrier where the folder
    has none; with ``channel.mimo`` so are the antennas of all stations, the first tier's, and ``radio.layers``.

    Options: ``users``, receivers of a network (0 for all), ``coherent``, sum paths with their phases, see
    :class:`~hetgraph.datasets.DeepMIMODataset` for what it changes.
    """
    given = _given(scenario, "users", "coherent")
    users = given.option("users", 0) or None
    coherent = given.option("coherent", False)
    antennas = scenario.tiers[0] if scenario.channel.mimo else None
    dataset = DeepMIMODataset(
        given.path,
        users=users,
        coherent=coherent,
        carrier=_carrier(scenario),
        antennas=antennas,
        layers=scenario.radio.layers,
    )
    return Networks(scenario, dataset.graph)


def traces(scenario: Scenario) -> Source:
    """Drive tests of a folder, see :class:`~hetgraph.datasets.LTETraceDataset`.

    Cells and users of a network, heights, power, band, resource blocks, noise figure and the slot are the scenario's.

    Options: ``split``, ``generation``, ``operator``, ``fewest``, ``split_seed``.
    """
    given = _given(scenario, "split", "generation", "operator", "fewest", "split_seed")
    dataset = LTETraceDataset(
        given.path,
        split=cast("Split", given.option("split", "all")),
        generation=given.option("generation", "") or None,  # type: ignore[arg-type]
        operator=given.option("operator", "") or None,
        cells=scenario.num_stations,
        users=scenario.users.count,
        split_seed=given.option("split_seed", 0),
        fewest=given.option("fewest", 2),
        carrier=_carrier(scenario),
        bs_height_m=scenario.tiers[0].height_m,
        ue_height_m=scenario.users.height_m,
    )
    return Drives(scenario, dataset.graph, dataset, scenario.radio.slot_s)


def _given(scenario: Scenario, *options: str) -> Given:
    assert isinstance(scenario.source, Given)
    scenario.source.known(*options)
    return scenario.source


def _carrier(scenario: Scenario) -> Carrier:
    """What a measured network does not tell of itself, as the scenario has it."""
    tier, radio, carrier = scenario.tiers[0], scenario.radio, scenario.carriers[0]
    return Carrier(
        power_dbm=tier.power_dbm,
        bandwidth_hz=radio.bandwidth_hz,
        num_rbs=radio.num_rbs,
        noise_figure_db=radio.noise_figure_db,
        carrier_hz=carrier.carrier_hz,
        neighbours=radio.neighbours,
    )
