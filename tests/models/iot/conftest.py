"""Networks a few slots on, and agents whose layers all say something."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot.views import IoTViews

Observed = Callable[..., tuple[IoTEnv, IoTViews]]
Stirred = Callable[..., HybridMADDPG]
SMALL = "iot-noma:users=7,small_cells=2,subchannels=4,load=4"


def _observed(scenario: str = SMALL, networks: int = 2, slots: int = 3) -> tuple[IoTEnv, IoTViews]:
    env, policy = IoTEnv(scenario, networks, seed=3), HybridMADDPG(hidden=4)
    obs, _ = env.reset()
    for _ in range(slots):
        obs = env.step(policy.act(obs, None, None)[0]).obs
    views = policy.views(obs)
    tables = {name: value.clone() for name, value in vars(views.spectrum).items() if isinstance(value, Tensor)}
    rest = {name: value.clone() for name, value in vars(views).items() if isinstance(value, Tensor)}
    return env, replace(views, spectrum=replace(views.spectrum, **tables), **rest)


def _stirred(**options: Any) -> HybridMADDPG:
    """Agents whose last layers say something."""
    torch.manual_seed(1)
    policy = HybridMADDPG(hidden=8, **options)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return policy


@pytest.fixture
def observed() -> Observed:
    """Environment and tables of some networks after some slots."""
    return _observed


@pytest.fixture
def stirred() -> Stirred:
    """Maker of agents whose last layers are not zero."""
    return _stirred
