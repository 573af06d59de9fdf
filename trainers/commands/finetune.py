"""``hetgraph finetune``: a checkpoint's weights on new layouts, judged before and after."""

import argparse
from pathlib import Path

import lightning
from rich.console import Console

from hetgraph.datasets import SnapshotDataModule, layout_seed, scenario_of
from hetgraph.graph import Scenario
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.radio import OneShotPolicy, evaluate, one_shot
from hetgraph.trainers.common.checkpoint import GROWS_OPTIONS, MODEL_OPTIONS, load_model, read_checkpoint, save_weights
from hetgraph.trainers.judge.files import print_table
from hetgraph.trainers.snapshot.comparison import compare
from hetgraph.trainers.snapshot.distillation import DistillationModule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command-line options."""
    parser.add_argument("--ckpt", required=True, help="checkpoint whose weights to start from")
    parser.add_argument(
        "--layout",
        required=True,
        help="preset name, scenario YAML or sites CSV; a preset of arrivals for GROWS, of IoT networks for MADDQN-DMADDPG; "
        "a preset or a folder of drive tests for QMIX",
    )
    parser.add_argument("--users", "--ues", default=None, help="users CSV, for a sites CSV")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batches", type=int, default=100, help="training batches in an epoch")
    parser.add_argument(
        "--lr", type=float, default=None, help="0.001, or that of the checkpoint for QMIX and MADDQN-DMADDPG"
    )
    parser.add_argument("--freeze-encoder", action="store_true", help="train the rounds and heads alone")
    parser.add_argument("--probability", type=float, default=None, help="of an arrival, for one load (arrivals only)")
    parser.add_argument("--demand", type=float, default=None, help="mean demand, likewise")
    parser.add_argument("--cells", type=int, default=None, help="cells, of 10 users each (handovers only)")
    parser.add_argument("--generation", choices=("4G", "5G"), default=None, help="of drive tests, where there are both")
    parser.add_argument("--layouts", type=int, default=10, help="held-out layouts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/finetuned")


def layout_scenario(layout: str, users: str | None) -> Scenario:
    """Scenario of a preset name, a YAML file or a sites CSV."""
    if layout.endswith(".csv"):
        return scenario_from_csv(layout, users)
    return scenario_of(layout)


def train(module: DistillationModule, data: SnapshotDataModule, epochs: int) -> None:
    """Label-free training with a progress bar, nothing logged."""
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )
    trainer.fit(module, datamodule=data)


def run(args: argparse.Namespace) -> int:
    """Fine-tune and print before, after, from scratch and classical on held-out layouts."""
    console = Console()
    for name in ("epochs", "batches", "layouts"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name}: got {getattr(args, name)}, expected at least 1")
    options = read_checkpoint(args.ckpt)["hyper_parameters"]
    if set(GROWS_OPTIONS) <= set(options):
        from hetgraph.trainers.arrivals.finetune import finetune_arrivals

        return finetune_arrivals(args, options)
    from hetgraph.trainers.common.adapt import finetune_networks, kind_of

    if kind_of(options):
        return finetune_networks(args, options)
    load_model(args.ckpt)
    scenario = layout_scenario(args.layout, args.users)
    kept = {name: options[name] for name in MODEL_OPTIONS}

    def module(init_from: str | None) -> DistillationModule:
        return DistillationModule(**kept, lr=(args.lr or 1e-3) if init_from else 3e-3, init_from=init_from)

    data = SnapshotDataModule(teacher=None, train=4 * args.batches, val=4, size=4, seed=args.seed)
    data.scenarios = [scenario]
    before, after, scratch = module(args.ckpt), module(args.ckpt), module(None)
    if args.freeze_encoder:
        after.model.encoder.requires_grad_(False)
    for name, student in (("fine-tuning", after), ("from scratch", scratch)):
        console.print(f"{name}: {args.epochs} epochs of {args.batches} batches")
        train(student, data, args.epochs)
    policies = [one_shot("max_rsrp"), one_shot("pf"), one_shot("pf_teacher_6")]
    students = (("before", before), ("after", after), ("from scratch", scratch))
    policies += [OneShotPolicy(name, student.model.eval().allocate) for name, student in students]
    result = compare(
        scenario, {p.name: [p] for p in policies}, layouts=args.layouts, seed=layout_seed(args.seed, "test")
    )
    print_table(result, console)
    name, best = _best(dict(students), scenario, args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    path = save_weights(best.model, dict(best.hparams), out / "model.safetensors")
    console.print(f"best on validation layouts: {name}; its weights: {path}")
    return 0


def _best(students: dict[str, DistillationModule], scenario: Scenario, seed: int) -> tuple[str, DistillationModule]:
    """The student with the highest utility on layouts that neither training nor the table has seen."""
    graph = scenario.sample(4, seed=layout_seed(seed, "val"))
    indicator = {"pf": "pf_utility", "sum_rate": "sum_rate_bps"}
    score = {
        name: float(getattr(evaluate(graph, student.model.allocate(graph)), indicator[student.objective]).mean())
        for name, student in students.items()
    }
    name = max(score, key=lambda key: score[key])
    return name, students[name]
