"""Cells and levels of users who move: what a handover environment remembers of them from step to step."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs.handover.graph import Terms
from hetgraph.envs.handover.observe import StepState
from hetgraph.envs.handover.reward import Served
from hetgraph.envs.handover.tables import ReportedLinks, TrajectoryTables
from hetgraph.radio.handover import HandoverAction, handovers, resource_rates

LONG_AGO = 1000  # steps since the last handover of a user that had none


@dataclass(frozen=True)
class Timing:
    """When users may change their cells, besides margin and loads.

    Args:
        time_to_trigger: steps before the present one in which a cell has to have been stronger by the margin.
        ping_pong_steps: a user that goes back to the cell it left at most so many steps ago is a ping-pong.
        forbid_ping_pong: such handovers are not allowed.
    """

    time_to_trigger: int
    ping_pong_steps: int
    forbid_ping_pong: bool


class UserState:
    """Users of ``B`` networks at the beginning of a step, ``[B, U]`` where nothing else is said.

    ``cell`` serves a user at ``level`` with ``rate``, over the bandwidth; ``previous`` is the cell that it left ``since`` steps ago,
    -1 for none; for ``trigger_steps [B, U, K]`` steps each cell has been stronger by the margin, ``None`` where they do not count.

    Args:
        cell: cells at the start.
        cells: their number K.
        terms: constants of the environment.
        timing: when users may change.
    """

    def __init__(self, cell: Tensor, cells: int, terms: Terms, timing: Timing) -> None:
        self._cells, self._terms, self._timing = cells, terms, timing
        self.cell, self.level = cell, torch.full_like(cell, terms.levels - 1)
        self.previous, self.since = torch.full_like(cell, -1), torch.full_like(cell, LONG_AGO)
        self.rate = torch.zeros(cell.shape, device=cell.device)
        self.trigger_steps: Tensor | None = None
        if timing.time_to_trigger:
            self.trigger_steps = torch.zeros(*cell.shape, cells, dtype=torch.int16, device=cell.device)

    def share_cells(self, efficiency: Tensor) -> None:
        """Set the rates of users whose links have an efficiency ``[B, U]``, bit/s/Hz."""
        levels, model = self._terms.levels, self._terms.model
        self.rate = resource_rates(self.cell, self.level, efficiency, self._cells, levels=levels, model=model)

    def count_trigger(self, tables: TrajectoryTables, row: Tensor) -> None:
        """Count the steps in which cells have been stronger by the margin.

        Args:
            tables: what users receive.
            row: row of each network in it ``[B]``.
        """
        if self.trigger_steps is not None:
            biased = tables.everywhere(row)
            over = biased - biased.gather(2, self.cell.unsqueeze(2)) >= self._terms.rule.margin_db
            self.trigger_steps = (self.trigger_steps + 1) * over

    def stronger(self, links: ReportedLinks, gain_db: Tensor) -> Tensor:
        """Which cells users may ask for ``[B, U, k + 1]``, whatever their loads; staying apart.

        Args:
            links: what users reported.
            gain_db: how much stronger than their own the cells are, with bias where it counts ``[B, U, k + 1]``.
        """
        stronger = gain_db >= self._terms.rule.margin_db
        if self.trigger_steps is not None:
            stronger &= self.trigger_steps.gather(2, links.cell) > self._timing.time_to_trigger
        if self._timing.forbid_ping_pong:
            recent = (self.since <= self._timing.ping_pong_steps).unsqueeze(2)
            stronger &= ~(recent & (links.cell == self.previous.unsqueeze(2)))
        return stronger

    def serve(self, action: HandoverAction, state: StepState, tables: TrajectoryTables) -> Served:
        """Hand users over as far as they may, and serve all of them a step later than they reported.

        Args:
            action: places and levels; places that are not allowed count as staying.
            state: at which users reported.
            tables: what they receive.
        """
        wish, level = action.moves()
        before, place = self.cell, wish.unsqueeze(2)
        place = place * state.allowed.gather(2, place)
        target = state.links.cell.gather(2, place).squeeze(2)
        gain_db = state.gain_db.gather(2, place).squeeze(2)
        self.cell = handovers(before, target, gain_db, self._cells, self._terms.rule)
        went = self.cell != before
        place = place * went.unsqueeze(2)
        returned = went & (self.cell == self.previous) & (self.since <= self._timing.ping_pong_steps)
        self.previous = torch.where(went, before, self.previous)
        self.since = torch.where(went, 1, (self.since + 1).clamp_max(LONG_AGO))
        self.level = level
        if self.trigger_steps is not None:
            self.trigger_steps = self.trigger_steps * ~went.unsqueeze(2)
        node = state.node.gather(2, place).squeeze(2)
        present = tables.present(state.links, state.row)
        alone = present.efficiency.gather(2, place).squeeze(2)
        self.share_cells(alone)
        received = present.received_db.gather(2, place).squeeze(2)
        utility = self._terms.log_rate(self.rate)
        return Served(state.node[..., 0], node, went, self.level, alone, self.rate, received, utility, returned)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on."""
        return {name: value.clone() for name, value in vars(self).items() if isinstance(value, Tensor)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        for name, value in state.items():
            setattr(self, name, value.to(getattr(self, name).device, copy=True))
