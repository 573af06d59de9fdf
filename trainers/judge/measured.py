"""Share of a network's links whose gain was measured, which every result on drive tests states: the others are imputed."""

from typing import Any

from torch import Tensor

from hetgraph.envs.base import GraphEnv
from hetgraph.graph.schema import CHANNEL

SHARE = "measured_share"


def measured_share(env: GraphEnv[Any]) -> float | None:
    """Share of the channel edges that policies see whose gain was measured, in the environment's present slot.

    Returns:
        ``None`` for networks of which nothing was measured: drawn, given, or ray-traced ones.
    """
    channel = env.observe("genie")[CHANNEL]
    measured: Tensor | None = channel.get("measured")
    return None if measured is None or not bool(measured.any()) else float(measured.float().mean())


def noted(title: str, share: float | None) -> str:
    """Title of a case with the share, where there is one."""
    return title if share is None else f"{title}, {100 * share:.3g}% of the links measured"
