"""Training of QMIX: targets by hand, clipping, target networks, resumed runs."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from hetgraph.models import load, save
from hetgraph.trainers import QMIX, HandoverDataModule
from hetgraph.trainers.handover.qmix import NormHistory, td_loss, td_target

K, U = 5, 14


class Interrupt(lightning.Callback):
    """Ends training after its first epoch, whose checkpoint stays."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        trainer.should_stop = True


def test_target_by_hand_with_squash_and_end() -> None:
    reward, value = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([10.0, -4.0, 7.0])
    ended = torch.tensor([False, False, True])
    plain = [1 + 0.9 * 10, 2 - 0.9 * 4, 30.0]
    assert td_target(reward, value, ended, gamma=0.9, squash=0.0).tolist() == pytest.approx(plain)
    squashed = [5 * math.tanh(y / 5) for y in plain]
    assert td_target(reward, value, ended, gamma=0.9).tolist() == pytest.approx(squashed)
    both = td_target(reward.unsqueeze(1).expand(3, 2), value.unsqueeze(1).expand(3, 2), ended, gamma=0.9)
    assert both[:, 1].tolist() == pytest.approx(squashed)


def test_loss_has_the_slope_of_the_clipped_error() -> None:
    error = torch.tensor([0.5, -3.0, 7.0, -9.0], requires_grad=True)
    loss = td_loss(error)
    assert loss.item() == pytest.approx((0.25 + 9 + (2 * 5 * 7 - 25) + (2 * 5 * 9 - 25)) / 4)
    loss.backward()
    assert error.grad is not None
    assert error.grad.tolist() == pytest.approx([2 * x / 4 for x in (0.5, -3.0, 5.0, -5.0)])
    assert float(td_loss(error.detach(), 0.0)) == pytest.approx((0.25 + 9 + 49 + 81) / 4)


def test_the_limit_is_the_percentile_of_recent_norms_up_to_a_cap() -> None:
    history = NormHistory(0.95, cap=2.0, length=20)
    norms = torch.rand(50, generator=torch.Generator().manual_seed(0))
    for number, norm in enumerate(norms):
        recent = norms[max(number - 19, 0) : number + 1]
        assert history.limit(norm) == pytest.approx(float(recent.quantile(0.95)))
    for _ in range(20):
        limit = history.limit(torch.tensor(9.0))
    assert limit == 2.0


def test_gradients_are_clipped_at_the_limit() -> None:
    module = QMIX(hidden=8, clip_percentile=0.5, clip_cap=2.0)
    weight = module.model.encoder.own.weight
    for size, kept in ((1.0, 1.0), (1.0, 1.0), (3.0, 1.0)):
        module.zero_grad()
        weight.grad = torch.full_like(weight, size / math.sqrt(weight.numel()))
        module.clip_gradient(list(module.model.parameters()))
        assert float(weight.grad.norm()) == pytest.approx(kept, rel=1e-4)
    loose = QMIX(hidden=8, clip_percentile=0.0, clip_cap=0.0)
    weight = loose.model.encoder.own.weight
    weight.grad = torch.full_like(weight, 7.0)
    loose.clip_gradient(list(loose.model.parameters()))
    assert float(weight.grad.max()) == 7.0


def test_target_networks_follow_softly_and_are_copied_every_so_many_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        episodes_done = 0

    data = Clock()
    monkeypatch.setattr(QMIX, "data", data)
    module = QMIX(hidden=8, soft=0.25, hard_every=2)
    for weight in module.model.parameters():
        torch.nn.init.constant_(weight, 1.0)
    for weight in module.target.parameters():
        torch.nn.init.constant_(weight, 0.0)
    for episodes, expected in ((0, 0.25), (1, 0.4375), (2, 1.0)):
        data.episodes_done = episodes
        module.follow()
        assert all(bool((weight == expected).all()) for weight in module.target.parameters())
    for weight in module.target.parameters():
        torch.nn.init.constant_(weight, 0.0)
    module.follow()  # no second copy in the same episode
    assert all(bool((weight == 0.25).all()) for weight in module.target.parameters())


@pytest.mark.parametrize(
    "options",
    [
        {"credit": 1.0, "intentions": 2, "gap": 0.5},
        {"credit": 1.0, "intentions": 2, "agreements": 2, "crowding": 0.1},
        {"mixing": "vdn", "importance": "sum", "double": False, "squash": 0.0, "td_clip": 0.0},
        {"mixing": "independent", "soft": 0.0, "hard_every": 1},
        {"encoder": "flat", "flat_cells": K},
        {"encoder": "flat-full", "flat_cells": K, "mixing": "vdn", "credit": 0.5},
        {"encoder": "single", "mixing": "independent"},
        {"encoder": "global", "mixing": "independent", "dueling": False, "double": False},
    ],
)
def test_training_moves_weights_and_is_judged(
    make_data: Callable[..., HandoverDataModule],
    fit: Callable[..., tuple[QMIX, lightning.Trainer]],
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    module, run = fit(tmp_path, 1, **options)
    names = {"val/anu", "val/ratio", "val/room", "val/score", "val/handover_rate", "val/jain"}
    assert names <= set(run.callback_metrics)
    assert all(bool(value.isfinite()) for value in run.callback_metrics.values())
    assert float(module.reward_std) != 1.0 and float(module.model.ue_std.min()) > 0
    head = module.model.encoder.out if "flat" in str(options) else module.model.encoder.place
    assert bool(head.weight.any())  # zero before
    loaded = load(save(module.model, tmp_path / "best.ckpt"))
    obs = make_data().environment("val").observe(loaded.level)
    one, other = loaded.act(obs, None, None)[0], module.model.act(obs, None, None)[0]
    assert loaded.price()[1] == options.get("crowding", 0.0)
    assert torch.equal(one.place, other.place) and torch.equal(one.level, other.level)


@pytest.mark.parametrize("options", [{}, {"intentions": 2, "agreements": 2}])
def test_trained_decisions_change_without_what_the_shared_encoder_finds(
    make_data: Callable[..., HandoverDataModule],
    make_trainer: Callable[..., lightning.Trainer],
    tmp_path: Path,
    options: dict[str, int],
) -> None:
    torch.manual_seed(0)
    module = QMIX(**{"hidden": 8, "mixer": 4, "credit": 1.0, "lr": 2e-2, "lr_end": 2e-2}, **options)  # type: ignore[arg-type]
    data, changed = make_data(margin_db=-10.0), 0  # many places to choose from
    make_trainer(tmp_path, 2).fit(module, datamodule=data)
    env, policy = data.environment("val"), module.model
    for _ in range(env.steps):
        obs = env.observe(policy.level)
        action, _ = policy.act(obs, None, None)
        with policy.encoder.messages.graph.register_forward_hook(without):
            blind, _ = policy.act(obs, None, None)
        changed += int((action.place != blind.place).sum())
        env.step(action)
    assert changed > 0


def without(module: torch.nn.Module, args: object, states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """States of zeros in place of what an encoder found."""
    return {store: torch.zeros_like(state) for store, state in states.items()}


def test_a_loss_is_needed_and_options_are_checked() -> None:
    with pytest.raises(ValueError, match="joint, credit: got 0 for both"):
        QMIX(joint=0.0)
    with pytest.raises(ValueError, match=r"gamma: got 1"):
        QMIX(gamma=1.0)
    with pytest.raises(ValueError, match=r"preset: got 'mars', .*, or a folder of drive tests"):
        HandoverDataModule("mars").environment("val")


def test_a_resumed_run_ends_bit_equal(fit: Callable[..., tuple[QMIX, lightning.Trainer]], tmp_path: Path) -> None:
    options: dict[str, Any] = {"credit": 1.0, "hard_every": 3}
    whole, _ = fit(tmp_path / "whole", 2, **options)
    first, _ = fit(tmp_path / "parts", 2, Interrupt(), **options)
    assert not torch.equal(first.model.encoder.level, whole.model.encoder.level)
    parts, _ = fit(tmp_path / "parts", 2, resume=tmp_path / "parts/last.ckpt", **options)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
