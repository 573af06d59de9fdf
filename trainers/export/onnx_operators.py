"""Operators of PyTorch whose translation to ONNX the exporter lacks."""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset18 as op


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Translations by operator."""
    return {torch.ops.aten.sort.stable: sort_stable}


def sort_stable(value: Any, *, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort: of equal values ONNX's ``TopK`` takes the one of the lower index first."""
    size = op.Gather(op.Shape(value), op.Constant(value_ints=[dim]))
    return op.TopK(value, size, axis=dim, largest=int(descending), sorted=1)
