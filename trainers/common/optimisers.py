"""Optimisers of groups of parameters, and how learning rates fall."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

Optimiser = Literal["adam", "rmsprop"]
Fall = Literal["linear", "cosine"]


@dataclass(frozen=True)
class Group:
    """Parameters that a loss of their own trains.

    Args:
        parameters: parameters, or the optimiser's groups of them with options such as ``lr``.
        lr: learning rate at the start, of groups without one.
    """

    parameters: Iterable[nn.Parameter] | list[dict[str, Any]]
    lr: float


def optimiser_of(group: Group, kind: Optimiser = "adam", eps: float = 1e-8) -> torch.optim.Optimizer:
    """Adam, or RMSprop with a smoothing of 0.99.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in ("adam", "rmsprop"):
        raise ValueError(f"optimiser: got {kind!r}, expected 'adam' or 'rmsprop'")
    cls = torch.optim.Adam if kind == "adam" else torch.optim.RMSprop
    return cls(group.parameters, group.lr, eps=eps)


def rate_at(progress: float, end: float, fall: Fall = "linear") -> float:
    """Part of the first learning rate that is left: 1 at the start, ``end`` at a progress of 1.

    Args:
        progress: part of the training that is over, from 0 to 1.
        end: part that is left at the end.
        fall: ``linear``, or along half a ``cosine``.
    """
    if fall == "cosine":
        return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - (1 - end) * progress


def set_rates(optimiser: Any, part: float) -> None:
    """Set the learning rate of every group to a part of its first one."""
    for group in optimiser.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * part


def parameters_of(optimiser: Any) -> list[nn.Parameter]:
    """All parameters of an optimiser."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
