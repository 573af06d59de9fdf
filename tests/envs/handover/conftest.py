"""Trajectories whose gains drift at random, and random actions."""

from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.graph import Trajectories


def _random_walks(networks: int = 3, steps: int = 60, users: int = 20, cells: int = 6, seed: int = 0) -> Trajectories:
    """Gains that drift at random."""
    g = torch.Generator().manual_seed(seed)
    walk = torch.randn(networks, steps, users, cells, generator=g).cumsum(1) * 1.5
    start = torch.randn(networks, 1, users, cells, generator=g) * 8 - 95
    return Trajectories(
        gain=10 ** ((start + walk) / 10),
        ue_pos=torch.rand(networks, steps, users, 2, generator=g) * 500,
        speed_mps=torch.rand(networks, steps, users, generator=g) * 3,
        bs_pos=torch.rand(networks, cells, 2, generator=g) * 500,
        power_w=torch.tensor([20.0, 20.0, *[4.0] * (cells - 2)]).expand(networks, -1).contiguous(),
        tier=torch.tensor([0, 0, *[1] * (cells - 2)]).expand(networks, -1).contiguous(),
        measured=torch.rand(networks, steps, users, cells, generator=g) < 0.3,
        bandwidth_hz=20e6,
        noise_w=6e-13,
        slot_s=0.5,
    )


def _random_action(env: HandoverEnv, g: torch.Generator) -> HandoverAction:
    shape = (env.num_envs, env.num_users)
    place = torch.randint(env.neighbours + 1, shape, generator=g)
    return HandoverAction(place, torch.randint(env.levels, shape, generator=g))


@pytest.fixture
def random_walks() -> Callable[..., Trajectories]:
    """Makes trajectories of some networks."""
    return _random_walks


@pytest.fixture
def random_action() -> Callable[..., HandoverAction]:
    """Draws places and levels for an environment."""
    return _random_action
