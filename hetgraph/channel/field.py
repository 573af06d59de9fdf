"""Gaussian random fields over the plane: one per mast, correlated in space, evaluated anywhere.

A field is a sum of plane waves with random wave vectors and Gaussian amplitudes,

    g_n(x) = M^(-1/2) sum_m  A_nm cos(k_m x / d) + B_nm sin(k_m x / d),    A, B ~ N(0, 1),

whose wave vectors follow the spectral density of the wanted covariance (``law``):

===============  ==================  ==============================================================  =============
law              covariance          wave vectors in two dimensions                                  for
===============  ==================  ==============================================================  =============
``exponential``  ``exp(-|dx| / d)``  bivariate Cauchy: radius ``sqrt((1 - u)^-2 - 1)``, u uniform    shadowing
``gaussian``     ``exp(-|dx/d|^2)``  normal, variance 2 a component: radius ``2 sqrt(-ln(1 - u))``   LOS states
===============  ==================  ==============================================================  =============

An exponentially correlated field is continuous but nowhere differentiable: it crosses a threshold infinitely often
wherever it crosses it once, so that a state made from it by a threshold flickers. The Gaussian law is smooth; along a
line it crosses the level t ``sqrt(2) / (pi d) exp(-t^2 / 2)`` times a metre (Rice 1945), 0.45 / d at t = 0.

Because ``cos^2 + sin^2 = 1`` the value at a point is exactly N(0, 1) whatever the wave vectors are; the covariance of
two points is the law's over draws (the exponential's within 1e-4, for the shortest waves are cut off), and deviates from
it by about ``(2 M)^(-1/2)`` within one draw. Waves are in units of the correlation distance d, which is given on
evaluation. Nothing is bounded or gridded: users may go anywhere.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Generator, Tensor

Law = Literal["exponential", "gaussian"]
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_MAX_WAVE = 1e4  # rad per correlation distance; 1e-4 of the power lies above
_BLOCK = 512  # users whose waves are evaluated at once where there are more: the table stays in a core's cache


@dataclass(frozen=True)
class Field:
    """Parameters of the fields of N masts in each of B networks, M waves.

    Args:
        wave: wave vectors ``[B, M, 2]``, radians per correlation distance.
        weight: amplitudes of cosines and sines ``[B, N, 2M]``, with the factor ``M^(-1/2)``.
    """

    wave: Tensor
    weight: Tensor

    def select(self, masts: slice | Tensor) -> "Field":
        """Fields of some masts; a repeated number gives the same field twice."""
        return Field(self.wave, self.weight[:, masts])


def draw_field(
    num_masts: int,
    generators: Sequence[Generator],
    *,
    inter_site_correlation: float = 0.0,
    modes: int = 128,
    law: Law = "exponential",
    dtype: torch.dtype = torch.float32,
) -> Field:
    """Draw the fields of B networks, each from its own generator and on its device.

    Args:
        num_masts: masts N of each network.
        generators: one per network; network i depends on generator i alone.
        inter_site_correlation: correlation of two masts' fields at one place, e.g. 0.5 for shadowing (TR 36.814).
        modes: number of plane waves M.
        law: covariance in space.
        dtype: of the parameters, and so of the field.

    Raises:
        ValueError: no generator, a number that is not positive, an unknown law, or a correlation outside [0, 1].
    """
    if law not in get_args(Law):
        raise ValueError(f"law: got {law!r}, expected one of {', '.join(get_args(Law))}")
    if not 0.0 <= inter_site_correlation <= 1.0:
        raise ValueError(f"inter_site_correlation: got {inter_site_correlation}, expected a number in [0, 1]")
    for name, number in (("num_masts", num_masts), ("modes", modes), ("number of generators", len(generators))):
        if number < 1:
            raise ValueError(f"{name}: got {number}, expected at least 1")
    device = generators[0].device
    uniform = torch.empty(len(generators), modes + 1, dtype=dtype, device=device)
    normal = torch.empty(len(generators), num_masts + 1, 2 * modes, dtype=dtype, device=device)
    for generator, uniform_row, normal_row in zip(generators, uniform, normal, strict=True):
        uniform_row.uniform_(generator=generator)
        normal_row.normal_(generator=generator)
    common, own = normal[:, :1], normal[:, 1:]
    weight = math.sqrt(inter_site_correlation) * common + math.sqrt(1.0 - inter_site_correlation) * own
    return Field(_waves(uniform, law), weight / math.sqrt(modes))


_RADIUS: dict[Law, Callable[[Tensor], Tensor]] = {
    "exponential": lambda survival: (survival.pow(-2) - 1.0).clamp(min=0.0).sqrt(),
    "gaussian": lambda survival: 2.0 * (-survival.log()).clamp(min=0.0).sqrt(),
}


def _waves(uniform: Tensor, law: Law) -> Tensor:
    """Wave vectors ``[B, M, 2]`` of uniform numbers ``[B, M + 1]``: radii by strata, directions by the golden ratio."""
    modes = uniform.shape[1] - 1
    number = torch.arange(modes, dtype=uniform.dtype, device=uniform.device)
    survival = (modes - number - uniform[:, 1:]) / modes  # 1 - u, one draw in each M-th of (0, 1]
    survival = survival.clamp(min=1.0 / _MAX_WAVE)
    radius = _RADIUS[law](survival)
    angle = 2.0 * math.pi * ((uniform[:, :1] + number * _GOLDEN) % 1.0)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), -1)


def evaluate_field(field: Field, position_m: Tensor, *, correlation_m: float, wanted: Tensor | None = None) -> Tensor:
    """Values of the fields, standard normal, ``[B, N, U]``.

    A network's values are the same bits whichever networks are evaluated with it.

    Args:
        field: of :func:`draw_field`.
        position_m: user positions ``[B, U, 2]``; a third coordinate is ignored.
        correlation_m: distance at which the correlation has fallen to 1/e.
        wanted: users whose values are asked for ``[B, U]`` (bool), all of them when ``None``; those of others may be anything.

    Raises:
        ValueError: positions of another number of networks, or a correlation distance that is not positive.
    """
    if position_m.dim() != 3 or position_m.shape[0] != field.wave.shape[0] or position_m.shape[2] not in (2, 3):
        expected = f"[{field.wave.shape[0]}, U, 2] or [{field.wave.shape[0]}, U, 3]"
        raise ValueError(f"position_m: got shape {tuple(position_m.shape)}, expected {expected}")
    if not 0.0 < correlation_m < math.inf:
        raise ValueError(f"correlation_m: got {correlation_m}, expected a finite number > 0")
    scaled = position_m.to(field.wave.dtype) / correlation_m
    if position_m.shape[1] > _BLOCK:
        masks = [None] * len(scaled) if wanted is None else wanted
        networks = zip(field.wave, field.weight, scaled[..., :2].mT, masks, strict=True)
        return torch.stack([_of_wanted(wave, weight, place, mask) for wave, weight, place, mask in networks])
    wave = field.wave.unsqueeze(1)  # [B, 1, M, 2]
    phase = scaled[..., :1] * wave[..., 0] + scaled[..., 1:2] * wave[..., 1]  # [B, U, M]
    basis = torch.cat((phase.cos(), phase.sin()), -1)
    # One product per network: a batched one chooses its kernel, and with it the last bits, by the size of the batch.
    return torch.stack([weight @ rows.T for weight, rows in zip(field.weight, basis, strict=True)])


def _of_wanted(wave: Tensor, weight: Tensor, place: Tensor, wanted: Tensor | None) -> Tensor:
    """Values ``[N, U]`` of one network, zeros for users who are not wanted."""
    if wanted is None or bool(wanted.all()):
        return _in_blocks(wave, weight, place)
    value = weight.new_zeros(len(weight), place.shape[1])
    value[:, wanted] = _in_blocks(wave, weight, place[:, wanted])
    return value


def _in_blocks(wave: Tensor, weight: Tensor, place: Tensor) -> Tensor:
    """Values ``[N, U]`` of one network of waves ``[M, 2]`` and amplitudes ``[N, 2M]`` at scaled places ``[2, U]``, block by block."""
    modes, users = len(wave), place.shape[1]
    value = weight.new_empty(len(weight), users)
    phases, basis = (weight.new_empty(rows, min(users, _BLOCK)) for rows in (modes, 2 * modes))
    for first in range(0, users, _BLOCK):
        block = place[:, first : first + _BLOCK]
        phase, part = phases[:, : block.shape[1]], basis[:, : block.shape[1]]
        torch.mm(wave, block, out=phase)
        _waves_at(phase, part[:modes], part[modes:])
        torch.mm(weight, part, out=value[:, first : first + _BLOCK])
    return value


def _waves_at(phase: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """Cosines and sines of phases, by NumPy on a CPU: its float32 kernels take less than half of torch's time."""
    if phase.is_cpu:
        np.cos(phase.numpy(), out=cosine.numpy())
        np.sin(phase.numpy(), out=sine.numpy())
        return
    torch.cos(phase, out=cosine)
    torch.sin(phase, out=sine)
