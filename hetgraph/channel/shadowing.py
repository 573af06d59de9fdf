"""Shadowing and LOS state that are functions of the user's place (TR 38.901 sec. 7.4.4, 7.6.3.1 and 7.6.3.3).

Parameters are drawn once per network (:func:`~hetgraph.channel.draw_field`) and evaluated wherever users are, so that
both stay put when a user stands still and change little when it moves a metre. Shadowing and LOS state take separate
fields.
"""

import torch
from torch import Tensor

from hetgraph.channel.field import Field, evaluate_field
from hetgraph.channel.link import PropagationModel
from hetgraph.channel.pathloss import propagation_model


def correlated_shadow(model: str | PropagationModel, field: Field, position_m: Tensor, *, los: Tensor) -> Tensor:
    """Standard normal shadowing ``[B, N, U]``, to be multiplied by :func:`~hetgraph.channel.shadow_sigma_db`.

    LOS and NLOS have correlation distances of their own (Table 7.5-6): each link reads the field at its state's scale.

    Args:
        model: propagation model or its alias.
        field: drawn for shadowing; the usual correlation between sites is 0.5.
        position_m: user positions ``[B, U, 2]`` or ``[B, U, 3]``.
        los: state of each link ``[B, N, U]`` (bool).

    Raises:
        ValueError: an unknown alias, or shapes that do not fit together.
    """
    chosen = propagation_model(model)
    expected = (field.weight.shape[0], field.weight.shape[1], position_m.shape[-2])
    if tuple(los.shape) != expected or los.dtype != torch.bool:
        raise ValueError(f"los: got {los.dtype} {tuple(los.shape)}, expected torch.bool {expected}")
    clear_m, obstructed_m = chosen.shadow_distance_m(True), chosen.shadow_distance_m(False)
    obstructed = evaluate_field(field, position_m, correlation_m=obstructed_m)
    if clear_m == obstructed_m:
        return obstructed
    return torch.where(los, evaluate_field(field, position_m, correlation_m=clear_m), obstructed)


def correlated_los(model: str | PropagationModel, field: Field, position_m: Tensor, *, probability: Tensor) -> Tensor:
    """LOS state ``[B, N, U]``: a correlated uniform number, the Gaussian CDF of the field, is at most the probability.

    Args:
        model: propagation model or its alias; gives the correlation distance of the state (Table 7.6.3.1-2).
        field: drawn for the LOS state, independently of that for shadowing and, as a rule, between sites.
        position_m: user positions ``[B, U, 2]`` or ``[B, U, 3]``.
        probability: of :func:`~hetgraph.channel.los_probability` ``[B, N, U]``.

    Raises:
        ValueError: an unknown alias, or shapes that do not fit together.
    """
    value = evaluate_field(field, position_m, correlation_m=propagation_model(model).los_distance_m)
    if value.shape != probability.shape:
        raise ValueError(f"probability: got shape {tuple(probability.shape)}, expected {tuple(value.shape)}")
    uniform: Tensor = torch.special.ndtr(value)
    return uniform <= probability
