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


def energy(vector: Tensor) -> Tensor:
    """Squared norms of complex vectors ``[*, D]``."""
    return torch.view_as_real(vector).square().sum((-2, -1))


def scaled_by(vector: Tensor, factor: Tensor) -> Tensor:
    """Complex vectors ``[*, D]`` times real factors ``[*]``, without making these complex."""
    return torch.view_as_complex(torch.view_as_real(vector) * factor[..., None, None])


def with_power(direction: Tensor, power: Tensor | float) -> Tensor:
    """Vectors ``[*, D]`` brought to squared norms ``[*]``; zero where they are zero."""
    now = energy(direction)
    ratio = power * (now > 0) / now.clamp_min(torch.finfo(now.dtype).tiny)
    return scaled_by(direction, root(ratio))


def unit_norm(direction: Tensor) -> Tensor:
    """Vectors ``[*, D]`` of norm one; zero where they are zero."""
    return with_power(direction, 1.0)


def root(power: Tensor) -> Tensor:
    """Root whose slope at zero is zero: streams without power, and empty places, have finite gradients."""
    there = power > 0
    return torch.where(there, power, 1.0).sqrt() * there
