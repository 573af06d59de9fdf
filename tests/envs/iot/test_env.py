"""IoT networks: seeds, batches, copies, resuming, the sharing of rewards, and settings that are refused."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.graph import Scenario, preset
from hetgraph.radio import Schedule

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"
BURSTY = dataclasses.replace(preset(SMALL), traffic=dataclasses.replace(preset(SMALL).services, bursts_per_s=300.0))


def test_a_network_is_the_same_alone_and_among_others(
    small_scenario: Callable[..., Scenario], run_network: Callable[..., list[Tensor]]
) -> None:
    together, alone = (
        IoTEnv(small_scenario(), 5, episode_slots=8),
        IoTEnv(small_scenario(), 1, first=3, episode_slots=8),
    )
    for a, b in zip(run_network(together, 20, 3), run_network(alone, 20, 3), strict=True):
        assert torch.equal(a, b)


def test_same_seed_same_bits_and_policies_meet_the_same_channels_and_arrivals(
    small_scenario: Callable[..., Scenario],
    random_action: Callable[..., Schedule],
    run_network: Callable[..., list[Tensor]],
) -> None:
    first, second, other = (IoTEnv(small_scenario(), 2, episode_slots=8, seed=s) for s in (4, 4, 5))
    bits = [run_network(env, 12, 1) for env in (first, second, other)]
    assert all(torch.equal(a, b) for a, b in zip(bits[0], bits[1], strict=True))
    assert not torch.equal(bits[0][1], bits[2][1])
    first.reset(seed=4)
    second.reset(seed=4)
    for k in range(10):
        first.step(random_action(first, torch.Generator().manual_seed(k)))
        second.step(random_action(second, torch.Generator().manual_seed(99 + k), wild=True))
        assert torch.equal(first.channels.gain, second.channels.gain)
        assert torch.equal(first.drawn.offered.bits, second.drawn.offered.bits)


def test_resuming_goes_on_bit_by_bit(
    small_scenario: Callable[..., Scenario], run_network: Callable[..., list[Tensor]]
) -> None:
    env = IoTEnv(small_scenario(), 2, episode_slots=9, seed=6)
    run_network(env, 13, 0)
    state = env.state_dict()
    expected = run_network(env, 14, 1, seed=50)
    again = IoTEnv(small_scenario(), 2, episode_slots=9, seed=0)
    again.load_state_dict(state)
    for a, b in zip(run_network(again, 14, 1, seed=50), expected, strict=True):
        assert torch.equal(a, b)
    pairs = zip(env.indicators().values(), again.indicators().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_go_on_with_the_same_bits(
    small_scenario: Callable[..., Scenario], run_network: Callable[..., list[Tensor]], make: Any
) -> None:
    env = IoTEnv(small_scenario(), 2, episode_slots=9, seed=6)
    run_network(env, 13, 0)
    again = make(env)
    for a, b in zip(run_network(env, 14, 1, seed=50), run_network(again, 14, 1, seed=50), strict=True):
        assert torch.equal(a, b)


def test_sharing_weights_and_layouts(
    small_scenario: Callable[..., Scenario], random_action: Callable[..., Schedule]
) -> None:
    team, own = (IoTEnv(small_scenario(), 2, sharing=s, seed=2) for s in ("team", "own"))
    for k in range(5):
        a, b = (env.step(random_action(env, torch.Generator().manual_seed(k))) for env in (team, own))
        assert torch.allclose(a.reward.mean(1), b.reward.mean(1), atol=1e-6)
        assert torch.allclose(b.reward.mean(1), b.info["team_reward"], atol=1e-6) and b.reward.std() > 0
    fixed = IoTEnv(small_scenario(), 2, layout_seed=7)
    place, users = fixed.observe("local")["bs"].pos.clone(), fixed.channels.large_db.clone()
    fixed.reset()
    assert torch.equal(place[:3], place[3:]) and torch.equal(place, fixed.observe("local")["bs"].pos)
    assert not torch.equal(users, fixed.channels.large_db)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_envs": 0}, "num_envs: got 0"),
        ({"scenario": "iot-xx"}, "preset: got 'iot-xx'"),
        ({"scenario": "iot-noma:users=0"}, "users.count"),
        ({"episode_slots": 0}, "episode_slots: got 0"),
        ({"sic_residual": 2.0}, "sic_residual: got 2.0"),
        ({"level": "all"}, "level: got 'all'"),
        ({"sharing": "none"}, "sharing: got 'none'"),
        ({"mean_users": 0.0}, "mean_users: got 0.0"),
        ({"scenario": BURSTY}, "services.bursts_per_s"),
    ],
)
def test_bad_settings_are_refused(small_scenario: Callable[..., Scenario], change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        IoTEnv(**({"scenario": SMALL} | change))
