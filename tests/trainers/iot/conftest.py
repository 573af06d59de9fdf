"""Small trainings of IoT agents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from hetgraph.models import HybridMADDPG
from hetgraph.trainers import MADDQNDMADDPG, IoTDataModule
from hetgraph.trainers.cli import quiet
from hetgraph.trainers.common.exploration import ActionNoise
from hetgraph.trainers.common.random_state import RandomState
from hetgraph.trainers.iot.experience import IoTExperience

TINY = "iot-noma:users=5,small_cells=2,subchannels=3,load=4"


def _data(**options: Any) -> IoTDataModule:
    kind = {"scenario": TINY, "num_envs": 2, "episode_slots": 6, "batch_size": 8, "draws": 4, "least": 4, "explore": 4}
    return IoTDataModule(**kind | {"capacity": 64, "val_envs": 2, "eval_slots": 3} | options)


def _experience(policy: HybridMADDPG, epsilon: float = 0.5, **options: Any) -> IoTExperience:
    data = _data(**options)
    noise = ActionNoise(*data.noise)
    env = data.environment(policy.level)
    return IoTExperience(env, policy, noise=noise, epsilon=lambda _: epsilon, **data.options)


def _sampled(module: MADDQNDMADDPG) -> tuple[IoTExperience, dict[str, Tensor]]:
    experience = _experience(module.model)
    experience.collect(8)
    rows: dict[str, Tensor] = experience.buffer.sample(4).rows
    return experience, rows


def _fit(
    folder: Path, epochs: int, module: Any = None, resume: Path | None = None, **options: Any
) -> tuple[Any, lightning.Trainer]:
    quiet()
    torch.manual_seed(0)
    module = MADDQNDMADDPG(hidden=4, warmup=1, stop_window=0) if module is None else module()
    trainer = lightning.Trainer(
        max_epochs=epochs, default_root_dir=folder, logger=False, num_sanity_val_steps=-1, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
        callbacks=[RandomState(), ModelCheckpoint(folder, filename="last", save_last=False, enable_version_counter=False)],
    )  # fmt: skip
    trainer.fit(module, _data(**options), ckpt_path=resume, weights_only=True)
    return module, trainer


def _same_weights(a: Any, b: Any) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.fixture
def make_data() -> Callable[..., IoTDataModule]:
    """Makes the data of a small training."""
    return _data


@pytest.fixture
def make_experience() -> Callable[..., IoTExperience]:
    """Makes an environment with a replay of its slots."""
    return _experience


@pytest.fixture
def sampled() -> Callable[..., tuple[IoTExperience, dict[str, Tensor]]]:
    """Experience of a module's agents, and some slots of it."""
    return _sampled


@pytest.fixture
def fit() -> Callable[..., tuple[Any, lightning.Trainer]]:
    """Trains for some epochs."""
    return _fit


@pytest.fixture
def same_weights() -> Callable[..., bool]:
    """Whether all tensors of two modules are equal."""
    return _same_weights
