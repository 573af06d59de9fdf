"""Drive tests slot by slot: where the phone was, which cell served, and the RSRP of all cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from hetgraph.datasets.kriging import CellMap
from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.rsrp_map import Indices, predict

_STANDING_M = 0.1  # taken as driven in a slot at least: fading changes about a phone that waits


@dataclass(frozen=True)
class Tracks:
    """Pieces of traces without gaps, one after the other: L slots, C cells.

    Args:
        xy: places of the phones ``[L, 2]``, m.
        speed_mps: way to the next slot over its time, in the last slot that from the one before ``[L]``, m/s.
        rsrp_dbm: measured where ``serving``, imputed elsewhere ``[L, C]``, dBm.
        serving: cell that was measured ``[L]``; -1 for none.
        piece: number of the piece ``[L]``, rising.
    """

    xy: Tensor
    speed_mps: Tensor
    rsrp_dbm: Tensor
    serving: Tensor
    piece: Tensor


def tracks_of(
    files: Sequence[tuple[Numbers, Numbers, Numbers, Indices]],
    maps: list[CellMap],
    slot_s: float,
    most_gap_s: float,
) -> Tracks:
    """Traces resampled to slots.

    Between two rows the phone moves evenly; a slot has the row that is nearest in time, if it is at most half a slot away. A
    cell's RSRP in any other slot is what its map says there plus the conditional mean of the map's error. The error is taken
    as an Ornstein-Uhlenbeck process along the way driven, of the maps' decorrelation distance, and is known where the cell
    was measured last and where it is measured next. So a cell's RSRP does not jump when another one takes over.

    Args:
        files: time ``[M]``, s; places ``[M, 2]``, m; RSRP ``[M]``, dBm; serving cell, -1 for none of C ``[M]``; by file.
        maps: of the C cells.
        slot_s: time between two slots, s.
        most_gap_s: rows further apart than this are in different pieces, s.
    """
    parts = []
    for time, xy, rsrp, cell in files:
        breaks = np.flatnonzero(np.diff(time) > most_gap_s) + 1
        for rows in np.split(np.arange(len(time)), breaks):
            if len(rows):
                parts.append(_piece(time[rows], xy[rows], rsrp[rows], cell[rows], maps, slot_s))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    piece = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    place, speed, all_rsrp, served = (torch.from_numpy(column) for column in columns)
    return Tracks(place.float(), speed.float(), all_rsrp.float(), served, torch.from_numpy(piece))


def _piece(
    time: Numbers, xy: Numbers, rsrp: Numbers, cell: Indices, maps: list[CellMap], slot_s: float
) -> tuple[Numbers, Numbers, Numbers, Indices]:
    slots = np.arange(time[0], time[-1] + 1e-9, slot_s)
    place = np.stack([np.interp(slots, time, xy[:, i]) for i in (0, 1)], 1)
    after = np.searchsorted(time, slots).clip(max=len(time) - 1)
    nearest = np.where(np.abs(time[after] - slots) <= np.abs(time[after - 1] - slots), after, np.maximum(after - 1, 0))
    serving = np.where(np.abs(time[nearest] - slots) <= slot_s / 2, cell[nearest], -1)
    way = np.hypot(*np.diff(place, axis=0, append=2 * place[-1:] - place[-2:-1]).T) if len(slots) > 1 else np.zeros(1)
    estimate = predict(maps, place)
    known = serving[:, None] == np.arange(len(maps))
    error = np.where(known, rsrp[nearest, None] - estimate, 0.0)
    driven = np.r_[0.0, np.maximum(way[:-1], _STANDING_M).cumsum()]
    estimate += bridge(error, known, driven, maps[0].kriging.decorrelation_m)
    return place, way / slot_s, estimate, serving


def bridge(error: Numbers, known: NDArray[np.bool_], driven: Numbers, decorrelation_m: float) -> Numbers:
    """Mean of stationary Ornstein-Uhlenbeck processes between the slots where they are known ``[L, C]``.

    With correlations a to the last and b to the next known slot it is
    ``(a (1 - b^2) last + b (1 - a^2) next) / (1 - a^2 b^2)``; the process is Markov, others do not matter.

    Args:
        error: values ``[L, C]``; read where known.
        known: ``[L, C]``.
        driven: way from the start ``[L]``, m; strictly rising.
        decorrelation_m: distance at which the correlation has fallen to 1/e.
    """
    slot = np.arange(len(error))[:, None]
    last = np.maximum.accumulate(np.where(known, slot, -1), axis=0)
    following = np.minimum.accumulate(np.where(known, slot, len(error))[::-1], axis=0)[::-1]
    column = np.arange(error.shape[1])
    parts = []
    for place, missing in ((last, last < 0), (following, following == len(error))):
        place = place.clip(0, len(error) - 1)
        apart = np.abs(driven[:, None] - driven[place])
        parts.append((np.where(missing, 0.0, np.exp(-apart / decorrelation_m)), error[place, column]))
    (a, before), (b, ahead) = parts
    both = np.maximum(1.0 - a**2 * b**2, 1e-12)
    return np.asarray(np.where(known, error, (a * (1 - b**2) * before + b * (1 - a**2) * ahead) / both))


def draw_pieces(tracks: Tracks, member: NDArray[np.bool_], steps: int, users: int, generator: Generator) -> Tensor:
    """Slots of pseudo-users ``[T, U]``: consecutive ones of one piece, at least half of them served by a member.

    Args:
        tracks: resampled traces.
        member: cells of the network ``[C]``.
        steps: slots T of each user.
        users: users U; no two start in the same slot.
        generator: draws the starts.

    Raises:
        ValueError: fewer starts than users.
    """
    inside = torch.from_numpy(np.r_[member, False])[tracks.serving].long()  # -1 is the last
    total = torch.cat([inside.new_zeros(1), inside.cumsum(0)])
    last = len(inside) - steps + 1
    starts = torch.arange(max(last, 0))
    whole = tracks.piece[starts] == tracks.piece[starts + steps - 1]
    starts = starts[whole & (2 * (total[starts + steps] - total[starts]) >= steps)]
    if len(starts) < users:
        raise ValueError(f"users: got {users}, expected at most {len(starts)}, the network's pieces of {steps} slots")
    chosen = starts[torch.randperm(len(starts), generator=generator)[:users]]
    return chosen + torch.arange(steps).unsqueeze(1)
