"""Installs as ``hetgraph.datasets``."""

if __name__ != "hetgraph.datasets":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.datasets: install the project and import it under that name"
    )
