"""Options that all environments of queues share."""

from typing import Literal, TypedDict, get_args

from hetgraph.envs.base import check_level
from hetgraph.graph.schema import Level

Reward = Literal["queue", "delay"]


class QueueOptions(TypedDict, total=False):
    """Keywords of every environment of queues; :class:`~hetgraph.envs.QueueEnv` has the defaults.

    Args:
        episode_slots: length of an episode.
        max_queue: packets in a queue above which a network is terminated; ``None`` for never.
        discount: of the return for ever after a termination.
        level: observation level of ``step`` and ``reset``.
        record: keep what ``info["episode"]`` and ``delays`` need.
        reward: ``queue`` for the packets left at the end of a slot (eq. 9-10); ``delay`` for the time, in slots, that packets
            spent in the queue during the slot, whose sum over an episode is the sum of all delays.
        seed: of arrivals and fading.
    """

    episode_slots: int
    max_queue: float | None
    discount: float
    level: Level
    record: bool
    reward: Reward
    seed: int


def check_queue_options(episode_slots: int, discount: float, level: Level, reward: Reward) -> None:
    """Refuse options out of their range.

    Raises:
        ValueError: which it is.
    """
    if reward not in get_args(Reward):
        raise ValueError(f"reward: got {reward!r}, expected one of {', '.join(get_args(Reward))}")
    if episode_slots < 1:
        raise ValueError(f"episode_slots: got {episode_slots}, expected at least 1")
    if not 0 <= discount < 1:
        raise ValueError(f"discount: got {discount}, expected a number of 0 or more, below 1")
    check_level(level)
