"""Installs as ``hetgraph.datasets``."""

if __name__ != "hetgraph.datasets":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.datasets: install the project and import it under that name"
    )

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported when they are asked for: of these, data modules alone need Lightning
    from hetgraph.datasets.datamodule import FreshLayouts, SnapshotDataModule
    from hetgraph.datasets.deepmimo import DeepMIMODataset
    from hetgraph.datasets.kriging import Kriging
    from hetgraph.datasets.labels import add_labels, antenna_shares
    from hetgraph.datasets.lte_dataset import LTETraceDataset
    from hetgraph.datasets.lte_rows import TraceReport
    from hetgraph.datasets.lte_sites import estimate_sites, export_csv
    from hetgraph.datasets.lte_trace import LTETrace
    from hetgraph.datasets.measured_graph import Carrier
    from hetgraph.datasets.network_dataset import NetworkDataset
    from hetgraph.datasets.scenarios import scenario_of
    from hetgraph.datasets.snapshot import SnapshotDataset, SnapshotSpec, generate
    from hetgraph.datasets.splits import layout_seed, spatial_mask

_PLACES = {
    "datamodule": (
        "FreshLayouts",
        "SnapshotDataModule",
    ),
    "deepmimo": ("DeepMIMODataset",),
    "kriging": ("Kriging",),
    "labels": (
        "add_labels",
        "antenna_shares",
    ),
    "lte_dataset": ("LTETraceDataset",),
    "lte_rows": ("TraceReport",),
    "lte_sites": (
        "estimate_sites",
        "export_csv",
    ),
    "lte_trace": ("LTETrace",),
    "measured_graph": ("Carrier",),
    "network_dataset": ("NetworkDataset",),
    "scenarios": ("scenario_of",),
    "snapshot": (
        "SnapshotDataset",
        "SnapshotSpec",
        "generate",
    ),
    "splits": (
        "layout_seed",
        "spatial_mask",
    ),
}
_MODULES = {name: f"hetgraph.datasets.{place}" for place, names in _PLACES.items() for name in names}

__all__ = [
    "Carrier",
    "DeepMIMODataset",
    "FreshLayouts",
    "Kriging",
    "LTETrace",
    "LTETraceDataset",
    "NetworkDataset",
    "SnapshotDataModule",
    "SnapshotDataset",
    "SnapshotSpec",
    "TraceReport",
    "add_labels",
    "antenna_shares",
    "estimate_sites",
    "export_csv",
    "generate",
    "layout_seed",
    "scenario_of",
    "spatial_mask",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'hetgraph.datasets' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
