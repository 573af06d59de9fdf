"""``hetgraph demo``: from nothing to a trained network that is judged on layouts it has never seen, with figures."""

import argparse
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from rich.console import Console

from hetgraph.datasets import SnapshotDataModule, layout_seed
from hetgraph.graph import preset
from hetgraph.radio import OneShotPolicy, one_shot
from hetgraph.trainers.commands.fit import loggers
from hetgraph.trainers.commands.report import write_report
from hetgraph.trainers.common.checkpoint import load_model
from hetgraph.trainers.judge.files import print_table, write_results
from hetgraph.trainers.judge.plots import comparison_figures
from hetgraph.trainers.snapshot.comparison import compare
from hetgraph.trainers.snapshot.distillation import DistillationModule

SCENARIO = "hetnet-3tier"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command-line options."""
    parser.add_argument("--out", default="runs/demo", help="folder of everything that the demo writes")
    parser.add_argument("--labels", type=int, default=64, help="labelled training layouts")
    parser.add_argument("--epochs", type=int, default=7, help="epochs of each of the two phases")
    parser.add_argument("--batches", type=int, default=100, help="batches in an epoch without labels")
    parser.add_argument("--layouts", type=int, default=10, help="unseen layouts")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Label, distil, train without labels, compare, draw."""
    out, console = Path(args.out), Console()
    lightning.seed_everything(args.seed, verbose=False)
    console.rule("1. A teacher labels layouts, and the network learns from it")
    data = SnapshotDataModule(SCENARIO, "pf_teacher_6", str(out / "data"), train=args.labels, val=8, seed=args.seed)
    student = DistillationModule(
        rounds=8, weight_utility=0, weight_rate=1, weight_association=0.2, weight_power=0.02, weight_antenna=0.1
    )
    distilled = _fit(student, data, out / "distill", args.epochs)
    console.rule("2. It goes on without labels, on the utility itself")
    data = SnapshotDataModule(SCENARIO, None, train=4 * args.batches, val=8, seed=args.seed)
    student = DistillationModule(rounds=8, lr=2e-3, init_from=str(distilled))
    tuned = _fit(student, data, out / "label-free", args.epochs)
    console.rule("3. All are judged on the same layouts, which the network has never seen")
    names = ("max_rsrp", "cre", "pf", "wmmse", "pf_teacher_6", "pf_teacher")
    policies = {name: [one_shot(name)] for name in names}
    for name, path in (("hetgnn distilled", distilled), ("hetgnn", tuned)):
        policies[name] = [OneShotPolicy(name, load_model(path).allocate)]
    torch.set_grad_enabled(True)
    result = compare(preset(SCENARIO), policies, layouts=args.layouts, seed=layout_seed(0, "test"))
    print_table(result, console)
    write_results(result, out)
    comparison_figures(result, out)
    (out / "metrics.csv").write_text((out / "label-free" / "metrics.csv").read_text())
    console.print(f"figures and tables: {write_report(out)}")
    return 0


def _fit(module: DistillationModule, data: SnapshotDataModule, folder: Path, epochs: int) -> Path:
    """Train with a progress bar; path of the checkpoint that is best on validation."""
    best = ModelCheckpoint(folder, "best", monitor="val/score", mode="max", enable_version_counter=False)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=loggers(folder),
        callbacks=[best, RichProgressBar()],
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        reload_dataloaders_every_n_epochs=1,
    )
    trainer.fit(module, datamodule=data)
    return Path(best.best_model_path)
