"""Installs as ``hetgraph.trainers``."""

if __name__ != "hetgraph.trainers":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.trainers: install the project and import it under that name"
    )
