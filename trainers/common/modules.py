"""Modules and the weights of a checkpoint."""

from collections.abc import Mapping
from typing import Any, TypeVar

import lightning
from torch import Tensor, nn

from hetgraph.nn import HeteroEncoder

M = TypeVar("M", bound=lightning.LightningModule)


def model_of(module: lightning.LightningModule) -> nn.Module:
    """The model that a module trains."""
    model: Any = module.model
    assert isinstance(model, nn.Module)
    return model


def loaded(module: M, tensors: Mapping[str, Tensor] | None) -> M:
    """A module with the tensors of a checkpoint, those of its model and of its training alike; new weights without any.

    Raises:
        ValueError: tensors of another module.
    """
    if tensors is None:
        return module
    own = module.state_dict()
    for name, value in tensors.items():
        if name in own and own[name].shape != value.shape:
            raise ValueError(f"checkpoint: got {name} {tuple(value.shape)}, expected {tuple(own[name].shape)}")
    missing = sorted(name for name in own if name not in tensors)
    if missing:
        raise ValueError(f"checkpoint: got no {missing[0]}, expected the weights of {type(module).__name__}")
    module.load_state_dict({name: tensors[name] for name in own})
    return module


def freeze_encoders(model: nn.Module) -> None:
    """Keep the encoders of a model as they are; its heads are trained.

    Raises:
        ValueError: a model without one.
    """
    encoders = [module for module in model.modules() if isinstance(module, HeteroEncoder)]
    if not encoders:
        raise ValueError(f"--freeze-encoder: got {type(model).__name__} without an encoder, expected one that has it")
    for encoder in encoders:
        encoder.requires_grad_(False)
