"""The data layer: every scenario as a heterogeneous graph of stations, users and antennas."""

from hetgraph.graph.build import complete_edges, from_gain
from hetgraph.graph.check import check
from hetgraph.graph.features import add_features
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.presets import PRESETS, interference_k, preset
from hetgraph.graph.sample import sample
from hetgraph.graph.scenario import Channel, Layout, Radio, Scenario, Tier, Users
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

__all__ = [
    "CHANNEL",
    "CONFLICTS",
    "EDGE_TYPES",
    "MOUNTED_ON",
    "NEIGHBOURS",
    "NODE_TYPES",
    "PRESETS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Channel",
    "Layout",
    "Links",
    "Radio",
    "Scenario",
    "Tier",
    "Users",
    "add_features",
    "check",
    "complete_edges",
    "from_gain",
    "interference_k",
    "links_of",
    "preset",
    "sample",
    "schema_markdown",
]
