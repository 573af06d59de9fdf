"""``hetgraph demo``: from nothing to a trained network that is judged on layouts it has never seen, with figures."""

from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import RichProgressBar
from rich.console import Console

from hetgraph.datasets import SnapshotDataModule
from hetgraph.models import load
from hetgraph.trainers.commands.fit import loggers
from hetgraph.trainers.commands.report import write_report
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.common.best import BestCheckpoint
from hetgraph.trainers.common.policies import policies_of
from hetgraph.trainers.judge.figures import draw_figures
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.table import print_trials
from hetgraph.trainers.snapshot.supervised import SupervisedModule
from hetgraph.trainers.snapshot.task import TASK, Options

SCENARIO = "hetnet-3tier"


def run(arguments: Sequence[str]) -> int:
    """Label, distil, train without labels, compare, draw."""
    parser = Parser("hetgraph demo", "Train and judge a small model, with figures.")
    parser.add_argument("--out", default="runs/demo", help="folder of everything that the demo writes")
    parser.add_argument("--labels", type=int, default=64, help="labelled training layouts")
    parser.add_argument("--epochs", type=int, default=7, help="epochs of each of the two phases")
    parser.add_argument("--batches", type=int, default=100, help="batches in an epoch without labels")
    parser.add_argument("--layouts", type=int, default=10, help="unseen layouts")
    parser.add_argument("--seed", type=int, default=0)
    args = parse(parser, arguments)
    out, console = Path(args.out), Console()
    lightning.seed_everything(args.seed, verbose=False)
    console.rule("1. A teacher labels layouts, and the network learns from it")
    data = SnapshotDataModule(SCENARIO, "pf_teacher_6", str(out / "data"), train=args.labels, val=8, seed=args.seed)
    student = SupervisedModule(
        rounds=8, weight_utility=0, weight_rate=1, weight_association=0.2, weight_power=0.02, weight_antenna=0.1
    )
    distilled = _fit(student, data, out / "distill", args.epochs)
    console.rule("2. It goes on without labels, on the utility itself")
    data = SnapshotDataModule(SCENARIO, None, train=4 * args.batches, val=8, seed=args.seed)
    student = SupervisedModule(rounds=8, lr=2e-3, init_from=str(distilled))
    tuned = _fit(student, data, out / "label-free", args.epochs)
    console.rule("3. All are judged on the same layouts, which the network has never seen")
    policies = policies_of(TASK, "max_rsrp,cre,pf,wmmse,pf_teacher_6,pf_teacher")
    policies |= {name: [load(path)] for name, path in (("hetgnn distilled", distilled), ("hetgnn", tuned))}
    torch.set_grad_enabled(True)
    options = Options(scenario=SCENARIO, layouts=args.layouts)
    trials, reference = compare(TASK, options, policies)
    print_trials(TASK, trials, reference, console)
    write_trials(TASK, trials, reference, out)
    draw_figures(TASK, options, trials, reference, out)
    (out / "metrics.csv").write_text((out / "label-free" / "metrics.csv").read_text())
    console.print(f"figures and tables: {write_report(out)}")
    return 0


def _fit(module: SupervisedModule, data: SnapshotDataModule, folder: Path, epochs: int) -> Path:
    """Train with a progress bar; path of the checkpoint that is best on validation."""
    best = BestCheckpoint(folder)
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
