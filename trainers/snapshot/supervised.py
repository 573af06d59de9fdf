"""Training of networks that allocate: by a teacher's labels, without labels, or both."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.datasets.splits import spatial_mask
from hetgraph.graph import CHANNEL, links_of
from hetgraph.models import AllocatingModel, HetGNN, Prediction
from hetgraph.models.allocating import best_round
from hetgraph.models.checkpoint import fill
from hetgraph.nn.refine import Round
from hetgraph.radio import Allocation, evaluate, pf_gain, policy
from hetgraph.radio.relaxed import Objective
from hetgraph.solvers import equal_power, max_rsrp_association
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.snapshot import losses
from hetgraph.trainers.snapshot.base import SnapshotModule
from hetgraph.trainers.snapshot.losses import LossWeights


class SupervisedModule(SnapshotModule):
    """HetGNN, or a network of one's own, with the losses of the paper and the label-free objectives (eq. 14 and PF utility).

    Every round of the network is judged, later ones more. Validation rounds the answer, as in use, and compares it with the
    strongest station at equal power on the same layouts.

    Args:
        model: network to train; :class:`~hetgraph.models.HetGNN` with the options below when ``None``.
        objective: utility of the label-free term and of the choice among rounds.
        weight_association: weights of the losses, see :class:`~hetgraph.trainers.snapshot.losses.LossWeights`.
        weight_power: power fractions.
        weight_antenna: antenna probabilities.
        weight_rate: rate distillation.
        weight_fairness: fairness.
        weight_min_rate: minimum rate.
        weight_utility: label-free utility.
        rate_min_bps: minimum rate of eq. 14.
        split: ``layout`` trains on all users of the training layouts, ``space`` leaves out those of held-out cells.
        lr: learning rate of Adam at the start of its cosine.
        clip: largest norm of the gradient.
        init_from: checkpoint whose weights to start from (weights only).
        hetgnn: options of :class:`~hetgraph.models.HetGNN` where no model is given.
    """

    def __init__(
        self,
        model: AllocatingModel | None = None,
        objective: Objective = "pf",
        weight_association: float = 0.0,
        weight_power: float = 0.0,
        weight_antenna: float = 0.0,
        weight_rate: float = 0.0,
        weight_fairness: float = 0.0,
        weight_min_rate: float = 0.0,
        weight_utility: float = 1.0,
        rate_min_bps: float = 100e3,
        split: Literal["layout", "space"] = "layout",
        lr: float = 3e-3,
        clip: float = 1.0,
        init_from: str | None = None,
        **hetgnn: Any,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="model")
        check_limits(self.hparams)
        self.model = HetGNN(objective=objective, **hetgnn) if model is None else model
        self.objective = self.model.objective = objective
        self.weights = LossWeights(
            weight_association,
            weight_power,
            weight_antenna,
            weight_rate,
            weight_fairness,
            weight_min_rate,
            weight_utility,
        )
        losses_on = [name for name, weight in vars(self.weights).items() if weight > 0]
        has_antenna_head = isinstance(self.model, HetGNN) and self.model.antenna_head is not None
        if not losses_on or (losses_on == ["antenna"] and not has_antenna_head):
            raise ValueError(
                f"weight_*: got {losses_on or 'zero for all'}, expected a loss that {type(self.model).__name__} has"
            )
        self.rate_min_bps, self.split, self.lr, self.clip = rate_min_bps, split, lr, clip
        self.reference = {}
        if init_from is not None:
            fill(self.model, init_from)

    def training_step(self, batch: HeteroData, batch_idx: int) -> Tensor:
        """Loss of a batch."""
        prediction = self.model.predict(batch)
        terms = self._terms(prediction, batch)
        loss = torch.stack([getattr(self.weights, name) * value for name, value in terms.items()]).sum()
        for name, value in terms.items():
            self.log(f"train/{name}", value.detach(), batch_size=batch.num_graphs, on_step=False, on_epoch=True)
        self.log("train/loss", loss.detach(), batch_size=batch.num_graphs, prog_bar=True, on_step=False, on_epoch=True)
        return loss

    def _terms(self, prediction: Prediction, batch: HeteroData) -> dict[str, Tensor]:
        count = len(prediction.rounds)
        total: dict[str, Tensor] = {}
        mask = torch.ones_like(prediction.links.ue_network, dtype=torch.bool)
        if self.split == "space":
            mask = spatial_mask(batch)
        for number, relaxed in enumerate(prediction.rounds):
            weight = 2 * (number + 1) / (count * (count + 1))
            for name, value in self._round_terms(relaxed, prediction, batch, mask).items():
                total[name] = total.get(name, 0) + weight * value
        if self.weights.antenna > 0 and prediction.antenna_logits is not None:
            total["antenna"] = losses.antenna_loss(prediction.antenna_logits, batch)
        return total

    def _round_terms(
        self, relaxed: Round, prediction: Prediction, batch: HeteroData, mask: Tensor
    ) -> dict[str, Tensor]:
        links, weights, out = prediction.links, self.weights, {}
        if weights.utility > 0:
            out["utility"] = losses.utility_loss(relaxed, links, self.objective)
        if weights.association > 0:
            slot = links.slot_of(links_of(batch).station_of(batch["ue"].teacher_slot))
            out["association"] = losses.association_loss(relaxed, links, slot, mask)
        if weights.power > 0:
            out["power"] = losses.power_loss(relaxed, batch["bs"].teacher_fraction)
        if max(weights.rate, weights.fairness, weights.min_rate) > 0:
            rate = losses.soft_rates(relaxed, links, batch)
            if weights.rate > 0:
                out["rate"] = losses.rate_loss(rate, batch["ue"].teacher_rate_bps, mask)
            if weights.fairness > 0:
                out["fairness"] = losses.fairness_loss(rate, links)
            if weights.min_rate > 0:
                out["min_rate"] = losses.min_rate_loss(rate, self.rate_min_bps)
        return out

    def judge(self, split: str, batch: HeteroData, number: int) -> None:
        """Log indicators of the answer on a batch, against the strongest station at equal power, or with maximum ratio precoders."""
        key = f"{split}/{number}"
        precodes = "h" in batch[CHANNEL]  # then answers are precoders, and the reference has them, too
        if key not in self.reference:
            strongest = Allocation(max_rsrp_association(batch), equal_power(batch))
            self.reference[key] = (
                evaluate(batch, policy("mrt")(batch), "spatial") if precodes else evaluate(batch, strongest)
            )
        base = self.reference[key]
        with torch.no_grad():
            prediction = self.model.predict(batch)
        if precodes:
            kpis = evaluate(batch, self.model.allocate(batch), "spatial")
        else:
            kpis = evaluate(batch, best_round(batch, prediction, self.objective))
        values = {
            "pf_gain": pf_gain(kpis.rate_bps, base.rate_bps, prediction.links).mean(),
            "sum_rate_vs_reference": kpis.sum_rate_bps.mean() / base.sum_rate_bps.mean(),
            "p5_rate_vs_reference": kpis.p5_rate_bps.mean() / base.p5_rate_bps.mean().clamp_min(1e-9),
            "jain_vs_reference": kpis.jain.mean() / base.jain.mean().clamp_min(1e-9),
        }
        # What is kept is chosen by the utility, in which a user without a rate counts: the gain leaves such users out.
        utility = (kpis.pf_utility - base.pf_utility).mean()
        values["score"] = utility if self.objective == "pf" else values["sum_rate_vs_reference"]
        values["score:max_rsrp"] = torch.tensor(0.0 if self.objective == "pf" else 1.0)
        for name, value in values.items():
            self.log(
                f"{split}/{name}",
                value,
                batch_size=batch.num_graphs,
                prog_bar=name == "score",
            )
