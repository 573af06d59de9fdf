"""Path loss, LOS probability and shadowing sigma of any model, by instance or by alias."""

import numpy as np
import torch
from torch import Tensor

from hetgraph.channel.empirical import COST231, LTE, FreeSpace, LogDistance
from hetgraph.channel.indoor import InH
from hetgraph.channel.link import Number, PropagationModel, as_distance, as_los, like, make_link
from hetgraph.channel.rural import RMa
from hetgraph.channel.urban import UMa, UMi

MODELS: dict[str, PropagationModel] = {
    "uma": UMa(),
    "umi": UMi(),
    "rma": RMa(),
    "inh-mixed": InH(open=False),
    "inh-open": InH(open=True),
    "cost231": COST231(),
    "lte": LTE(),
    "log-distance": LogDistance(),
    "free-space": FreeSpace(),
}
"""Models by alias, with their default parameters."""


def propagation_model(model: str | PropagationModel) -> PropagationModel:
    """The model of an alias; a model is returned as it is.

    Raises:
        ValueError: an unknown alias.
    """
    if not isinstance(model, str):
        return model
    if model not in MODELS:
        raise ValueError(f"model: got {model!r}, expected one of {', '.join(MODELS)}")
    return MODELS[model]


def _broadcast(value: Tensor, *others: Tensor) -> Tensor:
    """``value`` in the common shape, writable."""
    return value.expand(np.broadcast_shapes(value.shape, *(other.shape for other in others))).contiguous()


def pathloss_db(
    model: str | PropagationModel,
    distance_2d_m: Number,
    *,
    carrier_hz: Number,
    bs_height_m: Number,
    ue_height_m: Number,
    los: bool | Tensor,
) -> Tensor:
    """Median path loss in dB, without shadowing.

    All arguments broadcast; the result has the distance's dtype (the default one for a plain number). 3D distances
    under 1 m count as 1 m.

    Args:
        model: propagation model or its alias (``MODELS``).
        distance_2d_m: horizontal distance.
        carrier_hz: carrier frequency.
        bs_height_m: antenna height of the station.
        ue_height_m: antenna height of the user.
        los: line of sight (bool); ignored by models without a LOS state.

    Raises:
        ValueError: an unknown alias, a negative or not finite distance, a carrier <= 0, a height that is not positive
            (UMa and UMi: not above 1 m, the height of their environment), ``los`` that is not bool.

    Example:
        >>> distance = torch.tensor([100.0, 1000.0])
        >>> pathloss_db("lte", distance, carrier_hz=2e9, bs_height_m=25.0, ue_height_m=1.5, los=False)  # 128.1 + 37.6 log10(d / km)
        tensor([ 90.5..., 128.1...])
    """
    chosen = propagation_model(model)
    link = make_link(distance_2d_m, carrier_hz, bs_height_m, ue_height_m, chosen.min_height_m)
    state = as_los(los, link.distance_2d_m.device)
    loss_db = chosen.pathloss_db(link, state)
    return _broadcast(loss_db, link.distance_3d_m, link.carrier_hz, state)


def los_probability(model: str | PropagationModel, distance_2d_m: Number, *, ue_height_m: Number) -> Tensor:
    """Probability of line of sight; one for free space, zero for the other models without a LOS state.

    Args:
        model: propagation model or its alias (``MODELS``).
        distance_2d_m: horizontal distance; broadcasts against the height, its dtype is kept.
        ue_height_m: antenna height of the user (UMa: raises the probability above 13 m).

    Raises:
        ValueError: an unknown alias, a negative or not finite distance, a height <= 0.
    """
    distance = as_distance(distance_2d_m)
    return propagation_model(model).los_probability(distance, like("ue_height_m", ue_height_m, distance, above=0.0))


def shadow_sigma_db(
    model: str | PropagationModel,
    *,
    los: bool | Tensor,
    distance_2d_m: Number | None = None,
    carrier_hz: Number | None = None,
    bs_height_m: Number | None = None,
    ue_height_m: Number | None = None,
    indoor: Tensor | None = None,
) -> Tensor:
    """Standard deviation of log-normal shadowing in dB.

    Only RMa in line of sight needs the geometry, for its sigma switches from 4 to 6 dB at the breakpoint; given, it is
    used for broadcasting and dtype.

    Args:
        model: propagation model or its alias (``MODELS``).
        los: line of sight (bool).
        distance_2d_m, carrier_hz, bs_height_m, ue_height_m: as for :func:`pathloss_db`; all four or none count.
        indoor: links to indoor users, where the model has an outdoor-to-indoor sigma (bool); broadcasts; ``None`` for none.

    Raises:
        ValueError: an unknown alias, a bad geometry, or RMa in line of sight without one.
    """
    chosen = propagation_model(model)
    reference = distance_2d_m if isinstance(distance_2d_m, Tensor) else los
    device = reference.device if isinstance(reference, Tensor) else torch.device("cpu")
    state = as_los(los, device)
    if distance_2d_m is None or carrier_hz is None or bs_height_m is None or ue_height_m is None:
        distance = torch.zeros((), device=device) if distance_2d_m is None else as_distance(distance_2d_m)
        sigma_db = _or_indoor(chosen, chosen.shadow_sigma_db(state, None, distance.dtype), indoor)
        return _broadcast(sigma_db, distance, state)
    link = make_link(distance_2d_m, carrier_hz, bs_height_m, ue_height_m, chosen.min_height_m)
    sigma_db = _or_indoor(chosen, chosen.shadow_sigma_db(state, link, link.distance_2d_m.dtype), indoor)
    return _broadcast(sigma_db, link.distance_3d_m, link.carrier_hz, state)


def _or_indoor(model: PropagationModel, sigma_db: Tensor, indoor: Tensor | None) -> Tensor:
    if indoor is None or model.indoor_shadowing is None:
        return sigma_db
    return torch.where(indoor, model.indoor_shadowing[0], sigma_db)
