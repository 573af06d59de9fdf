"""``hetgraph export``: the network of a checkpoint as a program that needs no hetgraph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.extras import require
from hetgraph.files import write_file
from hetgraph.models.weights import read_weights
from hetgraph.trainers.common.arguments import Parser, add_options, options_from, parse
from hetgraph.trainers.common.policies import register_models, trained
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_of
from hetgraph.weights.shipped import weights_path

PACKAGES = {"pt2": (), "onnx": ("onnx", "onnxscript", "onnxruntime")}


def run(arguments: Sequence[str]) -> int:
    """Make the program, check it on other graphs, of other sizes where there are any, write it."""
    named, _ = _parser().parse_known_args([each for each in arguments if each not in ("-h", "--help")])
    header = None if named.ckpt is None else read_weights(weights_path(named.ckpt))[0]
    task = task_of("snapshot" if header is None else header.task)
    args = parse(_parser(task), arguments)
    if header is None:
        raise ValueError("--ckpt: got nothing, expected a checkpoint such as best.ckpt")
    out = _check(args)
    register_models(args.models)
    _write(args, task, options_from(task.options, vars(args)), header, out)
    return 0


def _write(args: Any, task: Task, options: Any, header: Any, out: Path) -> None:
    from hetgraph.trainers.export.formats import FORMATS
    from hetgraph.trainers.export.other_sizes import FACTORS, graph_of_task, graphs_of_other_sizes
    from hetgraph.trainers.export.program import about, checked, make_program
    from hetgraph.trainers.judge.progress import late_progress_bar

    policy = trained(task, args.ckpt)
    with late_progress_bar(f"{header.system} to {args.format}", 2 + len(FACTORS)) as counted:
        made = counted(iter(range(2)))
        program = make_program(policy, graph_of_task(task, options, policy))
        next(made)
        file = FORMATS[args.format](program)
        next(made)
        comparison = checked(program, file.run, counted(graphs_of_other_sizes(task, options, policy)))
        content = file.content(about(program, header, weights_path(args.ckpt), comparison))
        write_file(out, content)
    Console().print(
        f"{header.system} ({header.task}), {len(content) / 1e6:.2g} MB, free sizes {', '.join(program.free_sizes())}; "
        f"largest difference {comparison.largest_difference:.1e} on {comparison.text}: {out}",
        soft_wrap=True,
    )


def _parser(task: Task | None = None) -> Parser:
    parser = Parser("hetgraph export", "Write the network of a checkpoint as a program that needs no hetgraph.")
    parser.add_argument("--ckpt", default=None, help="checkpoint, or the name of a shipped model")
    parser.add_argument("--format", default="pt2", choices=tuple(PACKAGES), help="pt2 of torch.export, or onnx (pt2)")
    parser.add_argument(
        "--out",
        default=None,
        help="file to write (beside the checkpoint; of a shipped model in this folder)",
    )
    parser.add_argument("--overwrite", action="store_true", help="write over a file that is there")
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    if task is not None:
        add_options(parser, task.options)
    return parser


def _check(args: Any) -> Path:
    """File to write, looked at before the work.

    Raises:
        ValueError: a file that is there, a folder that is not, or a format whose packages are not installed.
    """
    for name in PACKAGES[args.format]:
        require(name, f"--format {args.format}")
    beside = Path(args.ckpt).with_suffix(f".{args.format}") if Path(args.ckpt).exists() else None
    out = Path(args.out) if args.out else beside or Path(f"{Path(args.ckpt).name}.{args.format}")
    if out.is_dir() or not out.parent.is_dir():
        raise ValueError(f"--out: got {out}, expected a file in a folder that exists")
    if out.exists() and not args.overwrite:
        raise ValueError(f"--out: got {out}, which exists, expected a new file, or --overwrite")
    return out
