"""One text for PyTorch tensors and NumPy arrays: what their operators do not cover.

A power iteration on one small network is nothing but call overhead, and a call of NumPy takes a quarter of one of PyTorch. On a
CPU such iterations therefore run on NumPy arrays that share the tensors' memory; all others on tensors.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = Any  # a torch.Tensor or a numpy.ndarray


def as_numpy(tensor: Tensor) -> Array:
    """NumPy array of a tensor on the CPU, in the same memory."""
    return tensor.detach().numpy()


def as_tensor(array: Array) -> Tensor:
    """Tensor of an array, in the same memory."""
    return array if isinstance(array, Tensor) else torch.from_numpy(array)


def of_type(array: Array, other: Array) -> Array:
    """An array as numbers of another's type."""
    return array.to(other.dtype) if isinstance(array, Tensor) else array.astype(other.dtype)


def at_least(array: Array, least: float) -> Array:
    """Values not below a number."""
    return array.clamp_min(least) if isinstance(array, Tensor) else np.maximum(array, least)


def at_most(array: Array, most: float) -> Array:
    """Values not above a number."""
    return array.clamp_max(most) if isinstance(array, Tensor) else np.minimum(array, most)


def larger(first: Array, second: Array) -> Array:
    """The larger of two values, element by element."""
    return torch.maximum(first, second) if isinstance(first, Tensor) else np.maximum(first, second)


def choose(condition: Array, first: Array, second: Array) -> Array:
    """``first`` where the condition holds, else ``second``."""
    return (
        torch.where(condition, first, second) if isinstance(condition, Tensor) else np.where(condition, first, second)
    )


def log(array: Array) -> Array:
    """Natural logarithm."""
    return array.log() if isinstance(array, Tensor) else np.log(array)


def log1p(array: Array) -> Array:
    """Logarithm of 1 + x."""
    return array.log1p() if isinstance(array, Tensor) else np.log1p(array)


def over_blocks(array: Array) -> Array:
    """Sum over dimension 1, kept as a dimension of one."""
    return array.sum(1, keepdim=True) if isinstance(array, Tensor) else np.add.reduce(array, axis=1, keepdims=True)


def largest_block(array: Array) -> Array:
    """Largest value along dimension 1, kept as a dimension of one."""
    return array.amax(1, keepdim=True) if isinstance(array, Tensor) else np.maximum.reduce(array, axis=1, keepdims=True)


def precision(array: Array) -> tuple[float, float]:
    """Rounding step and least normal number of an array's type."""
    return _precision(array.dtype)


@cache
def _precision(dtype: Any) -> tuple[float, float]:
    info = torch.finfo(dtype) if isinstance(dtype, torch.dtype) else np.finfo(dtype)
    return float(info.eps), float(info.tiny)
