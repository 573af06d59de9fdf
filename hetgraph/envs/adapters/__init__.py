"""Environments as Gymnasium and PettingZoo know them; both packages are optional and loaded when asked for."""

from collections.abc import Sequence
from typing import Any

from hetgraph.envs.queues.base import QueueEnv


def _missing(package: str) -> ValueError:
    """What to say when an optional package is not installed."""
    return ValueError(f"{package}: got no such package, expected it; pip install 'hetgraph[env]'")


def to_gymnasium(env: QueueEnv, *, levels_db: Sequence[float] | None = None, flat: bool = False) -> Any:
    """Gymnasium face of an environment: an ``Env`` of one network, a ``VectorEnv`` of several.

    Args:
        env: environment.
        levels_db: power levels relative to the largest power.
        flat: observations as one vector, as Stable-Baselines3's MLP policies take them.

    Raises:
        ValueError: gymnasium is not installed; layouts with different cells.
    """
    try:
        from hetgraph.envs.adapters import gymnasium
    except ImportError:
        raise _missing("gymnasium") from None
    if env.num_envs > 1:
        many = gymnasium.GymnasiumVectorEnv(env, levels_db)
        return gymnasium.flat_vector(many) if flat else many
    one = gymnasium.GymnasiumEnv(env, levels_db)
    return gymnasium.flat(one) if flat else one


def to_pettingzoo(env: QueueEnv, *, levels_db: Sequence[float] | None = None) -> Any:
    """PettingZoo parallel face of an environment of one network, an agent for each station.

    Args:
        env: environment.
        levels_db: power levels relative to the largest power.

    Raises:
        ValueError: pettingzoo is not installed; more than one network.
    """
    try:
        from hetgraph.envs.adapters.pettingzoo import PettingZooEnv
    except ImportError:
        raise _missing("pettingzoo") from None
    if env.num_envs != 1:
        raise ValueError(f"env: got {env.num_envs} networks, expected one for PettingZoo")
    return PettingZooEnv(env, levels_db)
