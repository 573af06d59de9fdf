"""Observations of IoT networks are contract graphs of the slot before."""

import itertools
from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.graph import NEIGHBOURS, Scenario, check
from hetgraph.radio import Schedule
from hetgraph.radio.spectrum import spectrum_of


def test_observations_are_graphs_of_the_slot_before(
    small_scenario: Callable[..., Scenario], random_action: Callable[..., Schedule]
) -> None:
    env = IoTEnv(small_scenario(), 2, episode_slots=5, mean_users=3.0)
    obs, _ = env.reset(seed=1)
    assert 0 < int(env.active.sum()) < 12
    for slot in range(7):
        check(obs, "global")
        gain = env.channels.gain.clone()
        step = env.step(random_action(env, torch.Generator().manual_seed(slot)))
        if slot != 4:
            assert torch.equal(spectrum_of(step.obs).gain, gain), "what was transmitted on is what is seen now"
            assert torch.equal(spectrum_of(env.observe("genie")).gain, env.channels.gain)
        else:
            check(step.info["final_obs"])
            assert torch.equal(spectrum_of(step.info["final_obs"]).gain, gain) and bool(step.truncated.all())
            assert float(step.obs.slots_left[0]) == 5 and not bool(step.terminated.any())
        assert not bool((env.station[~env.active] >= 0).any())
        obs = step.obs
    assert env.observe("global")[NEIGHBOURS].edge_index.shape[1] == 2 * 3 * 2
    near = env.observe("global")[NEIGHBOURS].edge_index
    assert torch.equal(near[0] // 3, near[1] // 3), "neighbours are of the same network"


def test_interference_of_a_candidate(
    small_scenario: Callable[..., Scenario], random_action: Callable[..., Schedule]
) -> None:
    env = IoTEnv(small_scenario(), 2, dtype=torch.float64)
    env.step(random_action(env, torch.Generator().manual_seed(0)))
    view = spectrum_of(env.observe("global"))
    found = view.candidate_interference_w()
    for b, u, n, s in itertools.product(range(2), range(6), range(3), range(3)):
        others = [m for m in range(3) if m != n]
        expected = float(env.drawn.budget.noise_w[b, u, s]) + sum(
            float(view.gain[b, u, m, s] * view.power_w[b, m, s]) for m in others
        )
        assert float(found[b, u, n, s]) == pytest.approx(expected, rel=1e-6)
