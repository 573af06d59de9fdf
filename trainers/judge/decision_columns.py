"""Columns of the tables of decisions on cells and users, and the sums of which they are made."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

COLUMNS = {
    "policy": ("", "method, where a file has several"),
    "site": ("", "mast, as its owner named it"),
    "cell": ("", "cell, as its owner named it, else the number of its row, from 0; of a user the one that serves it last"),
    "tier": ("", "kind of cell"),
    "user": ("", "user, as its owner named it, else the number of its row, from 0"),
    "serving_share": ("1", "share of the channel draws in which this cell is the one that serves the user"),
    "power_w": ("W", "transmit power, mean over the episode"),
    "power_dbm": ("dBm", "the same; empty for a cell that is silent"),
    "power_w_rb": ("W", "of a resource block, numbered from 0"),
    "power_dbm_rb": ("dBm", "the same"),
    "users": ("users", "users that the cell serves, mean over the episode"),
    "load": ("1", "share of the cell that is in use, mean over the episode: blocks with power, time in which it sends, "
        "or users over the most it takes"),
    "offset_db": ("dB", "individual offset (3GPP TS 36.331): as set, mean over the episode, or with which users of the strongest "
        "cell are where they were decided to be; empty for a cell that is silent"),
    "admitted": ("users", "arriving users that the cell took"),
    "rate_bps": ("bit/s", "rate of a user, mean over the episode or, of arriving users, over their stay"),
    "utility": ("nat", "logarithm of the rate as the task counts it, mean over the episode or the stay"),
    "mean_delay_ms": ("ms", "mean over the user's packets"),
    "mean_delay_slots": ("slots", "mean over the user's packets"),
    "delivered": ("1", "share of the user's packets that left before the end"),
    "served_share": ("1", "bits served over bits served or dropped"),
    "level": ("1", "resource level in the last step, from 0"),
    "handovers": ("1", "changes of the user's cell in the episode"),
    "slot": ("slots", "in which the user came, from 0"),
    "stay_slots": ("slots", "slots in which the user was served; 0 for one that no cell took"),
}  # fmt: skip


class Means:
    """Means over slots of named values."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._slots = 0

    def add(self, **values: Tensor) -> None:
        """A slot."""
        self._slots += 1
        for name, value in values.items():
            value = value.double()
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()

    def __getitem__(self, name: str) -> Tensor:
        return self._sums[name] / self._slots


def users_of_cells(serving: Tensor, cells: int) -> Tensor:
    """Number of users of each cell ``[N]`` by the users' cells ``[U]``, -1 for none."""
    return torch.bincount(serving[serving >= 0], minlength=cells)


def sums_of_cells(value: Tensor, serving: Tensor, cells: int) -> Tensor:
    """Sums ``[N, *]`` of users' values ``[U, *]`` over those of each cell."""
    served = serving >= 0
    return value.new_zeros(cells, *value.shape[1:]).index_add_(0, serving[served], value[served])


def share_in_use(power_w: Tensor, most_w: Tensor) -> Tensor:
    """Share of the blocks of each cell that have power ``[N]``.

    Args:
        power_w: of cells and blocks ``[N, R]``, W.
        most_w: what they may have at most ``[N, R]``, W; blocks of other carriers have zero.
    """
    owned = most_w > 0
    return ((power_w > 1e-6 * most_w) & owned).sum(1) / owned.sum(1).clamp_min(1)


def dbm(power_w: float) -> float:
    """A power in dBm, minus infinity for none."""
    return 10 * math.log10(1e3 * power_w) if power_w > 0 else -math.inf


def described(names: list[str]) -> Mapping[str, Mapping[str, str]]:
    """Unit and meaning of columns.

    Raises:
        ValueError: a column that is not in the table.
    """
    out = {}
    for name in names:
        kind = name.rstrip("0123456789")
        if kind not in COLUMNS:
            raise ValueError(f"column: got {name!r}, expected one of {', '.join(COLUMNS)}")
        unit, meaning = COLUMNS[kind]
        out[name] = {"unit": unit, "meaning": meaning} if unit else {"meaning": meaning}
    return out
