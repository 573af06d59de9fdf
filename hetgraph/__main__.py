"""``python -m hetgraph``: the ``hetgraph`` command, for where its script is not on the path."""

from hetgraph.trainers.cli import main

main()
