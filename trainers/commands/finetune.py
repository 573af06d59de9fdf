"""``hetgraph finetune``: a checkpoint goes on training on other networks, judged before and after."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
from rich.console import Console

from hetgraph.models.checkpoint import build
from hetgraph.models.weights import read_weights
from hetgraph.trainers.commands.compare import draw, foreign_options, report
from hetgraph.trainers.commands.fit import loggers
from hetgraph.trainers.common.arguments import Parser, add_options, new_folder, options_from, parse
from hetgraph.trainers.common.best import BestCheckpoint
from hetgraph.trainers.common.modules import freeze_encoders, model_of
from hetgraph.trainers.common.policies import register_models, rule
from hetgraph.trainers.judge.decision_files import write_decided
from hetgraph.trainers.judge.decisions import decide
from hetgraph.trainers.judge.plots import announce
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.task import Budget, Training
from hetgraph.trainers.tasks import task_of
from hetgraph.weights.shipped import weights_path

OUT = "runs/finetuned"
BEST = "best.ckpt"


def run(arguments: Sequence[str]) -> int:
    """Fine-tune; print before, after, from scratch and rules on held-out networks."""
    first = Parser(
        "hetgraph finetune", "Train a checkpoint on other networks. Its task decides which options there are."
    )
    _add_arguments(first)
    if not {"-h", "--help"} & set(arguments) or "--ckpt" in arguments:
        path = weights_path(_checkpoint(arguments))
    else:
        first.parse_args(list(arguments))
        raise AssertionError("unreachable")  # help has ended the program
    header, tensors = read_weights(path)
    task = task_of(header.task)
    parser = Parser("hetgraph finetune", f"Train a checkpoint of task {task.name} on other networks.")
    _add_arguments(parser)
    add_options(parser, task.options)
    args = parse(parser, arguments, foreign_options(task))
    register_models(args.models)
    options = options_from(task.options, vars(args))
    if not args.no_figures:
        announce("tables and files")
    for name in ("epochs", "batches"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name}: got {getattr(args, name)}, expected at least 1")
    if args.lr is not None and not 0 < args.lr < 1:
        raise ValueError(f"--lr: got {args.lr}, expected a number above 0 and below 1")
    out, console = new_folder(args.out, args.overwrite, (BEST, "results.json")), Console()
    budget = Budget(args.epochs, args.batches, args.lr, args.seed_training)
    before = build(path, header, tensors).eval()
    tuned = task.training(header, tensors, options, budget)
    if args.freeze_encoder:
        freeze_encoders(model_of(tuned.module))
    runs = {"after": (tuned, out)}
    if not args.no_scratch:
        runs["from scratch"] = (task.training(header, None, options, budget), out / "scratch")
    policies: dict[str, list[Any]] = {name: [rule(task, name)] for name in task.rivals(options)}
    policies["before"] = [before]
    for name, (training, folder) in runs.items():
        console.print(f"{name}: {training.epochs} epochs")
        policies[name] = [trained(training, folder)]
    trials, reference = compare(task, options, policies, "before")
    report(task, trials, reference, out)
    if task.decisions is not None:
        write_decided(task, options, decide(task, options, "after", policies["after"][0]), out)
    draw(task, options, trials, reference, out, figures=not args.no_figures)
    console.print(f"weights, of the validation's best epoch: {out / BEST}")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("--ckpt", required=True, help="checkpoint, or shipped model, whose weights to start from")
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    parser.add_argument("--epochs", type=int, default=5, help="passes, each followed by a validation (5)")
    parser.add_argument("--batches", type=int, default=100, help="training batches, draws or rollouts of a pass (100)")
    parser.add_argument("--lr", type=float, default=None, help="learning rate; the task's own")
    parser.add_argument("--seed-training", type=int, default=0, help="seed of training (0)")
    parser.add_argument("--freeze-encoder", action="store_true", help="train heads alone")
    parser.add_argument("--no-scratch", action="store_true", help="without the comparison to training from nothing")
    parser.add_argument("--out", default=OUT, help=f"folder of weights, results and figures ({OUT})")
    parser.add_argument("--overwrite", action="store_true", help="write over results of an earlier run")
    parser.add_argument("--no-figures", action="store_true", help="tables and files alone")


def _checkpoint(arguments: Sequence[str]) -> str:
    parser = Parser("hetgraph finetune", "")
    parser.add_argument("--ckpt", required=True)
    path: str = parser.parse_known_args([a for a in arguments if a not in ("-h", "--help")])[0].ckpt
    return path


def trained(training: Training, folder: Path) -> Any:
    """Model of the epoch that validation found best, that before training among them."""
    best = BestCheckpoint(folder)
    trainer = lightning.Trainer(
        max_epochs=training.epochs,
        accelerator="cpu",
        logger=loggers(folder),
        callbacks=[best],
        enable_model_summary=False,
        num_sanity_val_steps=-1,
        **training.trainer,
    )
    trainer.fit(training.module, datamodule=training.data)
    path = best.best_model_path
    return build(path, *read_weights(path)).eval()
