"""Small-scale fading: Rayleigh, Rician, and their Gauss-Markov evolution in time.

Complex gains h have ``E|h|^2 = 1``, so that a power gain never changes the mean received power.
"""

import math
from collections.abc import Sequence

import torch
from scipy.special import j0
from torch import Generator, Tensor

from hetgraph.channel.link import SPEED_OF_LIGHT


def rayleigh_gain(
    shape: Sequence[int], *, generator: Generator, dtype: torch.dtype = torch.float32, out: Tensor | None = None
) -> Tensor:
    """Rayleigh power gain ``|h|^2``: exponential with mean one.

    Args:
        shape: of the result.
        generator: random numbers; a new tensor lies on its device.
        dtype: of the result, without ``out``.
        out: preallocated tensor of that shape, filled in place.

    Raises:
        ValueError: ``out`` of another shape.
    """
    if out is None:
        out = torch.empty(*shape, dtype=dtype, device=generator.device)
    elif tuple(out.shape) != tuple(shape):
        raise ValueError(f"out: got shape {tuple(out.shape)}, expected {tuple(shape)}")
    return out.exponential_(generator=generator)


def rayleigh(shape: Sequence[int], *, generator: Generator, dtype: torch.dtype = torch.complex64) -> Tensor:
    """Complex gain ``h ~ CN(0, 1)`` of a Rayleigh channel, complex ``shape``."""
    return complex_normal_(torch.empty(*shape, dtype=dtype, device=generator.device), generator=generator)


def complex_normal_(out: Tensor, *, generator: Generator) -> Tensor:
    """Fill a complex tensor in place with ``CN(0, 1)``; real and imaginary parts have variance 1/2.

    Raises:
        ValueError: a tensor that is not complex.
    """
    if not out.is_complex():
        raise ValueError(f"out: got dtype {out.dtype}, expected a complex one")
    torch.view_as_real(out).normal_(std=math.sqrt(0.5), generator=generator)
    return out


def rician(scattered: Tensor, *, k_factor: float | Tensor, phase_rad: Tensor | None = None) -> Tensor:
    """Complex gain ``sqrt(K/(K+1)) e^(j phase) + sqrt(1/(K+1)) h`` of a Rician channel; K = 0 is Rayleigh.

    Args:
        scattered: Rayleigh part ``h ~ CN(0, 1)``, e.g. of :func:`rayleigh` or kept up by :func:`gauss_markov_`.
        k_factor: power ratio K of the direct to the scattered part, linear; broadcasts.
        phase_rad: phase of the direct path, broadcasts; zero when None.

    Raises:
        ValueError: a negative or not finite K.
    """
    k = torch.as_tensor(k_factor, dtype=scattered.real.dtype, device=scattered.device)
    if not bool(((k >= 0.0) & (k < math.inf)).all()):
        raise ValueError(f"k_factor: got {k.min().item():g} to {k.max().item():g}, expected finite numbers >= 0")
    phase = torch.zeros_like(k) if phase_rad is None else phase_rad.to(k.dtype)
    direct = torch.polar(torch.ones_like(phase), phase)
    return (k / (k + 1.0)).sqrt() * direct + (1.0 / (k + 1.0)).sqrt() * scattered


def power_gain(h: Tensor) -> Tensor:
    """``|h|^2`` of a complex gain, without the square root that ``abs`` would take."""
    return h.real.square() + h.imag.square()


def doppler_hz(speed_mps: float, carrier_hz: float) -> float:
    """Maximum Doppler shift ``v f / c``."""
    return speed_mps * carrier_hz / SPEED_OF_LIGHT


def jakes_correlation(max_doppler_hz: float, interval_s: float) -> float:
    """Correlation ``rho = J0(2 pi f_d T)`` of a gain with itself one interval later (Jakes).

    Raises:
        ValueError: a negative or not finite argument.
    """
    for name, value in (("max_doppler_hz", max_doppler_hz), ("interval_s", interval_s)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name}: got {value}, expected a finite number >= 0")
    return float(j0(2.0 * math.pi * max_doppler_hz * interval_s))


def gauss_markov(h: Tensor, rho: float | Tensor, *, generator: Generator) -> Tensor:
    """Next complex gain ``rho h + sqrt(1 - rho^2) w``, ``w ~ CN(0, 1)``, as a new tensor.

    Args:
        h: complex gains, ``E|h|^2 = 1``.
        rho: correlation with the next gain in [-1, 1], broadcasts (users may have speeds of their own).
        generator: random numbers of the innovation.

    Raises:
        ValueError: rho outside [-1, 1], or ``h`` that is not complex.
    """
    return gauss_markov_(h.clone(), rho, generator=generator, innovation=torch.empty_like(h))


def gauss_markov_(h: Tensor, rho: float | Tensor, *, generator: Generator, innovation: Tensor) -> Tensor:
    """:func:`gauss_markov` in place; ``innovation`` is a preallocated tensor like ``h`` and is overwritten."""
    complex_normal_(innovation, generator=generator)
    if isinstance(rho, Tensor):
        if not bool((rho.abs() <= 1.0).all()):
            raise ValueError(f"rho: got {rho.min().item():g} to {rho.max().item():g}, expected numbers in [-1, 1]")
        return h.mul_(rho).add_(innovation.mul_((1.0 - rho.square()).sqrt()))
    if not abs(rho) <= 1.0:
        raise ValueError(f"rho: got {rho}, expected a number in [-1, 1]")
    return h.mul_(rho).add_(innovation, alpha=math.sqrt(1.0 - rho * rho))
