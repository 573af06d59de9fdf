"""Training of unrolled schedulers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from hetgraph.models import load, save
from hetgraph.radio import Schedule
from hetgraph.trainers import IoTDataModule, UnrolledModule
from hetgraph.trainers.iot.unrolled import Backlog, IoTSlots


def module(**options: Any) -> UnrolledModule:
    torch.manual_seed(0)
    return UnrolledModule(**{"hidden": 8, "width": 4, "gumbel": 0.0, "lr_end": 1.0} | options)


@pytest.mark.parametrize("prices", [False, True])
def test_it_learns_resumes_and_is_kept(
    fit: Callable[..., tuple[Any, lightning.Trainer]], same_weights: Callable[..., bool], tmp_path: Path, prices: bool
) -> None:
    make = lambda: module(prices=prices)  # noqa: E731
    whole, run = fit(tmp_path / "whole", 2, make)
    fit(tmp_path / "parts", 1, make)
    again, _ = fit(tmp_path / "parts", 2, make, tmp_path / "parts/last.ckpt")
    assert same_weights(whole, again) and not same_weights(whole.model, make().model)
    assert {"val/throughput_bps", "val/bit_per_j", "val/score"} <= set(run.callback_metrics)
    assert same_weights(load(save(whole.model, tmp_path / "best.ckpt")), whole.model)


def test_the_loss_is_what_it_says(make_data: Callable[..., IoTDataModule]) -> None:
    learner = module(bits=2.0, energy=0.5)
    slots = IoTSlots(make_data().environment("local"), learner.model, 1)
    obs = slots.batch().obs
    watts = obs["bs"].power_max_w.view(2, -1).double()
    bits, head = torch.tensor([[4.0, 0.0], [2.0, 6.0]]).double(), torch.tensor([[1.0, 1.0], [2.0, 3.0]]).double()
    offered, carried = torch.full((2, 2), 2.0).double(), torch.tensor([[1.0, 5.0], [9.0, 2.0]]).double()
    power = torch.rand(2, watts.shape[1], 3, 2).double() / 6
    schedule = Schedule(torch.zeros(2, 2, dtype=torch.long), torch.zeros(power.shape, dtype=torch.long), power)
    # Network 0: of 4 bits 3 are left, needed 3 / 2 and 4 / 2; network 1: of 2 and 6 bits 0 and 4, needed 4 / 6 and 2 / 4, 6 / 6.
    urgent = ((1.5**2 / 2.5) / (2**2 / 3) + ((4 / 6) ** 2 / (10 / 6)) / (0.5**2 / 1.5 + 1 / 2)) / 2
    waiting, sent = (3 / 4 + 4 / 8) / 2, ((power.sum((2, 3)) * watts).sum(1) / watts.sum(1)).mean()
    loss = learner.loss(Backlog(obs, bits, head, offered), schedule, carried)
    torch.testing.assert_close(loss, urgent + 2 * waiting + 0.5 * sent)


def test_the_gradient_lowers_the_loss_of_its_slot(make_data: Callable[..., IoTDataModule]) -> None:
    learner = module(lr=1e-2)
    slots = IoTSlots(make_data(num_envs=8).environment("local"), learner.model, 1)
    batch, losses = slots.batch(), []
    optimiser = torch.optim.Adam(learner.model.parameters(), 3e-3)
    for _ in range(30):
        schedule = learner.model(batch.obs)
        loss = learner.loss(batch, schedule, slots.carried(schedule))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
