"""Shadowing and LOS state that are functions of the user's place (TR 38.901 sec. 7.4.4, 7.6.3.1 and 7.6.3.3).

Parameters are drawn once per network (:func:`~hetgraph.channel.draw_field`) and evaluated wherever users are, so that
both stay put when a user stands still and change little when it moves a metre. Shadowing and LOS state take separate
fields: shadowing an exponentially correlated one, the LOS state a smooth (``gaussian``) one, for a threshold on a field
that is nowhere differentiable would make it flicker.
"""

import math

import torch
from torch import Tensor

from hetgraph.channel.field import Field, evaluate_field
from hetgraph.channel.link import SPEED_OF_LIGHT, Number, PropagationModel
from hetgraph.channel.pathloss import propagation_model


def correlated_shadow(
    model: str | PropagationModel,
    field: Field,
    position_m: Tensor,
    *,
    los: Tensor,
    indoor: Tensor | None = None,
) -> Tensor:
    """Standard normal shadowing ``[B, N, U]``, to be multiplied by :func:`~hetgraph.channel.shadow_sigma_db`.

    LOS, NLOS and links to indoor users have correlation distances of their own (Table 7.5-6): each link reads the field at its
    state's scale.

    Args:
        model: propagation model or its alias.
        field: drawn for shadowing; the usual correlation between masts is 0.5.
        position_m: user positions ``[B, U, 2]`` or ``[B, U, 3]``.
        los: state of each link ``[B, N, U]`` (bool).
        indoor: which users are in a building ``[B, U]`` (bool); ``None`` for none of them.

    Raises:
        ValueError: an unknown alias, or shapes that do not fit together.
    """
    chosen = propagation_model(model)
    expected = (field.weight.shape[0], field.weight.shape[1], position_m.shape[-2])
    if tuple(los.shape) != expected or los.dtype != torch.bool:
        raise ValueError(f"los: got {los.dtype} {tuple(los.shape)}, expected torch.bool {expected}")
    clear_m, obstructed_m = chosen.shadow_distance_m(True), chosen.shadow_distance_m(False)
    alike = clear_m == obstructed_m
    value = evaluate_field(field, position_m, correlation_m=obstructed_m, wanted=None if alike else ~los.all(1))
    if not alike:
        clear = evaluate_field(field, position_m, correlation_m=clear_m, wanted=los.any(1))
        value = torch.where(los, clear, value)
    if indoor is not None and chosen.indoor_shadowing is not None:
        inside = evaluate_field(field, position_m, correlation_m=chosen.indoor_shadowing[1], wanted=indoor)
        value = torch.where(indoor.unsqueeze(1), inside, value)
    return value


def correlated_los(model: str | PropagationModel, field: Field, position_m: Tensor, *, probability: Tensor) -> Tensor:
    """LOS state ``[B, N, U]``: a correlated uniform number, the Gaussian CDF of the field, is at most the probability.

    Args:
        model: propagation model or its alias; gives the correlation distance of the state (Table 7.6.3.1-2).
        field: drawn for the LOS state with ``law="gaussian"``, independently of that for shadowing and between masts.
        position_m: user positions ``[B, U, 2]`` or ``[B, U, 3]``.
        probability: of :func:`~hetgraph.channel.los_probability` ``[B, N, U]``.

    Raises:
        ValueError: an unknown alias, or shapes that do not fit together.
    """
    uniform: Tensor = torch.special.ndtr(_los_field(model, field, position_m, probability))
    return uniform <= probability


def soft_los(
    model: str | PropagationModel, field: Field, position_m: Tensor, *, probability: Tensor, carrier_hz: Number
) -> Tensor:
    """Gradual LOS state ``[B, N, U]`` in 0..1 (TR 38.901 sec. 7.6.3.3): ``1/2 + arctan(sqrt(20 / wavelength) (G + F)) / pi``.

    ``F = sqrt(2) erfinv(2 P - 1)`` is the normal quantile of the probability P and G the field, with its sign turned so that
    one half is passed where :func:`correlated_los` changes.

    Args:
        model: propagation model or its alias.
        field: as for :func:`correlated_los`.
        position_m: user positions ``[B, U, 2]`` or ``[B, U, 3]``.
        probability: of line of sight ``[B, N, U]``.
        carrier_hz: carrier frequency; broadcasts.

    Raises:
        ValueError: an unknown alias, or shapes that do not fit together.
    """
    return soft_state(probability, _los_field(model, field, position_m, probability), carrier_hz=carrier_hz)


def soft_state(probability: Tensor, normal: Tensor, *, carrier_hz: Number) -> Tensor:
    """Gradual LOS state in 0..1 of a standard normal number in place of the field; see :func:`soft_los`."""
    steepness = (20.0 * torch.as_tensor(carrier_hz, dtype=normal.dtype, device=normal.device) / SPEED_OF_LIGHT).sqrt()
    quantile: Tensor = torch.special.ndtri(probability)
    return 0.5 + torch.atan(steepness * (quantile - normal)) / math.pi


def _los_field(model: str | PropagationModel, field: Field, position_m: Tensor, probability: Tensor) -> Tensor:
    value = evaluate_field(field, position_m, correlation_m=propagation_model(model).los_distance_m)
    if value.shape != probability.shape:
        raise ValueError(f"probability: got shape {tuple(probability.shape)}, expected {tuple(value.shape)}")
    return value
