"""Installs as ``hetgraph.datasets``."""

if __name__ != "hetgraph.datasets":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.datasets: install the project and import it under that name"
    )

from hetgraph.datasets.datamodule import FreshLayouts, SnapshotDataModule, scenario_of
from hetgraph.datasets.deepmimo import DeepMIMODataset
from hetgraph.datasets.kriging import Kriging
from hetgraph.datasets.labels import add_labels, antenna_shares
from hetgraph.datasets.lte_dataset import LTETraceDataset
from hetgraph.datasets.lte_rows import TraceReport
from hetgraph.datasets.lte_sites import estimate_sites, export_csv
from hetgraph.datasets.lte_trace import LTETrace
from hetgraph.datasets.measured_graph import Carrier
from hetgraph.datasets.snapshot import SnapshotDataset, SnapshotSpec, generate
from hetgraph.datasets.splits import layout_seed, spatial_mask

__all__ = [
    "Carrier",
    "DeepMIMODataset",
    "FreshLayouts",
    "Kriging",
    "LTETrace",
    "LTETraceDataset",
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
