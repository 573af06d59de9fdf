"""Propagation: path loss, line of sight, shadowing, fading, antenna patterns and noise; tensors in, tensors out."""

from hetgraph.channel.antenna import AntennaElement, antenna_gain_db, direction_angles, element_gain_db, local_angles
from hetgraph.channel.array import Panel, array_gain_db, array_response, beam_gain_db, steering_weights
from hetgraph.channel.empirical import COST231, LTE, FreeSpace, LogDistance
from hetgraph.channel.fading import (
    complex_normal_,
    doppler_hz,
    gauss_markov,
    gauss_markov_,
    jakes_correlation,
    power_gain,
    rayleigh,
    rayleigh_gain,
    rician,
)
from hetgraph.channel.field import Field, draw_field, evaluate_field
from hetgraph.channel.indoor import InH
from hetgraph.channel.link import SPEED_OF_LIGHT, Link, PropagationModel, Validity
from hetgraph.channel.noise import thermal_noise_w
from hetgraph.channel.pathloss import MODELS, los_probability, pathloss_db, propagation_model, shadow_sigma_db
from hetgraph.channel.pattern import AntennaPattern
from hetgraph.channel.pattern_file import read_pattern
from hetgraph.channel.penetration import FLOOR_HEIGHT_M, penetration_loss_db
from hetgraph.channel.rural import RMa
from hetgraph.channel.shadowing import correlated_los, correlated_shadow, soft_los, soft_state
from hetgraph.channel.urban import UMa, UMi

__all__ = [
    "COST231",
    "FLOOR_HEIGHT_M",
    "LTE",
    "MODELS",
    "SPEED_OF_LIGHT",
    "AntennaElement",
    "AntennaPattern",
    "Field",
    "FreeSpace",
    "InH",
    "Link",
    "LogDistance",
    "Panel",
    "PropagationModel",
    "RMa",
    "UMa",
    "UMi",
    "Validity",
    "antenna_gain_db",
    "array_gain_db",
    "array_response",
    "beam_gain_db",
    "complex_normal_",
    "correlated_los",
    "correlated_shadow",
    "direction_angles",
    "doppler_hz",
    "draw_field",
    "element_gain_db",
    "evaluate_field",
    "gauss_markov",
    "gauss_markov_",
    "jakes_correlation",
    "local_angles",
    "los_probability",
    "pathloss_db",
    "penetration_loss_db",
    "power_gain",
    "propagation_model",
    "rayleigh",
    "rayleigh_gain",
    "read_pattern",
    "rician",
    "shadow_sigma_db",
    "soft_los",
    "soft_state",
    "steering_weights",
    "thermal_noise_w",
]
