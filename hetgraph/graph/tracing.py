"""Programs that are traced: a value of a tensor decides nothing there, so that one program serves graphs of all kinds."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_TRACED = False
TABLE = 1 << 25  # flags of numbers that are looked up in a table: 32 MB


def exporting() -> bool:
    """Whether a program is being exported, which takes the ways that are right for all graphs."""
    return _TRACED or torch.compiler.is_exporting()


@contextmanager
def traced() -> Iterator[None]:
    """Go the ways of a program that is exported, without exporting one."""
    global _TRACED
    before, _TRACED = _TRACED, True
    try:
        yield
    finally:
        _TRACED = before


def holds(condition: Tensor) -> bool:
    """Whether a condition holds that lets a computation take a shorter way; never while a program is exported.

    Args:
        condition: one bool.
    """
    return not exporting() and bool(condition)


def size_of(number: Tensor) -> int:
    """A number that a size depends on; in a program one that it works out anew, two at least, as sizes of one stay what they are.

    Args:
        number: one long.
    """
    if not exporting():
        return int(number)
    size = number.clamp_min(2).item()
    torch._check(size >= 2)  # type: ignore[no-untyped-call]
    return size  # type: ignore[return-value]  # a symbol while exporting


def count(index: Tensor, size: int) -> Tensor:
    """How often each number below ``size`` is in ``index [n]``: ``[size]``, long."""
    if exporting():  # the length of a bincount depends on values
        return index.new_zeros(size).index_add(0, index, torch.ones_like(index))
    return torch.bincount(index, minlength=size)


def contained(number: Tensor, chosen: Tensor, size: int) -> Tensor:
    """Which numbers are among the chosen ones, all of them below ``size``; negative ones are not to be relied upon."""
    if exporting() or size <= TABLE:  # formats have no search; it sorts, a table does not
        table = torch.zeros(size, dtype=torch.bool, device=number.device).scatter(0, chosen, True)
        return table.index_select(0, number.clamp_min(0))
    return torch.isin(number, chosen)
