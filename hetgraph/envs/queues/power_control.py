"""WMMSE and fractional programming with queues as weights, as schedulers for cells with different knowledge of the channel."""

from typing import Literal, get_args

from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.conflict_rules import CellScheduler, Topology
from hetgraph.graph.schema import Level
from hetgraph.radio.allocation import Allocation
from hetgraph.solvers.queued import ROUNDS, SHARE, fp_update, queue_weighted, wmmse_update

Method = Literal["wmmse", "fp"]
Knowledge = Literal["genie", "global", "neighbourhood"]


class PowerControl(CellScheduler):
    """Queue-weighted power control; see :func:`~hetgraph.solvers.queued.queue_weighted`.

    Args:
        method: ``wmmse`` or ``fp``.
        knowledge: ``genie`` for all gains of the slot itself, ``global`` for all gains one slot old. With ``neighbourhood`` a
            station uses gains, queues and reports, one slot old, of its own and its neighbours' users only.
        share: of the bits that a subband is expected to clear, what is subtracted from the queue before the next one is given.
        iterations: rounds for each subband.

    Raises:
        ValueError: an unknown method or knowledge, or a share out of its range.
    """

    def __init__(
        self, method: Method, knowledge: Knowledge = "genie", share: float = SHARE, iterations: int = ROUNDS
    ) -> None:
        for field, got, known in (("method", method, Method), ("knowledge", knowledge, Knowledge)):
            if got not in get_args(known):
                raise ValueError(f"{field}: got {got!r}, expected one of {', '.join(get_args(known))}")
        if not 0 <= share <= 1:
            raise ValueError(f"share: got {share}, expected a number from 0 to 1")
        self.level: Level = knowledge
        self.share, self.iterations = share, iterations
        self.name = f"{method}_{knowledge}"
        self.update = wmmse_update if method == "wmmse" else fp_update

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """Schedule of a slot and its powers."""
        allocation = queue_weighted(
            obs,
            self.update,
            self.iterations,
            share=self.share,
            reach="neighbourhood" if self.level == "neighbourhood" else "network",
            cells=state.cells,
        )
        return allocation, state
