"""IoT networks and their agents on a GPU: the same physics as on the processor, training, resuming; skipped without one."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hetgraph.envs import IoTEnv
from hetgraph.models import HybridMADDPG, load, save
from hetgraph.trainers import MADDQNDMADDPG, IoTDataModule, TrunkMAPPOModule
from hetgraph.trainers.cli import quiet
from hetgraph.trainers.common.random_state import RandomState

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
TINY = "iot-noma:users=8,small_cells=2,subchannels=4,load=4"


def pair() -> tuple[IoTEnv, IoTEnv]:
    """The same networks on the processor and on the GPU, with the processor's fading."""
    cpu, gpu = (IoTEnv(TINY, 3, seed=1, device=device) for device in ("cpu", "cuda"))
    for name in ("h", "gain", "gain_before", "disturbed"):
        getattr(gpu.channels, name).copy_(getattr(cpu.channels, name))
    return cpu, gpu


def test_a_slot_is_the_same_on_both() -> None:
    cpu, gpu = pair()
    torch.manual_seed(0)
    policy = HybridMADDPG(8)
    action = policy.decide(policy.views(cpu.observe("global")))
    policy.to("cuda")
    there = policy.decide(policy.views(gpu.observe("global")))
    assert torch.equal(action.station, there.station.cpu())
    torch.testing.assert_close(action.power, there.power.cpu(), rtol=1e-3, atol=1e-5)
    steps = cpu.step(action), gpu.step(type(action)(*(value.cuda() for value in vars(action).values())))
    served = [step.info["served_bits"].cpu() for step in steps]
    assert served[0].sum() > 0 and float((served[0] - served[1]).abs().max()) <= 2 + 1e-5 * float(served[0].max())
    torch.testing.assert_close(cpu.sent.interference_w, gpu.sent.interference_w.cpu(), rtol=1e-4, atol=0)
    torch.testing.assert_close(steps[0].reward, steps[1].reward.cpu(), rtol=1e-4, atol=1e-5)


def fit(
    folder: Path, epochs: int, module: lightning.LightningModule, resume: Path | None = None, **options: Any
) -> IoTDataModule:
    quiet()
    folder.mkdir(exist_ok=True)
    torch.manual_seed(1)
    trainer = lightning.Trainer(
        max_epochs=epochs, default_root_dir=folder, logger=False, num_sanity_val_steps=0, enable_progress_bar=False,
        enable_model_summary=False, accelerator="gpu", devices=1,
        callbacks=[RandomState(), ModelCheckpoint(folder, filename="last", enable_version_counter=False)],
    )  # fmt: skip
    kind = {"scenario": TINY, "num_envs": 2, "episode_slots": 7, "batch_size": 8, "draws": 4, "least": 4, "explore": 4}
    kind |= {
        "capacity": 64,
        "val_envs": 2,
        "eval_slots": 3,
    } | options
    data = IoTDataModule(**kind)
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    return data


@pytest.mark.parametrize("kind", ["maddqn", "mappo"])
def test_agents_learn_there_and_resume(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    make = {
        "maddqn": lambda: MADDQNDMADDPG(hidden=4, warmup=1, stop_window=0),
        "mappo": lambda: TrunkMAPPOModule(hidden=4),
    }[kind]
    options = {} if kind == "maddqn" else {"slots": 4, "draws": 2}
    whole, parts = make(), make()
    parts.load_state_dict(whole.state_dict())
    found = fit(tmp_path / "whole", 2, whole, **options)
    assert found.train_data is not None and found.train_data.views.user_x.device.type == "cuda"
    fit(tmp_path / "parts", 1, parts, **options)
    again = make()
    found = fit(tmp_path / "parts", 2, again, tmp_path / "parts" / "last.ckpt", **options)
    assert found.train_data is not None and found.train_data.drawn == 2 * options.get("draws", 4)
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-4)  # sums on a GPU come in any order
    kept = load(save(again.model, tmp_path / "best.ckpt"))  # on the processor
    action, _ = kept.act(IoTEnv(TINY, 2).observe("global"), None, None)
    assert action.power.device.type == "cpu" and bool(action.power.isfinite().all())
