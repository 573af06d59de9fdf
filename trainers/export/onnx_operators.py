"""Operators of PyTorch whose translation to ONNX the exporter lacks, or has for constants alone."""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset18

op: Any = opset18  # whose types are narrower than what the exporter hands over


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Translations by operator."""
    aten = torch.ops.aten
    return {
        aten.sort.stable: sort_stable,
        aten.remainder.Scalar: remainder,
        aten.floor_divide.default: floor_divide,
        aten.repeat_interleave.self_int: repeat_interleave,
    }


def sort_stable(value: Any, *, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort: of equal values ONNX's ``TopK`` takes the one of the lower index first."""
    size = op.Gather(op.Shape(value), op.Constant(value_ints=[dim]))
    return op.TopK(value, size, axis=dim, largest=int(descending), sorted=1)


def remainder(value: Any, divisor: Any) -> Any:
    """Remainder by a number that may be a size: with the sign of the divisor."""
    by = op.CastLike(divisor, value)
    if value.dtype.is_floating_point():
        return op.Sub(value, op.Mul(op.Floor(op.Div(value, by)), by))
    return op.Mod(value, by)


def floor_divide(value: Any, divisor: Any) -> Any:
    """Quotient rounded down, of whole numbers that are not negative, as indices and sizes are."""
    quotient = op.Div(value, op.CastLike(divisor, value))
    return op.Floor(quotient) if value.dtype.is_floating_point() else quotient


def repeat_interleave(value: Any, repeats: Any, dim: int | None = None, output_size: Any = None) -> Any:
    """Each slice along a dimension as often as a number says, one after the other; the exporter's does not take sizes."""
    rank = len(value.shape)
    if dim is None:
        value, dim, rank = op.Reshape(value, _numbers(-1)), 0, 1
    dim %= rank
    times = _numbers(repeats) if isinstance(repeats, int) else op.Reshape(repeats, _numbers(1))
    after = [_numbers(*[1] * (rank - dim - 1))] if dim < rank - 1 else []
    tiled = op.Tile(
        op.Unsqueeze(value, _numbers(dim + 1)), op.Concat(_numbers(*[1] * (dim + 1)), times, *after, axis=0)
    )
    before = [_numbers(*[1] * dim)] if dim else []
    return op.Reshape(tiled, op.Mul(op.Shape(value), op.Concat(*before, times, *after, axis=0)))


def _numbers(*numbers: int) -> Any:
    return op.Constant(value_ints=list(numbers))
