"""Sources of a scenario's networks: drawn by the scenario's laws, or read from files."""

import functools
from dataclasses import dataclass

from torch_geometric.data import Batch

from hetgraph.graph.sample import sample
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.source import Given, Source, reader, stamp
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.walks import user_trajectories

KEPT_SOURCES = 4  # files that were read last, in memory


@dataclass(frozen=True)
class DrawnNetworks:
    """Networks that follow a scenario's laws.

    Args:
        scenario: layout, cells, users, channel, radio and mobility.
    """

    scenario: ScenarioFields

    def sample(self, n: int, *, seed: int, first: int = 0) -> Batch:
        """Networks ``first .. first + n - 1``, each from streams of its own."""
        return sample(self.scenario, n, seed=seed, first=first)

    def trajectories(self, n: int, *, slots: int, seed: int, first: int = 0) -> Trajectories | None:
        """Ways between waypoints, a place for each slot; ``None`` where nobody moves.

        Raises:
            ValueError: users who walk or ride in groups without waypoints.
        """
        mobility = self.scenario.mobility
        if mobility.waypoints is None:
            moving = mobility.walking + mobility.grouped
            if moving > 0:
                raise ValueError(f"mobility.waypoints: got none for a share of {moving:g} of the users, expected some")
            return None
        slot_s = self.scenario.radio.slot_s
        walk = mobility.waypoints
        return user_trajectories(self.scenario, n, steps=slots, slot_s=slot_s, mobility=walk, seed=seed, first=first)


def source_of(scenario: ScenarioFields) -> Source:
    """The source of a scenario's networks; what was read from files last is kept as long as the files do not change.

    Raises:
        FileNotFoundError: a given file or folder that does not exist.
        ValueError: an unknown kind of source, an option that its reader does not know, or a file that is wrong.
    """
    if not isinstance(scenario.source, Given):
        return DrawnNetworks(scenario)
    return _read(scenario, stamp(scenario.source.path))


@functools.lru_cache(KEPT_SOURCES)
def _read(scenario: ScenarioFields, files: tuple[int, int, int]) -> Source:
    assert isinstance(scenario.source, Given)
    return reader(scenario.source.kind)(scenario)
