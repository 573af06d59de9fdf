"""Individual offsets of cells that reproduce what a policy decided, as a column of the cells."""

import dataclasses
import math

from hetgraph.solvers.offsets import individual_offsets
from hetgraph.trainers.task import Decisions

OFFSET = "offset_db"


def with_offsets(result: Decisions) -> Decisions:
    """Decisions with the offsets of cells in the column ``offset_db``; as they are where users' reports are not known.

    A cell without power has no offset: users do not receive it.
    """
    if result.reports is None:
        return result
    cells = len(next(iter(result.cells.values())))
    silent = None if result.power_w is None else result.power_w.sum(1) <= 0
    offsets = individual_offsets(result.reports, cells, silent)
    columns = {**result.cells, OFFSET: offsets.offset_db}
    agreement = None if math.isnan(offsets.agreement) else offsets.agreement  # nobody was served
    return dataclasses.replace(result, cells=columns, offset_agreement=agreement)
