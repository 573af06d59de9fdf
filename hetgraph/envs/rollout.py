"""Run policies in an environment, all on the same episodes, and keep every network's indicators."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor

from hetgraph.envs.base import GraphEnv
from hetgraph.graph.streams import stream
from hetgraph.radio.policy import Policy

A = TypeVar("A")


@dataclass(frozen=True)
class Trial:
    """Indicators of policies on the same networks.

    Args:
        values: ``{policy: {indicator: [seeds, networks]}}``; rules have one training seed.
        seconds: time that each policy's decisions took, of all its seeds.
        meta: what else belongs to the trial: scenario, level, episodes, seed.
    """

    values: dict[str, dict[str, Tensor]]
    seconds: dict[str, float]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def kpis(self) -> tuple[str, ...]:
        """Indicators that all policies have."""
        names = [list(result) for result in self.values.values()]
        return tuple(name for name in names[0] if all(name in other for other in names)) if names else ()


def rollout(
    env: GraphEnv[A],
    policies: Mapping[str, Policy[A] | Sequence[Policy[A]]],
    episodes: int = 1,
    seed: int = 0,
) -> Trial:
    """Episodes of each policy; every policy meets the same networks, traffic and channels.

    A policy sees what it declares by its ``level``, its memory begins anew with each episode, and its own random numbers are in a
    stream of their own. An indicator is the mean over a network's episodes: the network is the unit.

    Args:
        env: networks.
        policies: by the name of their row; a list is one policy trained with several seeds.
        episodes: of each network.
        seed: of all that is random in the environment.

    Raises:
        ValueError: no policy, or fewer than one episode.
    """
    if not policies or episodes < 1:
        got = f"{len(policies)} policies and {episodes} episodes"
        raise ValueError(f"rollout: got {got}, expected at least one of each")
    env.record_episodes()
    values, seconds = {}, {}
    for name, policy in policies.items():
        trained = list(policy) if isinstance(policy, Sequence) else [policy]
        runs, start = [], time.perf_counter()
        for each in trained:
            runs.append(_episodes(env, each, episodes, seed))
        seconds[name] = time.perf_counter() - start
        values[name] = {kpi: torch.stack([run[kpi] for run in runs]) for kpi in runs[0]}
    return Trial(values, seconds, {"episodes": episodes, "seed": seed, "networks": env.num_envs})


def _episodes(env: GraphEnv[A], policy: Policy[A], episodes: int, seed: int) -> dict[str, Tensor]:
    """Mean over the episodes of a policy's indicators ``{name: [B]}``."""
    env.reset(seed=seed)
    generator = stream(seed, 0, "policy")
    if env.device.type != "cpu":
        generator = Generator(env.device).manual_seed(generator.initial_seed())
    result = []
    for _ in range(episodes):  # the next one begins in the step that ends the one before
        obs = env.observe(policy.level)
        state = policy.initial_state(obs)
        kpis: dict[str, Tensor] = {}
        for _ in range(env.episode_slots):
            action, state = policy.act(obs, state, generator)
            step = env.step(action)
            kpis = step.info.get("episode", kpis)
            obs = env.observe(policy.level)
        result.append(kpis)
    return {name: torch.stack([each[name].double() for each in result]).mean(0) for name in result[0]}
