"""Schedules with powers as actions: their specification, and what becomes of wishes that the rules do not allow."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.action_spec import ActionSpec, Part
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
        self.cells, self.most_w, self.budget_w = cells, most_w.flatten(0, 1), budget_w.reshape(-1, 1)
        # Where the blocks' largest powers sum to the budget at most, no sum needs to be looked at.
        self._whole = bool((self.most_w.sum(1, keepdim=True) <= self.budget_w * SLACK).all())

    def resolve(self, wish: Allocation, waiting: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Devices that transmit, as numbers ``[B * U, R]``, powers ``[B * N, R]``, W, and wishes that were not granted ``[B]``.

        Counted are resource blocks that do not get the power wished for, devices that another one of their station goes before,
        users that name another station, and networks that ask for layers.

        Args:
            wish: well-formed.
            waiting: devices with packets ``[B, U]``.
        """
        assert wish.airtime is not None
        serving, b, dtype = self.cells.serving, len(waiting), self.most_w.dtype
        # Masks are numbers 0 and 1, which in-place comparisons make several times as fast as booleans.
        active = wish.airtime.clone().gt_(0).to(dtype).mul_(waiting.to(dtype).reshape(-1, 1))
        extra: Tensor | None = None
        if wish.layer_power_w is not None or not torch.equal(wish.serving, serving):
            extra = self._others(wish)
            active = active * (wish.serving == serving).unsqueeze(1)
        load = self.load(active)
        if load.amax().item() > 1:
            first = self._first(active)
            dropped = (active - first).reshape(b, -1).sum(1).long()
            extra = dropped if extra is None else extra + dropped
            active, load = first, load.clamp_max(1)
        power = wish.power_w.to(dtype)
        limit = self.most_w * load
        granted = torch.minimum(power, limit)
        sends, cut = granted.sign(), (limit * SLACK).lt_(power)
        if not torch.equal(sends, limit.sign_()):
            active = active * sends.index_select(0, serving)
        if not self._whole:
            total = granted.sum(1, keepdim=True)
            cut = torch.maximum(cut, (total > self.budget_w * SLACK) * sends)
            granted = granted * (self.budget_w / total.clamp_min(1e-30)).clamp_max_(1)
        refused = cut.reshape(b, -1).sum(1).long()
        return active, granted, refused if extra is None else refused + extra

    def _others(self, wish: Allocation) -> Tensor:
        """Users that name another station, and networks that ask for layers ``[B]``."""
        cells, (b, _, u, _) = self.cells, self.cells.shape
        named = ((wish.serving != cells.serving) & (wish.serving >= 0)).reshape(b, u).sum(1)
        return named + int(wish.layer_power_w is not None)

    def load(self, active: Tensor) -> Tensor:
        """Active devices of each station and resource block ``[B * N, R]``."""
        return torch.zeros_like(self.most_w).index_add_(0, self.cells.serving, active)

    def _first(self, active: Tensor) -> Tensor:
        """The first of a station's active devices on each resource block."""
        cells, (b, _, u, _) = self.cells, self.cells.shape
        table = cells.gather(active.reshape(b, u, -1))  # [B, N, D, R]
        first = (table.cumsum(2) == 1) & (table > 0)
        rank = cells.rank.reshape(b, u, 1, 1).expand(-1, -1, 1, active.shape[1])
        return cells.at_device(first).gather(2, rank).squeeze(2).flatten(0, 1).to(active.dtype)


def device_mask(cells: Cells, waiting: Tensor) -> Tensor:
    """Choices of use of each station ``[B, N, D + 1]``: none, and its devices with packets."""
    b, n, _, d = cells.shape
    out = torch.ones(b, n, d + 1, dtype=torch.bool, device=waiting.device)
    out[..., 1:] = cells.gather(waiting)
    return out
