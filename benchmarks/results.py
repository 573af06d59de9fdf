"""The tables of results/ from the checkpoints of runs.py: `python benchmarks/results.py NAME ...`."""

import sys
from collections.abc import Callable

from results_queues import cells, conflict, larger, spread
from results_snapshot import ablations, antenna, generalise, hetnet, iid, interference, tune_ascent, uma

COMMANDS: dict[str, Callable[[], None]] = {
    "hetnet": hetnet,
    "tune-ascent": tune_ascent,
    "generalise": generalise,
    "uma": uma,
    "interference": interference,
    "iid": iid,
    "ablations": ablations,
    "antenna": antenna,
    "conflict": conflict,
    "cells": cells,
    "cells-random-19": lambda: cells(networks=("random-19",)),
    "cells-hex-19": lambda: cells(networks=("hex-19",)),
    "larger": larger,
    "spread": spread,
}


if __name__ == "__main__":
    for command in sys.argv[1:]:
        COMMANDS[command]()
    if len(sys.argv) < 2:
        print(f"usage: python benchmarks/results.py {' | '.join(COMMANDS)}")
