"""Powers, scales and norms of complex vectors, with finite gradients at zero, and what keeps their matrices definite."""

import torch
from torch import Tensor


def rounding(matrix: Tensor) -> Tensor:
    """What keeps the Cholesky factors of semidefinite matrices ``[Q, D, D]`` from rounding, for their diagonals ``[Q, D]``."""
    numbers = torch.finfo(matrix.real.dtype)
    trace = matrix.diagonal(dim1=1, dim2=2).real.detach().sum(1, keepdim=True)
    return (8 * numbers.eps * trace).clamp_min(numbers.tiny).expand(-1, matrix.shape[1])


def square(value: Tensor) -> Tensor:
    """Squared magnitude of complex numbers."""
    return torch.view_as_real(value).square().sum(-1)


def scaled_by(vector: Tensor, factor: Tensor) -> Tensor:
    """Complex vectors ``[*, D]`` times real factors ``[*]``, without making these complex."""
    return torch.view_as_complex(torch.view_as_real(vector) * factor[..., None, None])


def unit_norm(direction: Tensor) -> Tensor:
    """Vectors ``[*, D]`` of norm one; zero where they are zero."""
    power = square(direction).sum(-1)
    there = power > 0
    return scaled_by(direction, torch.where(there, power, 1.0).rsqrt() * there)


def root(power: Tensor) -> Tensor:
    """Root whose slope at zero is zero: streams without power, and empty places, have finite gradients."""
    there = power > 0
    return torch.where(there, power, 1.0).sqrt() * there
