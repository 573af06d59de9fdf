"""Where the networks of a handover environment come from."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.given import Mobile, given_networks
from hetgraph.envs.handover.masts import Masts, bare_masts, drawn_masts
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.source import Drawn
from hetgraph.graph.sources import DrawnNetworks, source_of
from hetgraph.graph.traffic import FullBuffer
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.walks import user_trajectories

STEP_S = 0.5  # between two steps, where the scenario has no waypoints
STANDING = ("conflicts", "efficiencies")  # placements whose gains hold at one place only

Networks: TypeAlias = Scenario | Trajectories | HeteroData


@dataclass(frozen=True)
class World:
    """Users who move, or whose channels fade, and the stations that they hear.

    Args:
        trajectories: of P networks.
        masts: what stands there.
    """

    trajectories: Trajectories
    masts: Masts

    def to(self, device: torch.device) -> "World":
        """The same on another device."""
        return World(self.trajectories.to(device), self.masts.to(device))


def world_of(source: Networks, networks: int, *, steps: int, seed: int, first: int = 0, every: int = 1) -> World:
    """Networks ``first .. first + networks - 1`` of a source; given trajectories are all there are.

    Users of a scenario follow its waypoints, a place every ``radio.slot_s``; where it has none they walk by
    :class:`~hetgraph.graph.mobility.Waypoints` as they are by default, a place every half second. Users of drive tests follow
    those. Users of other files, and of scenarios that place users by what they hear, stand, and their channels fade; see
    :func:`~hetgraph.envs.handover.given.given_networks` for graphs.

    Args:
        source: trajectories, a scenario, or a graph or batch of graphs.
        networks: number of networks.
        steps: places of each user.
        seed: of all that is drawn.
        first: number of the first network.
        every: of walks through drawn networks, see :func:`~hetgraph.graph.walks.user_trajectories`.

    Raises:
        ValueError: something else, a network that no user can roam, or traffic that is none of full buffers.
    """
    if isinstance(source, Trajectories):
        return World(source, bare_masts(source))
    numbers = range(first, first + networks)
    if isinstance(source, HeteroData):
        return World(*given_networks(source, numbers, Mobile(steps, STEP_S, walks=True), seed=seed))
    if not isinstance(source, Scenario):
        expected = "a preset, a Scenario, Trajectories, a graph or a batch"
        raise ValueError(f"scenario: got {type(source).__name__}, expected {expected}")
    if source.traffic is not None and not isinstance(source.traffic, FullBuffer):
        raise ValueError(f"scenario.traffic: got {type(source.traffic).__name__}, expected FullBuffer or none")
    files = source_of(source)
    if isinstance(files, DrawnNetworks) and files.scenario.users.placement not in STANDING:
        return _walks(files.scenario, networks, steps, seed, first, every)
    result = files.trajectories(networks, slots=steps, seed=seed, first=first)
    if result is not None:
        heights = torch.tensor([tier.height_m for tier in source.tiers for _ in range(tier.count)])
        return World(result, replace(bare_masts(result), height_m=heights.expand(result.networks, -1).contiguous()))
    law = Mobile(steps, STEP_S, source.channel, source.mobility.doppler_hz)
    graphs = files.sample(networks, seed=seed, first=first)
    return World(*given_networks(graphs, numbers, law, seed=seed, first=first))


def _walks(scenario: ScenarioFields, networks: int, steps: int, seed: int, first: int, every: int) -> World:
    """Walks through drawn networks, or those of somebody's sites."""
    walk = scenario.mobility.waypoints
    slot_s, mobility = (STEP_S, Waypoints()) if walk is None else (scenario.radio.slot_s, walk)
    drawn = replace(scenario, source=Drawn())
    draw = {"steps": steps, "seed": seed, "first": first, "every": every}
    result = user_trajectories(drawn, networks, slot_s=slot_s, mobility=mobility, **draw)
    return World(result, drawn_masts(drawn, networks))
