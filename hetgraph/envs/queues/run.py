"""Run a policy in an environment."""

from typing import Any, Protocol

from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.base import QueueEnv
from hetgraph.envs.queues.delays import Delays
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import stream
from hetgraph.radio.allocation import Allocation


class Decides(Protocol):
    """A policy: see :class:`hetgraph.radio.Policy`."""

    level: Level

    def initial_state(self, obs: HeteroData) -> Any:
        """Memory before the first decision."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation for an observation, and the memory for the next one."""


def rollout(env: QueueEnv, policy: Decides, *, slots: int, seed: int) -> Delays:
    """Delays of a policy over some slots of fresh networks; it sees what it declares and nothing else.

    Args:
        env: with ``record=True`` and without a limit on queues.
        policy: who decides.
        slots: number of slots.
        seed: of traffic and fading; the policy's own random numbers depend on it too, in a stream of their own.
    """
    env.reset(seed=seed)
    obs = env.observe(policy.level)
    state, generator = policy.initial_state(obs), stream(seed, 0, "policy")
    for _ in range(slots):
        action, state = policy.act(obs, state, generator)
        env.step(action)
        obs = env.observe(policy.level)
    return env.delays()
