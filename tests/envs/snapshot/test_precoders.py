"""Precoders as actions: rates by the convention spatial, wishes above budgets, malformed ones, levels."""

import dataclasses

import pytest
import torch

from hetgraph.envs import SnapshotEnv
from hetgraph.graph import CHANNEL, check
from hetgraph.radio import policy, violations
from hetgraph.radio.allocation import mean_antenna_power_w


def environment() -> SnapshotEnv:
    return SnapshotEnv("mimo-7", 2, convention="spatial", seed=3)


def test_policies_precode_and_nothing_is_refused() -> None:
    env, rewards = environment(), {}
    for name in ("mrt", "rzf", "slnr", "vector_wmmse", "vector_wmmse_pf"):
        obs, _ = env.reset(seed=3)
        check(obs, level="genie")
        action, _ = policy(name).act(obs, None, None)
        step = env.step(action)
        assert step.info["refused"].tolist() == [0, 0] and bool(step.truncated.all())
        rewards[name] = step.reward.mean(), step.info["episode"]["sum_rate_bps"].mean()
    assert max(rewards, key=lambda name: rewards[name][0]) == "vector_wmmse_pf"
    assert max(rewards, key=lambda name: rewards[name][1]) == "vector_wmmse"


def test_precoders_above_budgets_are_scaled_and_lost_users_get_none() -> None:
    env = environment()
    obs, _ = env.reset(seed=3)
    wish, _ = policy("rzf").act(obs, None, None)
    assert wish.precoder is not None
    loud = dataclasses.replace(wish, precoder=3 * wish.precoder, serving=wish.serving.clone())
    loud.serving[0] = 13  # a station of the other network
    step = env.step(loud)
    assert bool((step.info["refused"] > 0).all())
    served = env.details()
    assert served is not None and served.allocation.precoder is not None
    assert violations(served.graph, served.allocation) == []
    assert served.allocation.serving[0] == -1 and float(served.allocation.precoder[0].abs().max()) == 0
    assert served.rate_bps[0] == 0 and bool((served.rate_bps[1:] > 0).all())
    power = mean_antenna_power_w(served.allocation).sum((1, 2))
    assert float((power / served.graph["bs"].power_max_w - 1).abs()[1:].max()) < 1e-4


def test_malformed_precoders_are_refused() -> None:
    env = environment()
    obs, _ = env.reset(seed=3)
    action, _ = policy("mrt").act(obs, None, None)
    assert action.precoder is not None
    for wrong, message in (
        (
            action.precoder.real,
            r"action\.precoder: got torch\.float32 .* expected complex numbers of shape \(56, 8, 1\)",
        ),
        (action.precoder[:, :4], r"action\.precoder: got .*\(56, 4, 1\)"),
        (action.precoder * torch.nan, r"action\.precoder: got values from nan"),
    ):
        with pytest.raises(ValueError, match=message):
            env.step(dataclasses.replace(action, precoder=wrong))
    with pytest.raises(ValueError, match=r"allocation\.precoder: got None"):
        env.step(dataclasses.replace(action, precoder=None, group=None))


@pytest.mark.parametrize("level", ["local", "neighbourhood", "global", "genie"])
def test_levels_know_the_channels_of_known_edges(level: str) -> None:
    env = environment()
    env.reset(seed=3)
    obs = env.observe(level)  # type: ignore[arg-type]
    check(obs, level=level)  # type: ignore[arg-type]
    assert torch.equal(obs[CHANNEL].h, env.graph[CHANNEL].h)
