"""Run a policy for episodes of handovers."""

from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.env import HandoverEnv
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import stream
from hetgraph.radio.handover import HandoverAction


class Moves(Protocol):
    """A policy that hands users over."""

    level: Level

    def initial_state(self, obs: HeteroData) -> Any:
        """Memory before the first decision."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Places and levels, and the memory for the next decision."""


def run_handovers(env: HandoverEnv, policy: Moves, *, seed: int, episodes: int = 1) -> dict[str, Tensor]:
    """Indicators of each network's episodes ``[episodes * B]``, episode after episode; and ``reward``, the mean over cells and steps.

    Args:
        env: networks.
        policy: who decides; it sees what it declares, and its memory begins anew with each episode.
        seed: of the trajectories, which are the same for every policy; its own random numbers are in a stream of their own.
        episodes: of each environment.
    """
    env.reset(seed=seed)
    generator, found = stream(seed, 0, "policy"), []
    for _ in range(episodes):
        obs, info = env.observe(policy.level), {}
        state, reward = policy.initial_state(obs), torch.zeros(env.num_envs, device=env.device)
        for _ in range(env.steps):
            action, state = policy.act(obs, state, generator)
            step = env.step(action)
            info, reward = step.info, reward + step.reward.mean(1)
            obs = env.observe(policy.level)
        found.append(info["episode"] | {"reward": reward / env.steps})
    return {name: torch.cat([each[name] for each in found]) for name in found[0]}
