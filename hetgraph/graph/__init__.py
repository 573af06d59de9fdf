"""The data layer: every scenario as a heterogeneous graph of stations, users and antennas."""

from hetgraph.graph.build import complete_edges, from_gain
from hetgraph.graph.check import check
from hetgraph.graph.features import add_features
from hetgraph.graph.links import Links, links_of
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
    "SCHEMA",
    "SCHEMA_VERSION",
    "Links",
    "add_features",
    "check",
    "complete_edges",
    "from_gain",
    "links_of",
    "schema_markdown",
]
