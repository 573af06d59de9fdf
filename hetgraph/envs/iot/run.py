"""Run a policy for an episode of IoT networks."""

from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.iot.env import IoTEnv
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import stream
from hetgraph.radio.schedule import Schedule


class Schedules(Protocol):
    """A policy whose action is a schedule."""

    level: Level

    def initial_state(self, obs: HeteroData) -> Any:
        """Memory before the first decision."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot, and the memory for the next one."""


def run_iot(env: IoTEnv, policy: Schedules, *, seed: int) -> dict[str, Tensor]:
    """Indicators of an episode of each network ``[B]``, see :meth:`IoTEnv.kpis`, with ``load [B, N]``.

    Beside them ``return`` (sum of the team's rewards) and ``throughput_std_bps`` (standard deviation over slots).

    Args:
        env: networks.
        policy: who decides; it sees what it declares.
        seed: of users, channels and arrivals, which are the same for every policy; its own random numbers are in a stream of
            their own.
    """
    env.reset(seed=seed)
    obs = env.observe(policy.level)
    state, generator = policy.initial_state(obs), stream(seed, 0, "policy")
    if env.device.type != "cpu":
        generator = Generator(env.device).manual_seed(generator.initial_seed())
    rewards, served, info = [], [], {}
    for _ in range(env.episode_slots):
        action, state = policy.act(obs, state, generator)
        info = env.step(action).info
        rewards.append(info["team_reward"])
        served.append(info["throughput_bps"])
        obs = env.observe(policy.level)
    spread = torch.stack(served).double().std(0, correction=0)
    found: dict[str, Tensor] = info["episode"]
    return found | {"return": torch.stack(rewards).double().sum(0), "throughput_std_bps": spread}
