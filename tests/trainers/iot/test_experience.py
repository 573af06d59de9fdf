"""Experience of IoT agents: what the environment does, and how agents explore."""

from collections.abc import Callable

import pytest
import torch

from hetgraph.models import HybridMADDPG
from hetgraph.trainers import IoTDataModule
from hetgraph.trainers.iot.experience import IoTExperience


def test_experience_is_what_the_environment_does(
    make_data: Callable[..., IoTDataModule], make_experience: Callable[..., IoTExperience]
) -> None:
    policy = HybridMADDPG(hidden=4)
    experience = make_experience(policy, epsilon=0.0, sigma=0.0, num_envs=1)
    experience.collect(8)
    env = make_data(num_envs=1).environment("global")
    obs, _ = env.reset()
    for slot in range(8):
        rows = {name: store[slot : slot + 1] for name, store in experience.buffer.rows.items()}
        action, _ = policy.act(obs, None, None)
        views, taken = experience.present(rows)
        assert torch.equal(taken.station, action.station) and torch.equal(taken.user, action.user)
        torch.testing.assert_close(taken.power, action.power, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(views.spectrum.queue_bits, policy.views(obs).spectrum.queue_bits)
        step = env.step(action)
        torch.testing.assert_close(rows["reward"], step.reward)
        torch.testing.assert_close(rows["continuous_reward"], step.info["continuous_reward"])
        assert bool(rows["ended"]) == (slot == 5)
        obs = step.obs
    assert len(experience.returns.ended) == 1


def test_uniform_choices_forget_the_bids(make_experience: Callable[..., IoTExperience]) -> None:
    policy = HybridMADDPG(hidden=4)
    share = {}
    for random in ("near", "uniform"):
        experience = make_experience(policy, epsilon=1.0, random=random, num_envs=40, capacity=80)
        first = policy.decide(experience.views).station
        share[random] = float((experience.explore().station == first).float().mean())
    assert share["uniform"] == pytest.approx(1 / 3, abs=0.12) and share["near"] > 0.55


def test_nobody_explores_what_is_not_learned(make_experience: Callable[..., IoTExperience]) -> None:
    for kind in ("rule", "greedy"):
        experience = make_experience(HybridMADDPG(4, discrete=kind), epsilon=1.0, random="uniform")  # type: ignore[arg-type]
        plain = experience.policy.decide(experience.views)
        assert torch.equal(experience.explore().station, plain.station)
    experience = make_experience(HybridMADDPG(4), epsilon=1.0, random="uniform")
    assert not torch.equal(experience.explore().station, experience.policy.decide(experience.views).station)
