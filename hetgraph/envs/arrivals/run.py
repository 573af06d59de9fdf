"""Run a policy for an episode of arrivals."""

from typing import Any, Protocol

from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.arrivals.env import ArrivalEnv
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import stream


class Associates(Protocol):
    """A policy whose action is the place of a station among those that the arriving user hears."""

    level: Level

    def initial_state(self, obs: HeteroData) -> Any:
        """Memory before the first decision."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places ``[B]``, and the memory for the next decision."""


def run_episodes(env: ArrivalEnv, policy: Associates, *, seed: int) -> dict[str, Tensor]:
    """An episode of each network: mean ``utility`` per slot, ``arrivals``, ``rejections`` and ``completions`` ``[B]``.

    Args:
        env: networks.
        policy: who decides; it sees what it declares.
        seed: of the arrivals, which are the same for every policy; its own random numbers are in a stream of their own.
    """
    env.reset(seed=seed)
    obs = env.observe(policy.level)
    state, generator, info = policy.initial_state(obs), stream(seed, 0, "policy"), {}
    for _ in range(env.slots):
        action, state = policy.act(obs, state, generator)
        step = env.step(action)
        obs, info = step.obs if policy.level == env.level else env.observe(policy.level), step.info
    found = {name: total.float() for name, total in info["episode"].items()}
    return found | {"utility": found["utility"] / env.slots}
