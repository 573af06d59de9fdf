"""Training of networks that precode: without labels, by a teacher's rates, or both."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import links_of
from hetgraph.models import SpatialHetGNN
from hetgraph.models.checkpoint import fill
from hetgraph.models.spatial_hetgnn import PrecodingPrediction
from hetgraph.radio import evaluate, pf_gain, policy
from hetgraph.radio.relaxed import Objective
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.snapshot.base import SnapshotModule
from hetgraph.trainers.snapshot.losses import rate_loss


class SpatialModule(SnapshotModule):
    """HetGNN with precoders, on networks with channels of antennas.

    Every round of the network is judged, later ones more. Validation compares the best round with SLNR at the strongest station.

    Args:
        model: network to train; :class:`~hetgraph.models.SpatialHetGNN` with the options below when ``None``.
        objective: utility of the label-free term and of the choice among rounds.
        weight_utility: weight of the label-free utility: minus the logarithm of the sum rate, or minus the mean logarithm of rates.
        weight_rate: weight of the mean of (log rate of the teacher - log rate)+, where a teacher labels the networks.
        lr: learning rate of Adam at the start of its cosine.
        clip: largest norm of the gradient.
        init_from: checkpoint whose weights to start from (weights only).
        spatial: options of :class:`~hetgraph.models.SpatialHetGNN` where no model is given.

    Raises:
        ValueError: no loss of positive weight.
    """

    def __init__(
        self,
        model: SpatialHetGNN | None = None,
        objective: Objective = "sum_rate",
        weight_utility: float = 1.0,
        weight_rate: float = 0.0,
        lr: float = 3e-3,
        clip: float = 1.0,
        init_from: str | None = None,
        **spatial: Any,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="model")
        check_limits(self.hparams)
        if max(weight_utility, weight_rate) <= 0:
            raise ValueError("weight_*: got zero for all, expected a loss")
        self.model = SpatialHetGNN(objective=objective, **spatial) if model is None else model
        self.objective: Objective = objective
        self.model.objective = objective
        self.weight_utility, self.weight_rate, self.lr, self.clip = weight_utility, weight_rate, lr, clip
        self.reference = {}
        if init_from is not None:
            fill(self.model, init_from)

    def training_step(self, batch: HeteroData, batch_idx: int) -> Tensor:
        """Loss of a batch."""
        prediction = self.model.predict(batch)
        terms = self._terms(prediction, batch)
        loss = self.weight_utility * terms["utility"] + self.weight_rate * terms.get("rate", torch.tensor(0.0))
        for name, value in {**terms, "loss": loss}.items():
            self.log(f"train/{name}", value.detach(), batch_size=batch.num_graphs, on_step=False, on_epoch=True)
        return loss

    def _terms(self, prediction: PrecodingPrediction, batch: HeteroData) -> dict[str, Tensor]:
        rounds = prediction.rounds[1:]  # the first is before the network's own
        count, links = len(rounds), links_of(batch)
        band = batch.rb_bandwidth_hz.sum(1)[links.ue_network]
        served = prediction.serving >= 0
        terms = dict[str, Tensor]()
        for number, one in enumerate(rounds):
            weight = 2 * (number + 1) / (count * (count + 1))
            value = one.utility.clamp_min(1e-6).log() if self.objective == "sum_rate" else one.utility
            terms["utility"] = terms.get("utility", torch.tensor(0.0)) - weight * value.mean()
            if self.weight_rate > 0:
                short = rate_loss(one.rate * band, batch["ue"].teacher_rate_bps, served)
                terms["rate"] = terms.get("rate", torch.tensor(0.0)) + weight * short
        return terms

    def judge(self, split: str, batch: HeteroData, number: int) -> None:
        """Log indicators of the answer on a batch, against SLNR at the strongest station."""
        key = f"{split}/{number}"
        if key not in self.reference:
            self.reference[key] = evaluate(batch, policy("slnr")(batch), "spatial")
        base, kpis = self.reference[key], evaluate(batch, self.model.allocate(batch), "spatial")
        ratio = kpis.sum_rate_bps.mean() / base.sum_rate_bps.mean()
        fair = self.objective == "pf"
        values = {
            "pf_gain": pf_gain(kpis.rate_bps, base.rate_bps, links_of(batch)).mean(),
            "sum_rate_vs_reference": ratio,
            "p5_rate_vs_reference": kpis.p5_rate_bps.mean() / base.p5_rate_bps.mean().clamp_min(1e-9),
            "score": (kpis.pf_utility - base.pf_utility).mean() if fair else ratio,
            "score:slnr": torch.tensor(0.0 if fair else 1.0),
        }
        for name, value in values.items():
            self.log(f"{split}/{name}", value, batch_size=batch.num_graphs, prog_bar=name == "score")
