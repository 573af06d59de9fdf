"""Small trainings of handover agents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hetgraph.envs import HandoverEnv
from hetgraph.envs.rollout import rollout
from hetgraph.graph.trajectories import Trajectories
from hetgraph.trainers import QMIX, HandoverDataModule
from hetgraph.trainers.common.random_state import RandomState

K, U = 5, 14


def _walks(seed: int, networks: int = 4, steps: int = 12) -> Trajectories:
    """Users on straight lines through a square of 400 m, with a power law for gains."""
    generator = torch.Generator().manual_seed(seed)
    bs_pos = torch.rand(networks, K, 2, generator=generator) * 400
    start, end = (torch.rand(networks, 1, U, 2, generator=generator) * 400 for _ in range(2))
    time = torch.linspace(0, 1, steps).reshape(1, -1, 1, 1)
    ue_pos = start + (end - start) * time
    distance = (ue_pos.unsqueeze(3) - bs_pos.reshape(networks, 1, 1, K, 2)).norm(dim=4)
    return Trajectories(
        gain=1e-3 * distance.clamp_min(5).pow(-3.5),
        ue_pos=ue_pos,
        speed_mps=torch.full(distance.shape[:3], 3.0),
        bs_pos=bs_pos,
        power_w=torch.tensor([10.0, 10.0, 1.0, 1.0, 1.0]).expand(networks, K).contiguous(),
        tier=torch.tensor([0, 0, 1, 1, 1]).expand(networks, K).contiguous(),
        measured=torch.zeros(1, dtype=torch.bool).expand(distance.shape),
        bandwidth_hz=2e7,
        noise_w=1e-12,
        slot_s=1.0,
    )


def _data(**options: Any) -> HandoverDataModule:
    splits = {split: _walks(seed) for seed, split in enumerate(("train", "val", "test"))}
    small = {"num_envs": 3, "steps": 8, "batch_size": 8, "episodes": 2, "least": 10, "capacity": 500, "max_users": 6}
    return HandoverDataModule(splits, **(small | {"cre": True, "weights": {"utility": 1.0}} | options))


def _trainer(folder: Path, epochs: int, *callbacks: lightning.Callback) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, default_root_dir=folder,
        callbacks=[ModelCheckpoint(folder, "last", enable_version_counter=False), RandomState(), *callbacks],
    )  # fmt: skip


def _fit(
    folder: Path, epochs: int, *callbacks: lightning.Callback, resume: Path | None = None, **options: Any
) -> tuple[QMIX, lightning.Trainer]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    module, run = QMIX(**({"hidden": 8, "mixer": 4} | options)), _trainer(folder, epochs, *callbacks)
    run.fit(module, datamodule=_data(), ckpt_path=None if resume is None else str(resume))
    return module, run


def _mean_utility(env: HandoverEnv, policy: Any, seed: int) -> float:
    """Mean utility of an episode."""
    return float(rollout(env, {"": policy}, seed=seed).values[""]["anu"].mean())


@pytest.fixture
def walks() -> Callable[..., Trajectories]:
    """Makes trajectories of users who walk."""
    return _walks


@pytest.fixture
def make_data() -> Callable[..., HandoverDataModule]:
    """Makes the data of a small training."""
    return _data


@pytest.fixture
def make_trainer() -> Callable[..., lightning.Trainer]:
    """Makes a trainer that keeps its last checkpoint."""
    return _trainer


@pytest.fixture
def fit() -> Callable[..., tuple[QMIX, lightning.Trainer]]:
    """Trains for some epochs."""
    return _fit


@pytest.fixture
def mean_utility() -> Callable[..., float]:
    """Mean utility of an episode of a policy."""
    return _mean_utility
