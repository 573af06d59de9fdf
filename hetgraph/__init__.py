"""hetgraph: learning to run radio networks on heterogeneous graphs.

A network is a heterogeneous graph. A policy takes the graph and returns an action.
"""

from os import PathLike
from typing import Any

__version__ = "0.2.0"
__all__ = ["load"]


def load(path: str | PathLike[str]) -> Any:
    """Trained policy of any system: of a file, of a shipped model by name, or of ``hf://owner/repo/file``.

    See :func:`hetgraph.models.load`; ``hetgraph models`` lists the names.
    """
    from hetgraph.models.checkpoint import load as load_model  # here, so that ``import hetgraph`` stays light

    return load_model(path)
