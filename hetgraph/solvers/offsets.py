"""Cell individual offsets that make the strongest-cell rule reproduce an association: what an engineer can roll out of it.

With one offset a cell, in the steps of 3GPP TS 36.331 (``Q-OffsetRange``), a user is at the cell of the largest RSRP plus offset.
Offsets that agree with as many users as possible separate classes linearly (Crammer and Singer 2001, with one bias a class and nothing
else to learn): with a hinge loss that is a linear program, from whose answer, rounded to the steps, the count itself is climbed.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import links_of
from hetgraph.solvers.association import may_serve, rsrp_db

STEPS_DB = (*range(-24, -6, 2), *range(-6, 7), *range(8, 25, 2))  # Q-OffsetRange of TS 36.331
MOST_CELLS = 16  # of the strongest ones that a user is asked about
MOST_REPORTS = 20_000  # of users, all draws and steps together; more are thinned out evenly
_CELLS, _REPORTS = 6, 3_000  # of the linear program, which is a start for the count on all of them
_MARGIN_DB, _SMALL = 0.5, 1e-3  # of a cell over others, and the cost of a dB of offset against one of a user's loss
_SWEEPS = 30

Numbers: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Reports:
    """What users receive of cells, and which of these serve them.

    Args:
        cell: cells of each user's report ``[M, K]``, the one that serves it in place 0; -1 for none.
        rsrp_db: received power of each ``[M, K]``, dB above anything that is the same for all cells.
    """

    cell: Tensor
    rsrp_db: Tensor

    @staticmethod
    def of(cell: Tensor, rsrp_db: Tensor, serving: Tensor) -> "Reports":
        """Reports of the serving cell and the strongest others; users whom nobody serves, or none of their cells, are left out.

        Args:
            cell: cells ``[M, K]``; -1 for none.
            rsrp_db: received power ``[M, K]``.
            serving: cells that serve ``[M]``; -1 for none.
        """
        own = (cell == serving.unsqueeze(1)) & (cell >= 0)
        served = own.any(1)
        cell, level_db, own = cell[served], rsrp_db[served].double(), own[served]
        level_db = level_db.masked_fill(cell < 0, -torch.inf)
        order = level_db.masked_fill(own, torch.inf).topk(min(MOST_CELLS, cell.shape[1]), 1).indices
        return Reports(cell.gather(1, order), level_db.gather(1, order))

    @staticmethod
    def of_graph(graph: HeteroData, serving: Tensor) -> "Reports":
        """Reports of a graph's users by RSRP at full power, as :func:`~hetgraph.solvers.max_rsrp_association` reads it.

        Args:
            graph: one network, or several, of which the first one counts.
            serving: stations that serve its users ``[U]``.
        """
        links = links_of(graph)
        level_db, allowed = links.flat(rsrp_db(graph, links)), may_serve(graph, links)
        if allowed is not None:
            level_db = level_db.masked_fill(~links.flat(allowed), -torch.inf)
        place = torch.arange(links.num_edges, device=links.ue.device) - links.first_edge[links.ue]
        shape = (links.num_ue, int(place.max()) + 1)
        cell = torch.full(shape, -1, device=place.device).index_put((links.ue, place), links.bs)
        table_db = level_db.new_full(shape, -torch.inf).index_put((links.ue, place), level_db)
        cell, table_db = cell[: len(serving)], table_db[: len(serving)]
        return Reports.of(torch.where(table_db > -torch.inf, cell, -1), table_db, serving)

    @staticmethod
    def join(parts: "list[Reports]") -> "Reports":
        """Reports of several draws or steps, padded to one width."""
        width = max(each.cell.shape[1] for each in parts)
        cells = [torch.nn.functional.pad(each.cell, (0, width - each.cell.shape[1]), value=-1) for each in parts]
        powers = [
            torch.nn.functional.pad(each.rsrp_db, (0, width - each.cell.shape[1]), value=-torch.inf) for each in parts
        ]
        return Reports(torch.cat(cells), torch.cat(powers))


@dataclass(frozen=True)
class Offsets:
    """Individual offsets.

    Args:
        offset_db: of each cell ``[N]``, one of :data:`STEPS_DB`; minus infinity for a cell that is silent.
        agreement: share of the reports whose cell is that of the largest RSRP plus offset; NaN without any.
    """

    offset_db: Tensor
    agreement: float


def individual_offsets(reports: Reports, cells: int, silent: Tensor | None = None) -> Offsets:
    """Offsets with which the strongest-cell rule agrees with as many reports as a search finds.

    The better of two starts, no offsets and the linear program, after climbing by one cell at a time to the step that agrees with
    most reports. Of steps that agree with as many, a cell keeps its own, else takes the smallest.

    Args:
        reports: of users.
        cells: number N of cells.
        silent: cells that send nothing ``[N]``, to which no user goes; ``None`` for none.
    """
    every = max(-(-len(reports.cell) // MOST_REPORTS), 1)
    chosen, power = reports.cell[::every].cpu(), reports.rsrp_db[::every].cpu()
    off = torch.zeros(cells, dtype=torch.bool) if silent is None else silent.cpu()
    # Nobody goes to a silent cell; a user whom one serves, as in some draws it may, counts as not reproduced.
    power = power.masked_fill((chosen < 0) | off[chosen.clamp_min(0)], -torch.inf)
    cell_of, level_db = chosen.clamp_min(0).numpy(), power.numpy()
    if not len(cell_of):
        return Offsets(torch.zeros(cells, dtype=torch.double).masked_fill(off, -torch.inf), float("nan"))
    best_db, most = np.zeros(cells), -1
    for start_db in (np.zeros(cells), _nearest(_separating(cell_of, level_db, cells))):
        offset_db, agree = _climbed(cell_of, level_db, start_db)
        if agree > most:
            best_db, most = offset_db, agree
    return Offsets(torch.from_numpy(best_db).masked_fill(off, -torch.inf), most / len(cell_of))


def _nearest(offset_db: Numbers) -> Numbers:
    """The step next to each offset."""
    steps = np.array(STEPS_DB, dtype=float)
    nearest: Numbers = steps[np.abs(offset_db[:, None] - steps).argmin(1)]
    return nearest


def _separating(cell: Whole, rsrp_db: Numbers, cells: int) -> Numbers:
    """Offsets ``[N]`` with the least sum of users' losses, dB; a user's loss is by how much another cell comes too near or above.

    Variables are the positive and negative parts of the offsets and the losses. As offsets that differ by a constant are the
    same, the least ones are taken, which leaves cells alone that need none.
    """
    every = -(-len(cell) // _REPORTS)
    cell, rsrp_db = cell[::every, :_CELLS], rsrp_db[::every, :_CELLS]
    gap_db = rsrp_db[:, :1] - rsrp_db[:, 1:]
    user, place = np.nonzero(np.isfinite(gap_db) & (gap_db < STEPS_DB[-1] - STEPS_DB[0]))
    if not len(user):
        return np.zeros(cells)
    own, other, row = cell[user, 0], cell[user, place + 1], np.arange(len(user))
    columns = np.concatenate([other, cells + own, own, cells + other, 2 * cells + user])
    values = np.repeat([1.0, 1.0, -1.0, -1.0, -1.0], len(user))
    count = (len(user), 2 * cells + len(cell))
    constraints: Any = csr_array((values, (np.tile(row, 5), columns)), shape=count)
    cost = np.concatenate([np.full(2 * cells, _SMALL * len(cell) / cells), np.ones(len(cell))])
    bounds = [(0.0, float(STEPS_DB[-1]))] * (2 * cells) + [(0.0, None)] * len(cell)
    limit = gap_db[user, place] - _MARGIN_DB
    answer: Any = linprog(cost, A_ub=constraints, b_ub=limit, bounds=bounds, method="highs")
    if answer.x is None:  # a solver that gives up leaves the other start
        return np.zeros(cells)
    offset: Numbers = answer.x[:cells] - answer.x[cells : 2 * cells]
    return offset


def _climbed(cell: Whole, rsrp_db: Numbers, start_db: Numbers) -> tuple[Numbers, int]:
    """Offsets after moves of single cells, none of which agrees with more reports, and with how many they agree."""
    offset_db, steps = start_db.copy(), np.array(STEPS_DB, dtype=float)
    table = _places_of(cell, rsrp_db, len(start_db))
    agree = -1
    for _ in range(_SWEEPS):
        for number, (rows, places) in enumerate(table):
            if len(rows):
                count = _agreeing(cell[rows], rsrp_db[rows], places, offset_db, steps)
                rank = count - 1e-3 * np.abs(steps) / steps[-1]  # of equal counts the smallest offset
                rank[steps == offset_db[number]] += 0.5
                offset_db[number] = steps[rank.argmax()]
        now = _agreement(cell, rsrp_db, offset_db)
        if now <= agree:
            break
        agree = now
    return offset_db, agree


def _places_of(cell: Whole, rsrp_db: Numbers, cells: int) -> list[tuple[Whole, Whole]]:
    """Reports that have each cell, and where in them it is."""
    rows, places = np.nonzero(np.isfinite(rsrp_db))
    owner = cell[rows, places]
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(cells + 1))
    return [(rows[order[a:b]], places[order[a:b]]) for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def _agreeing(cell: Whole, rsrp_db: Numbers, place: Whole, offset_db: Numbers, steps: Numbers) -> Whole:
    """How many of some reports of one cell agree ``[S]``, with each step as its offset and the others' as they are."""
    row = np.arange(len(cell))
    score = rsrp_db + offset_db[cell]
    score[row, place] = -np.inf
    top = score.argmax(1)
    needed = score[row, top] - rsrp_db[row, place]  # offset above which the user comes here
    taken = np.sort(needed[place == 0])
    kept = np.sort(needed[(place != 0) & (top == 0)])
    count: Whole = np.searchsorted(taken, steps, "left") + len(kept) - np.searchsorted(kept, steps, "right")
    return count


def _agreement(cell: Whole, rsrp_db: Numbers, offset_db: Numbers) -> int:
    """Reports whose serving cell is above all others."""
    score = rsrp_db + offset_db[cell]
    others = score[:, 1:].max(1, initial=-np.inf)
    return int((score[:, 0] > others).sum())
