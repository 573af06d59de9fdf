"""Environments as Gymnasium and PettingZoo know them; both packages are optional and loaded when asked for."""

from collections.abc import Sequence
from typing import Any

from hetgraph.envs.base import GraphEnv
from hetgraph.extras import require


def to_gymnasium(env: GraphEnv[Any], flat: bool = False, *, levels_db: Sequence[float] | None = None) -> Any:
    """A Gymnasium ``Env`` of one network, a ``VectorEnv`` of several.

    Actions are ``Discrete`` or ``MultiDiscrete``; real parts have the values ``levels_db`` below their largest one.
    ``action_masks()`` and ``info["action_mask"]`` say which values are of use.

    Args:
        env: environment.
        flat: observations as one vector, as MLP policies of Stable-Baselines3 take them.
        levels_db: values of real parts of the action; by default four.

    Raises:
        ValueError: gymnasium is not installed.

    Example:
        >>> env = to_gymnasium(ArrivalEnv("grows-tiny"), flat=True)
        >>> env.action_space, env.reset(seed=0)[0].ndim
        (Discrete(3), 1)
    """
    require("gymnasium", "to_gymnasium")
    from hetgraph.envs.adapters import arrays, gymnasium

    levels = arrays.LEVELS_DB if levels_db is None else levels_db
    kind = gymnasium.GymnasiumVectorEnv if env.num_envs > 1 else gymnasium.GymnasiumEnv
    return kind(env, flat, levels)


def to_pettingzoo(env: GraphEnv[Any], *, places: int | None = None, levels_db: Sequence[float] | None = None) -> Any:
    """A PettingZoo parallel environment of one network, an agent for each station.

    Args:
        env: environment.
        places: users of a station for whom there are places; by default all users of the network.
        levels_db: values of real parts of the action; by default four.

    Raises:
        ValueError: pettingzoo is not installed; more than one network.
    """
    require("pettingzoo", "to_pettingzoo")
    from hetgraph.envs.adapters import arrays
    from hetgraph.envs.adapters.pettingzoo import PettingZooEnv

    if env.num_envs != 1:
        raise ValueError(f"env: got {env.num_envs} networks, expected one for PettingZoo")
    return PettingZooEnv(env, places, arrays.LEVELS_DB if levels_db is None else levels_db)
