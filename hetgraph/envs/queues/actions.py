"""Schedules with powers as actions: their specification, and what becomes of wishes that the rules do not allow."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.actions import ActionSpec, Part
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells

SLACK = 1 + 1e-5  # of budgets, for rounding in float32


def specification(cells: Cells, most_w: Tensor) -> ActionSpec[Allocation]:
    """Actions of stations that give each resource block to one of their devices, or to none, at a power of their choice.

    Args:
        cells: who serves whom.
        most_w: largest power of each resource block ``[B, N, R]``, W.
    """
    b, n, u, d = cells.shape
    fields = (
        Part("serving", ("BU",), n=b * n + 1, first=-1),
        Part("power_w", ("BN", "R"), "real"),
        Part("airtime", ("BU", "R"), "real"),
        Part("layer_power_w", ("BU", "R"), "real", optional=True),
    )
    parts = (
        Part("device", ("B", "N", "R"), n=d + 1, mask="device_mask"),
        Part("power", ("B", "N", "R"), "real", high=1.0),
    )
    sizes = {"B": b, "U": u, "N": n, "R": most_w.shape[2]}
    return ActionSpec(fields, parts, sizes, Build(cells, most_w), device=most_w.device)


@dataclass(frozen=True)
class Build:
    """Allocation of devices by 1 + their place at their station, 0 for none, and of powers as fractions of the blocks' largest.

    Args:
        cells: who serves whom.
        most_w: largest power of each resource block ``[B, N, R]``, W.
    """

    cells: Cells
    most_w: Tensor

    def __call__(self, values: Mapping[str, Tensor]) -> Allocation:
        """The parts as an action."""
        return self.cells.allocation(values["device"], values["power"].to(self.most_w.dtype) * self.most_w)


class Rules:
    """What a wish comes to.

    A resource block of a station goes to the first of the devices that are wished for and have packets. Power beyond the block's
    largest is cut to it, the powers of a station beyond its budget are scaled to it, and a block without a device has none. A
    device without power is silent. Users keep their stations, and stations superpose nobody.

    Args:
        cells: who serves whom.
        most_w: largest power of each resource block ``[B, N, R]``, W.
        budget_w: power budget of each station ``[B, N]``, W.
    """

    def __init__(self, cells: Cells, most_w: Tensor, budget_w: Tensor) -> None:
        self.cells, self.most_w, self.budget_w = cells, most_w, budget_w
        self._station = cells.station.unsqueeze(2).expand(-1, -1, most_w.shape[2])
        # Where the blocks' largest powers sum to the budget at most, no sum needs to be looked at.
        self._whole = bool((most_w.sum(2) <= budget_w * SLACK).all())

    def resolve(self, wish: Allocation, waiting: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Devices that transmit ``[B, U, R]``, powers ``[B, N, R]``, W, and the wishes that were not granted ``[B]``.

        Counted are resource blocks that do not get the power wished for, devices that another one of their station goes before,
        users that name another station, and networks that ask for layers.

        Args:
            wish: well-formed.
            waiting: devices with packets ``[B, U]``.
        """
        assert wish.airtime is not None
        cells, (b, n, u, _) = self.cells, self.cells.shape
        active = (wish.airtime.reshape(b, u, -1) > 0) & waiting.unsqueeze(2)
        extra: Tensor | None = None
        if wish.layer_power_w is not None or not torch.equal(wish.serving, cells.serving):
            extra = self._others(wish)
            active = active & (wish.serving == cells.serving).reshape(b, u, 1)
        load = self._load(active)
        if load.amax().item() > 1:
            wanted, active = active, self._first(active)
            dropped = (wanted & ~active).flatten(1).sum(1)
            extra = dropped if extra is None else extra + dropped
            load = load.clamp_max(1)
        power = wish.power_w.to(self.most_w.dtype).reshape(b, n, -1)
        limit = self.most_w * load
        granted = torch.minimum(power, limit)
        refused = (power > limit * SLACK).flatten(1).sum(1)
        sends = granted > 0
        if not torch.equal(sends, load > 0):
            active = active & sends.gather(1, self._station)
        if not self._whole:
            total, budget = granted.sum(2, keepdim=True), self.budget_w.unsqueeze(2)
            granted = granted * (budget / total.clamp_min(1e-30)).clamp_max_(1)
            refused = ((power > limit * SLACK) | ((total > budget * SLACK) & (granted > 0))).flatten(1).sum(1)
        return active, granted, refused if extra is None else refused + extra

    def _others(self, wish: Allocation) -> Tensor:
        """Users that name another station, and networks that ask for layers ``[B]``."""
        cells, (b, _, u, _) = self.cells, self.cells.shape
        named = ((wish.serving != cells.serving) & (wish.serving >= 0)).reshape(b, u).sum(1)
        return named + int(wish.layer_power_w is not None)

    def _load(self, active: Tensor) -> Tensor:
        """Devices of each station and resource block ``[B, N, R]``."""
        load = torch.zeros_like(self.most_w)
        return load.scatter_add_(1, self._station, active.to(load.dtype))

    def _first(self, active: Tensor) -> Tensor:
        """The first of a station's active devices on each resource block."""
        table = self.cells.gather(active.to(torch.int16))  # [B, N, D, R]
        first = (table.cumsum(2) == 1) & (table > 0)
        rank = self.cells.rank.reshape(*self.cells.rank.shape, 1, 1).expand(-1, -1, 1, active.shape[2])
        return self.cells.at_device(first).gather(2, rank).squeeze(2)


def device_mask(cells: Cells, waiting: Tensor) -> Tensor:
    """Choices of use of each station ``[B, N, D + 1]``: none, and its devices with packets."""
    b, n, _, d = cells.shape
    out = torch.ones(b, n, d + 1, dtype=torch.bool, device=waiting.device)
    out[..., 1:] = cells.gather(waiting)
    return out
