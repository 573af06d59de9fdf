"""``hetgraph tune``: numbers of trained decisions that no weight depends on, chosen on validation networks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.models.checkpoint import MODEL, build
from hetgraph.models.weights import Header, read_weights, write_weights
from hetgraph.trainers.commands.compare import foreign_options
from hetgraph.trainers.common.arguments import Parser, add_options, new_folder, options_from, parse
from hetgraph.trainers.common.networks import VALIDATION
from hetgraph.trainers.common.policies import register_models
from hetgraph.trainers.judge.progress import late_counter
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_names, task_of
from hetgraph.weights.shipped import weights_path

OUT, BEST = "runs/tuned", "best.ckpt"
TARGET = "target.model."  # tensors of target networks
DRAWS = 40


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
    candidates = {str(path): build(path, *read_weights(path)).eval() for path in paths}
    if args.together:
        candidates = {" and ".join(candidates): _together(list(candidates.values()))}
    results: list[tuple[float, str, dict[str, float]]] = []
    for name, model in candidates.items():
        numbers, cost = _tuned(task, name, model, options, args.draws)
        summary = ", ".join(f"{number} {value:g}" for number, value in numbers.items())
        console.print(f"{name}: {summary}; cost {cost:.4f}", soft_wrap=True, highlight=False)
        results.append((cost, name, numbers))
    _, name, numbers = min(results)
    like = paths[0] if args.together else Path(name)
    _write(candidates[name], numbers, like, out / BEST)
    console.print(f"weights of {name} with these numbers: {out / BEST}", soft_wrap=True, highlight=False)
    return 0


def _write(model: Any, numbers: dict[str, float], like: Path, to: Path) -> None:
    """Write a model with other numbers, and what a file like it has of the training that would go on with it."""
    header, tensors = read_weights(like)
    options = {**model.options, **numbers}
    training = dict(header.training)
    training["options"] = {**training.get("options", {}), **options}
    own = model.state_dict()
    if own.keys() != {name.removeprefix(MODEL) for name in tensors if name.startswith(MODEL)}:  # several in one
        prefixes = (MODEL, *(prefix for prefix in (TARGET,) if any(name.startswith(prefix) for name in tensors)))
        kept = {name: value for name, value in tensors.items() if not name.startswith(prefixes)}
        tensors = kept | {f"{prefix}{name}": value for prefix in prefixes for name, value in own.items()}
    write_weights(to, replace(header, options=options, training=training), tensors)


def _together(models: list[Any]) -> Any:
    """One model of several.

    Raises:
        ValueError: models that are not averaged, or fewer than two.
    """
    if len(models) < 2:
        raise ValueError(f"--together: got {len(models)} checkpoint, expected at least 2")
    if not hasattr(models[0], "together"):
        raise ValueError(f"--together: got {type(models[0]).__name__}, expected a model whose values can be averaged")
    return models[0].together(models)


def _tuned(task: Task, name: str, model: Any, options: Any, draws: int) -> tuple[dict[str, float], float]:
    assert task.tune is not None
    with late_counter(name, draws) as done:
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
    paths = [weights_path(part.strip()) for part in text.split(",") if part.strip()]
    if not paths:
        raise ValueError(f"--ckpt: got {text!r}, expected a checkpoint")
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"--ckpt: got {path} twice, expected each checkpoint once")
    return paths


def _parser(task: Task | None) -> Parser:
    what = "a checkpoint's decisions" if task is None else f"decisions of task {task.name}"
    seed = f"--seed is that of validation networks, {VALIDATION}; `hetgraph compare` has others."
    parser = Parser("hetgraph tune", f"Numbers of {what} that no weight depends on, the best of some draws. {seed}")
    parser.add_argument(
        "--ckpt", required=True, help="checkpoint or shipped model; of several, with commas, the best is kept"
    )
    parser.add_argument("--together", action="store_true", help="one model that averages the values of all checkpoints")
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"numbers that are tried ({DRAWS})")
    parser.add_argument("--out", default=OUT, help=f"folder of {BEST} ({OUT})")
    parser.add_argument("--overwrite", action="store_true", help="write over the weights of an earlier run")
    if task is not None:
        add_options(parser, task.options)
        parser.set_defaults(seed=VALIDATION)
    return parser
