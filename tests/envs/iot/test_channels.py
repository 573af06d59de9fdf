"""Fading of IoT networks: means, correlation, and random numbers of a block of slots."""

import copy
import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot import channels
from hetgraph.graph import Channel, Scenario, preset


def test_fading_has_mean_one_and_jakes_correlation() -> None:
    scenario = preset("iot-noma:users=40,small_cells=3,subchannels=50")
    env = IoTEnv(scenario, 4)
    fading = env.channels.h.square().sum(1)
    assert float(fading.mean()) == pytest.approx(1, abs=0.01)
    before = env.channels.h.clone()
    env.channels.advance()
    product = (env.channels.h * before).sum(1).mean((2, 3))  # [B, U]
    assert torch.allclose(product, env.channels.rho.reshape(4, 40), atol=0.3)
    assert float((product - env.channels.rho.reshape(4, 40)).mean().abs()) < 0.02


def test_rician_fading_has_mean_one_and_its_deviation() -> None:
    """The variance of a Rician power gain of mean one is (2 K + 1) / (K + 1)^2."""
    channel = Channel(fading="rician", rician_k_db=3.0, shadowing="none", los="always")
    scenario = dataclasses.replace(preset("iot-noma:users=40,small_cells=3,subchannels=50"), channel=channel)
    env = IoTEnv(scenario, 4)
    wide = 10 ** (env.channels.wide_db / 10)
    fading, k = env.channels.gain / wide.unsqueeze(3), 10**0.3
    assert float(fading.mean()) == pytest.approx(1, abs=0.02)
    assert float(fading.var()) == pytest.approx((2 * k + 1) / (k + 1) ** 2, rel=0.05)


def test_numbers_of_a_block_of_slots_are_those_of_a_network_alone(
    small_scenario: Callable[..., Scenario], run_network: Callable[..., list[Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks end in different slots than episodes; what is left of one is kept with the state."""
    monkeypatch.setattr(channels, "BLOCK_SLOTS", 5)
    together, alone = (
        IoTEnv(small_scenario(), 3, episode_slots=8),
        IoTEnv(small_scenario(), 1, first=2, episode_slots=8),
    )
    assert together.channels.block == 5
    for a, b in zip(run_network(together, 12, 2), run_network(alone, 12, 2), strict=True):
        assert torch.equal(a, b)
    again = copy.deepcopy(alone)
    state = alone.state_dict()
    again.load_state_dict(state)
    for a, b in zip(run_network(alone, 9, 2, seed=7), run_network(again, 9, 2, seed=7), strict=True):
        assert torch.equal(a, b)
    assert state["channels"]["numbers"]
