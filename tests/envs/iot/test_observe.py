"""Observations of IoT networks are contract graphs of the slot before."""

import itertools
from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.graph import NEIGHBOURS, Scenario, check
from hetgraph.radio import Schedule
from hetgraph.radio.spectrum import spectrum_of
from hetgraph.units import linear_to_db


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


def test_filtered_interference_is_layer_3_filtering_of_what_users_measured(
    small_scenario: Callable[..., Scenario],
) -> None:
    env, generator = IoTEnv(small_scenario(), 2, seed=3), torch.Generator().manual_seed(0)
    b, u, s = env.num_envs, env.num_users, env.num_subchannels
    noise_w = env.observe("local")["ue"].noise_w
    decibel = [[linear_to_db(noise_w.double()).clone()] for _ in range(2)]
    for _ in range(5):
        ue = env.step(env.action.sample(generator)).obs["ue"]
        for k, past in zip((7, 15), decibel, strict=True):
            part = 0.5 ** (k / 4)
            past.append((1 - part) * past[-1] + part * linear_to_db(ue.interference_w.double()))
    for place, past in enumerate(decibel):
        torch.testing.assert_close(
            linear_to_db(ue.interference_mean_w[:, :, place].double()), past[-1], rtol=0, atol=1e-4
        )
    assert (
        ue.interference_mean_w.shape == (b * u, s, 2)
        and float((ue.interference_mean_w / ue.interference_w.unsqueeze(2)).std()) > 0
    )
    env.reset()
    torch.testing.assert_close(
        env.observe("local")["ue"].interference_mean_w[:, :, 1], env.observe("local")["ue"].noise_w
    )
