"""``hetgraph tune``: numbers of trained decisions that no weight depends on, chosen on validation networks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.models.checkpoint import build
from hetgraph.models.weights import Header, read_weights, write_weights
from hetgraph.trainers.commands.compare import foreign_options
from hetgraph.trainers.common.arguments import Parser, add_options, new_folder, options_from, parse
from hetgraph.trainers.common.policies import register_models
from hetgraph.trainers.judge.progress import late_progress_bar
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_names, task_of
from hetgraph.weights.shipped import weights_path

OUT, BEST = "runs/tuned", "best.ckpt"
DRAWS = 40
VALIDATION = 1_000_000  # seed of validation networks


def run(arguments: Sequence[str]) -> int:
    """Tune each checkpoint; write the one that is best with its numbers."""
    paths = _checkpoints(arguments)
    headers = [read_weights(path)[0] for path in paths]
    task = _task(paths, headers)
    parser = _parser(task)
    args = parse(parser, arguments, foreign_options(task))
    register_models(args.models)
    if args.draws < 2:
        raise ValueError(f"--draws: got {args.draws}, expected at least 2")
    options = options_from(task.options, vars(args))
    out, console = new_folder(args.out, args.overwrite, (BEST,)), Console()
    found: list[tuple[float, Path, dict[str, float]]] = []
    for path in paths:
        numbers, cost = _tuned(task, path, options, args.draws)
        said = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
        console.print(f"{path}: {said}; cost {cost:.4f}", soft_wrap=True, highlight=False)
        found.append((cost, path, numbers))
    _, path, numbers = min(found)
    write(path, numbers, out / BEST)
    console.print(f"weights of {path} with these numbers: {out / BEST}", soft_wrap=True, highlight=False)
    return 0


def write(path: Path, numbers: dict[str, float], to: Path) -> None:
    """Write a file's weights with other numbers of its model, and of the training that would go on with it."""
    header, tensors = read_weights(path)
    training = dict(header.training)
    training["options"] = {**training.get("options", {}), **numbers}
    write_weights(to, replace(header, options={**header.options, **numbers}, training=training), tensors)


def _tuned(task: Task, path: Path, options: Any, draws: int) -> tuple[dict[str, float], float]:
    assert task.tune is not None
    model = build(path, *read_weights(path)).eval()
    with late_progress_bar(str(path), draws) as counted:
        waiting = counted(iter(range(draws)))

        def done(count: int) -> None:
            for _ in range(count):
                next(waiting, None)

        return task.tune(model, options, draws, done)


def _task(paths: Sequence[Path], headers: Sequence[Header]) -> Task:
    """The task of all checkpoints.

    Raises:
        ValueError: several tasks, or one whose decisions have no such numbers.
    """
    task = task_of(headers[0].task)
    for path, header in zip(paths, headers, strict=True):
        if header.task != task.name:
            raise ValueError(f"--ckpt: got {path} of task {header.task} beside one of {task.name}, expected one task")
    if task.tune is None:
        able = ", ".join(name for name in task_names() if task_of(name).tune is not None)
        raise ValueError(f"--ckpt: got a model of task {task.name}, expected one of {able}")
    return task


def _checkpoints(arguments: Sequence[str]) -> list[Path]:
    parser = _parser(None)
    if {"-h", "--help"} & set(arguments) and "--ckpt" not in arguments:
        parser.parse_args(list(arguments))
    first = Parser("hetgraph tune", "")
    first.add_argument("--ckpt", required=True)
    text: str = first.parse_known_args([a for a in arguments if a not in ("-h", "--help")])[0].ckpt
    return [weights_path(part.strip()) for part in text.split(",") if part.strip()]


def _parser(task: Task | None) -> Parser:
    what = "a checkpoint's decisions" if task is None else f"decisions of task {task.name}"
    seed = f"--seed is that of validation networks, {VALIDATION}; `hetgraph compare` has others."
    parser = Parser("hetgraph tune", f"Numbers of {what} that no weight depends on, the best of some draws. {seed}")
    parser.add_argument(
        "--ckpt", required=True, help="checkpoint or shipped model; of several, with commas, the best is kept"
    )
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"numbers that are tried ({DRAWS})")
    parser.add_argument("--out", default=OUT, help=f"folder of {BEST} ({OUT})")
    parser.add_argument("--overwrite", action="store_true", help="write over the weights of an earlier run")
    if task is not None:
        add_options(parser, task.options)
        parser.set_defaults(seed=VALIDATION)
    return parser
