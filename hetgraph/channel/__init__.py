"""Propagation: path loss, line of sight, shadowing, fading, antenna patterns and noise; tensors in, tensors out."""

from hetgraph.channel.empirical import COST231, LTE, FreeSpace, LogDistance
from hetgraph.channel.indoor import InH
from hetgraph.channel.link import SPEED_OF_LIGHT, Link, PropagationModel
from hetgraph.channel.noise import thermal_noise_w
from hetgraph.channel.pathloss import MODELS, los_probability, pathloss_db, propagation_model, shadow_sigma_db
from hetgraph.channel.rural import RMa
from hetgraph.channel.urban import UMa, UMi

__all__ = [
    "COST231",
    "LTE",
    "MODELS",
    "SPEED_OF_LIGHT",
    "FreeSpace",
    "InH",
    "Link",
    "LogDistance",
    "PropagationModel",
    "RMa",
    "UMa",
    "UMi",
    "los_probability",
    "pathloss_db",
    "propagation_model",
    "shadow_sigma_db",
    "thermal_noise_w",
]
