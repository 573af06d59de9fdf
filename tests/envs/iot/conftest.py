"""A small IoT scenario, random actions, and runs of one network among others."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.graph import Scenario, preset
from hetgraph.radio import Schedule, clusters
from hetgraph.radio.spectrum import spectrum_of

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


def _small_scenario(**changes: Any) -> Scenario:
    """A few users with short deadlines and windows, so that bits are late and windows end."""
    base = preset(SMALL)
    services = dataclasses.replace(base.services, video_deadline_s=0.02, burst_deadline_s=0.05, window_s=0.07)
    return dataclasses.replace(base, traffic=dataclasses.replace(services, **changes))


def _random_action(env: IoTEnv, generator: torch.Generator, *, wild: bool = False) -> Schedule:
    """A random action; a wild one has users of other stations, users twice, and far more power than the budget."""
    b, n, u, s, layers = env.num_envs, env.num_stations, env.num_users, env.num_subchannels, env.layers
    station = torch.randint(-1, n, (b, u), generator=generator)
    if wild:
        user = torch.randint(-1, u, (b, n, s, layers), generator=generator)
        power = (2 * torch.rand(user.shape, generator=generator) - 0.5).clamp(0, 1)
    else:
        user = clusters(torch.rand(b, u, s, generator=generator), station, n, layers)
        power = torch.rand(user.shape, generator=generator) / (s * layers)
    return Schedule(station, user, power.to(env.dtype))


def _run_network(env: IoTEnv, slots: int, network: int, seed: int = 0) -> list[Tensor]:
    """Rewards and gains of one network under random actions that depend on its number and the slot alone."""
    values = []
    for slot in range(slots):
        actions = []
        for i in env.networks:
            one = torch.Generator().manual_seed(1000 * i + slot + seed)
            station = torch.randint(0, env.num_stations, (1, env.num_users), generator=one)
            bid = torch.rand(1, env.num_users, env.num_subchannels, generator=one)
            actions.append((station, bid))
        station, bid = (torch.cat(part) for part in zip(*actions, strict=True))
        user = clusters(bid, station, env.num_stations, env.layers)
        step = env.step(Schedule(station, user, torch.full(user.shape, 1 / (env.num_subchannels * env.layers))))
        row = network - env.first
        obs = spectrum_of(step.obs)
        values += [step.reward[row], obs.gain[row], obs.queue_bits[row], obs.interference_w[row], obs.rsrp_dbm[row]]
        values += [step.obs["ue"].pos.reshape(env.num_envs, env.num_users, -1)[row]]
        values += [step.obs["bs", "channel", "ue"].interference_w.reshape(env.num_envs, -1)[row]]
        values = [value.clone() for value in values]
    return values


@pytest.fixture
def small_scenario() -> Callable[..., Scenario]:
    """Makes a small scenario, with other fields of its traffic."""
    return _small_scenario


@pytest.fixture
def random_action() -> Callable[..., Schedule]:
    """Draws an action of an environment."""
    return _random_action


@pytest.fixture
def run_network() -> Callable[..., list[Tensor]]:
    """Runs an environment and returns what one of its networks went through."""
    return _run_network
