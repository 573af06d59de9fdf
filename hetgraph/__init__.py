"""hetgraph: learning to run radio networks on heterogeneous graphs.

A network is a heterogeneous graph. A policy takes the graph and returns an action.
"""

from os import PathLike
from pathlib import Path
from typing import Any

__version__ = "0.1.0"
__all__ = ["load"]


def load(path: str | PathLike[str]) -> Any:
    """Trained policy of a file, of any system; see :func:`hetgraph.models.load`."""
    from hetgraph.models.checkpoint import (
        load as load_model,
    )  # here, so that ``import hetgraph`` stays light

    return load_model(Path(path))
