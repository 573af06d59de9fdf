"""The data layer: every scenario as a heterogeneous graph of stations, users and antennas."""

from hetgraph.graph.build import complete_edges, from_gain
from hetgraph.graph.check import check
from hetgraph.graph.convert import from_networkx, from_npz, to_networkx
from hetgraph.graph.density import Density
from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import COLUMNS, Column, features
from hetgraph.graph.geo import Projection
from hetgraph.graph.levels import canary, hide, known_edges, view
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.mobility import Mobility, Services, Waypoints
from hetgraph.graph.presets import PRESETS, preset, roaming
from hetgraph.graph.presets_snapshot import interference_k
from hetgraph.graph.rules import Rules
from hetgraph.graph.sample import sample
from hetgraph.graph.scenario import CellName, Scenario
from hetgraph.graph.scenario_parts import Carrier, Channel, Layout, Radio, Tier, Users
from hetgraph.graph.schema import (
    CHANNEL,
    CONFLICTS,
    EDGE_TYPES,
    MOUNTED_ON,
    NEIGHBOURS,
    NODE_TYPES,
    SCHEMA,
    SCHEMA_VERSION,
    schema_markdown,
)
from hetgraph.graph.selection import Selection
from hetgraph.graph.site_file import Site, read_sites, write_sites
from hetgraph.graph.source import Drawn, Given, Source, source_kinds
from hetgraph.graph.subgraph import subgraph
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.graph.traffic import Arrivals, Flows, FullBuffer, Packets
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.user_file import read_users, write_users
from hetgraph.graph.walks import user_trajectories

__all__ = [
    "CHANNEL",
    "COLUMNS",
    "CONFLICTS",
    "EDGE_TYPES",
    "MOUNTED_ON",
    "NEIGHBOURS",
    "NODE_TYPES",
    "PRESETS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Arrivals",
    "Carrier",
    "CellName",
    "Channel",
    "Column",
    "Density",
    "Drawn",
    "Facts",
    "Flows",
    "FullBuffer",
    "Given",
    "Layout",
    "Links",
    "Mobility",
    "Packets",
    "Projection",
    "Radio",
    "Rules",
    "Scenario",
    "Selection",
    "Services",
    "Site",
    "Source",
    "Tier",
    "Trajectories",
    "Users",
    "Waypoints",
    "canary",
    "check",
    "complete_edges",
    "features",
    "from_gain",
    "from_networkx",
    "from_npz",
    "hide",
    "interference_k",
    "known_edges",
    "links_of",
    "preset",
    "read_sites",
    "read_users",
    "roaming",
    "sample",
    "scenario_from_csv",
    "schema_markdown",
    "source_kinds",
    "subgraph",
    "to_networkx",
    "user_trajectories",
    "view",
    "write_sites",
    "write_users",
]
