"""Double DQN for agents that decide at arrivals (van Hasselt et al. 2016; Randall et al., Section III-B)."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.grows import GROWS
from hetgraph.models.grows_flat import FlatQ
from hetgraph.trainers.arrivals.experience import arrival_of
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.off_policy import OffPolicyModule
from hetgraph.trainers.common.optimisers import Optimiser
from hetgraph.trainers.common.replay import Sample


def double_dqn_target(
    reward: Tensor, discount: Tensor, online: Tensor, target: Tensor, *, double: bool = True
) -> Tensor:
    r"""Target :math:`r + \gamma^n Q'(s', \arg\max_a Q(s', a))`: the online network picks, the target network judges.

    Args:
        reward: discounted sum until the next decision ``[B]``.
        discount: of the next decision's value, 0 where there is none ``[B]``.
        online: Q-values of the next decision by the online network ``[B, A]``; minus infinity for what cannot be chosen.
        target: the same by the target network ``[B, A]``.
        double: let the online network pick; else the target network picks, too (DQN).
    """
    pick = (online if double else target).argmax(1, keepdim=True)
    value = target.gather(1, pick).squeeze(1)
    return reward + torch.where(discount > 0, discount * value, 0.0)


class DoubleDQN(OffPolicyModule):
    """Double DQN on graph filters, with dueling heads, prioritised replay and n steps as options.

    Args:
        double: the online network picks the next choice, the target network judges it.
        target_every: updates between copies of the online network to the target network.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of the gradient.
        optimiser: ``adam`` or ``rmsprop``.
        flat: number of stations of a network without a graph instead (:class:`~hetgraph.models.FlatQ`); 0 for GROWS.
        model: options of :class:`~hetgraph.models.GROWS`.
    """

    model: GROWS

    def __init__(
        self,
        double: bool = True,
        target_every: int = 10,
        lr: float = 1e-4,
        lr_end: float = 1.0,
        max_norm: float = 10.0,
        optimiser: Optimiser = "adam",
        flat: int = 0,
        **model: Any,
    ) -> None:
        super().__init__(copy_every=target_every, lr=lr, lr_end=lr_end, max_norm=max_norm, optimiser=optimiser)
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = FlatQ(flat, **without_graph(model)) if flat else GROWS(**model)
        self.pick_online = double
        self.set_targets("model")

    def losses(self, batch: Sample) -> Iterator[tuple[str, Tensor]]:
        """The TD errors' Huber loss; they are the rows' new priorities."""
        rows = batch.rows
        value = self.model(arrival_of(rows)).gather(1, rows["action"].unsqueeze(1)).squeeze(1)
        goal = rows["gain"] if self.data.local else self._goal(rows)
        self.data.buffer.update(batch.index, (value - goal).detach().abs())
        self.note(value=value)
        yield "loss", (batch.weight * nn.functional.huber_loss(value, goal, reduction="none")).mean()

    @torch.no_grad()
    def _goal(self, rows: dict[str, Tensor]) -> Tensor:
        later = arrival_of(rows, "next_")
        target = self.target_model(later)
        return double_dqn_target(rows["gain"], rows["discount"], self.model(later), target, double=self.pick_online)


def without_graph(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a network without a graph.

    Raises:
        ValueError: an option of the graph's that is on, or an unknown one.
    """
    for name in ("users", "dueling", "reject"):
        if options.get(name):
            raise ValueError(f"{name}: got {options[name]} with flat, expected False")
    unknown = sorted(set(options) - set(inspect.signature(GROWS).parameters))
    if unknown:
        raise ValueError(f"{unknown[0]}: got an option that GROWS lacks, expected one of it")
    return {name: value for name, value in options.items() if name in ("widths", "features")}
