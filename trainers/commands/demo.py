"""``hetgraph demo``: a trained network is judged on layouts it has never seen, with figures; trained here, or a shipped one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from hetgraph.models import load
from hetgraph.trainers.commands.report import write_report
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.common.policies import policies_of
from hetgraph.trainers.judge.figures import draw_figures
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.plots import announce
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.table import print_trials
from hetgraph.trainers.snapshot.task import TASK, Options

SCENARIO = "hetnet-3tier"
SHIPPED = "hetgnn-hetnet"  # trained on that scenario
OUT, QUICK_OUT = "runs/demo", "runs/demo-quick"
RULES, MORE_RULES = "max_rsrp,cre,pf,wmmse,pf_teacher_6", "pf_teacher"


def run(arguments: Sequence[str]) -> int:
    """Label, distil, train without labels, compare, draw; with ``--quick`` compare and draw alone."""
    parser = Parser("hetgraph demo", "Train and judge a small model, with figures.")
    parser.add_argument("--quick", action="store_true", help=f"judge the shipped {SHIPPED}, without any training")
    parser.add_argument("--out", default=None, help=f"folder of what is written ({OUT}; {QUICK_OUT} with --quick)")
    parser.add_argument("--labels", type=int, default=64, help="labelled training layouts")
    parser.add_argument("--epochs", type=int, default=7, help="epochs of each of the two phases")
    parser.add_argument("--batches", type=int, default=100, help="batches in an epoch without labels")
    parser.add_argument("--layouts", type=int, default=10, help="unseen layouts")
    parser.add_argument("--seed", type=int, default=0)
    args = parse(parser, arguments)
    out, console = Path(args.out or (QUICK_OUT if args.quick else OUT)), Console()
    announce("tables")
    if args.quick:
        policies = policies_of(TASK, f"{RULES},{SHIPPED}")
    else:
        policies = policies_of(TASK, f"{RULES},{MORE_RULES}") | _trained(args, out, console)
    console.rule("All are judged on the same layouts, which the network has never seen")
    options = Options(scenario=SCENARIO, layouts=args.layouts)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # single networks are decided no faster with more, and beside other work far slower
    try:
        trials, reference = compare(TASK, options, policies)
    finally:
        torch.set_num_threads(threads)
    print_trials(TASK, trials, reference, console)
    write_trials(TASK, trials, reference, out)
    drawn = draw_figures(TASK, options, trials, reference, out)
    console.print(f"{'figures and ' if drawn else ''}tables: {write_report(out)}")
    return 0


def _trained(args: Any, out: Path, console: Console) -> dict[str, list[Any]]:
    """A network that has learned from a teacher, and the same after it went on without labels."""
    import lightning  # takes seconds to import, and the quick demo does without

    from hetgraph.datasets import SnapshotDataModule
    from hetgraph.trainers.snapshot.supervised import SupervisedModule

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
    torch.set_grad_enabled(True)
    (out / "metrics.csv").write_text((out / "label-free" / "metrics.csv").read_text())
    return {name: [load(path)] for name, path in (("hetgnn distilled", distilled), ("hetgnn", tuned))}


def _fit(module: Any, data: Any, folder: Path, epochs: int) -> Path:
    """Train with a progress bar; path of the checkpoint that is best on validation."""
    import lightning
    from lightning.pytorch.callbacks import RichProgressBar

    from hetgraph.trainers.commands.fit import loggers
    from hetgraph.trainers.common.best import BestCheckpoint

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
