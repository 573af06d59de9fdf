"""Fine-tuning of handover and IoT agents: a checkpoint's weights on other networks, judged before and after."""

import argparse
from pathlib import Path
from typing import Any

import lightning
from rich.console import Console
from rich.progress import Progress

from hetgraph.radio import handover_policy, iot_policy
from hetgraph.trainers.commands.compare_networks import HANDOVER, IOT, KEYS
from hetgraph.trainers.common.best import BestCheckpoint
from hetgraph.trainers.common.checkpoint import load_handovers, load_hybrid, read_checkpoint
from hetgraph.trainers.handover.data import HandoverDataModule
from hetgraph.trainers.handover.price import fit_price
from hetgraph.trainers.handover.qmix import QMIX
from hetgraph.trainers.handover.trial import judge_handovers
from hetgraph.trainers.iot.data import IoTDataModule
from hetgraph.trainers.iot.maddqn import MADDQNDMADDPG
from hetgraph.trainers.iot.trial import judge_iot
from hetgraph.trainers.judge.trial import NetworkTrial, print_networks, write_networks

RULES = {HANDOVER: ("max_rsrp", "pf_negotiated", "dual_price"), IOT: ("wmmse_max_rsrp", "wmmse_path_loss")}


def kind_of(options: dict[str, Any]) -> str | None:
    """Whether a checkpoint's hyperparameters are those of handover agents, of IoT agents, or of neither."""
    if {"mixing", "importance", "encoder"} <= set(options):
        return HANDOVER
    return IOT if {"scope", "discrete", "power"} <= set(options) else None


def adapt(
    path: str | Path,
    layout: str,
    out: Path,
    *,
    epochs: int,
    draws: int,
    lr: float | None = None,
    seed: int = 0,
    **sizes: Any,
) -> tuple[QMIX | MADDQNDMADDPG, HandoverDataModule | IoTDataModule]:
    """Train a checkpoint on other networks; what is kept, ``finetuned.ckpt``, is on validation never worse than before.

    Everything goes on from the checkpoint: agents, critics or mixers, scales, target networks; exploration begins where it
    ended. Training is otherwise the checkpoint's own. A price of handovers that was fitted is fitted anew.

    Args:
        path: checkpoint of ``hetgraph fit``.
        layout: preset of the networks, or a folder of drive tests.
        out: folder of the checkpoint.
        epochs: evaluations.
        draws: from the replay memory, in an epoch.
        lr: learning rate of the agents; ``None`` for that of the checkpoint.
        seed: of training.
        sizes: options of the data module that differ from the checkpoint's.

    Returns:
        The module with the weights that are kept, and its data.
    """
    content = read_checkpoint(path)
    options, known = (
        {k: v for k, v in content.get(part, {}).items() if not k.startswith("_")}
        for part in ("hyper_parameters", "datamodule_hyper_parameters")
    )
    lr = float(options["lr"]) if lr is None else lr
    known |= {"scenario": layout, "seed": seed, "replay_file": None} | {k: v for k, v in sizes.items() if v is not None}
    module: QMIX | MADDQNDMADDPG
    data: HandoverDataModule | IoTDataModule
    if kind_of(options) == HANDOVER:
        module = QMIX(**options | {"lr": lr, "lr_end": lr / 10, "warm": 0})
        known["epsilon_start"] = known.get("epsilon_end", 0.08)
        data = HandoverDataModule(**known)
        data.draws["draws"] = draws
    else:
        module = MADDQNDMADDPG(**options | {"lr": lr, "stop_window": 0})
        known["epsilon_start"] = known.get("epsilon_end", 0.05)
        data = IoTDataModule(**known | {"draws": draws})
    module.load_state_dict(content["state_dict"])
    if isinstance(data, HandoverDataModule) and isinstance(module, QMIX):
        fit_price(module.policy, lambda: data.environment("train", whole=True), seed=seed)
        for kept, found in zip(module.target.buffers(), module.policy.buffers(), strict=True):
            kept.copy_(found)  # both announce at the same price
    best = BestCheckpoint(
        out, "finetuned", monitor="val/score", mode="max", enable_version_counter=False, save_weights_only=True
    )
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_model_summary=False, num_sanity_val_steps=-1, callbacks=[best]
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    module.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])
    return module, data


def finetune_networks(args: argparse.Namespace, options: dict[str, Any]) -> int:
    """Fine-tune and print before, after and the rules on held-out networks."""
    console, out = Console(), Path(args.out)
    kind = HANDOVER if kind_of(options) == HANDOVER else IOT
    sizes: dict[str, Any] = {}
    if kind == HANDOVER:
        users = None if args.cells is None else 10 * args.cells
        sizes = {"cells": args.cells, "users": users, "generation": args.generation, "test_networks": args.layouts}
    module, data = adapt(
        args.ckpt, args.layout, out, epochs=args.epochs, draws=args.batches, lr=args.lr, seed=args.seed, **sizes
    )
    with Progress(console=Console(stderr=True)) as progress:
        trial = _judge(args, module, data, progress)
    print_networks(trial, "before", KEYS[kind], console)
    write_networks({args.layout: trial}, out, "before")
    console.print(f"results and weights: {out}")
    return 0


def _judge(
    args: argparse.Namespace,
    module: QMIX | MADDQNDMADDPG,
    data: HandoverDataModule | IoTDataModule,
    progress: Progress,
) -> NetworkTrial:
    if isinstance(module, QMIX):
        assert isinstance(data, HandoverDataModule)
        moves = {name: [handover_policy(name)] for name in RULES[HANDOVER]}
        moves |= {"before": [load_handovers(args.ckpt)], "after": [module.policy.eval()]}
        return judge_handovers(data.environment("test"), moves, title=args.layout, progress=progress)
    schedules = {name: [iot_policy(name)] for name in RULES[IOT]}
    schedules |= {"before": [load_hybrid(args.ckpt)], "after": [module.policy.eval()]}
    return judge_iot(args.layout, schedules, networks=args.layouts, progress=progress)
