"""``hetgraph serve``: a checkpoint as a service, graphs in, decisions out."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from hetgraph.extras import require
from hetgraph.models.weights import read_weights
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.common.policies import register_models, trained
from hetgraph.trainers.tasks import task_of
from hetgraph.weights.shipped import weights_path

PACKAGES = ("fastapi", "uvicorn")
MOST_PORT = 65_535


def run(arguments: Sequence[str]) -> int:
    """Serve until the process is stopped."""
    args = parse(_parser(), arguments)
    _check(args)
    app = _app(args)
    import uvicorn

    Console().print(f"{args.ckpt}: http://{args.host}:{args.port}/decide", soft_wrap=True)
    uvicorn.run(app, host=args.host, port=args.port, log_level="warning")
    return 0


def _app(args: Any) -> Any:
    from hetgraph.trainers.export.other_sizes import graph_of_task
    from hetgraph.trainers.serve.app import make_app
    from hetgraph.trainers.serve.decider import Decider, Limits

    header = read_weights(weights_path(args.ckpt))[0]
    register_models(args.models)
    task = task_of(header.task)
    model = trained(task, args.ckpt)
    example = graph_of_task(task, task.options(), model)
    limits = Limits(args.max_body_mb * 1_000_000, args.max_nodes, args.max_edges)
    return make_app(Decider(model, header, weights_path(args.ckpt), example, limits))


def _parser() -> Parser:
    parser = Parser(
        "hetgraph serve", "Answer graphs with the decisions of a checkpoint, over HTTP, without a password."
    )
    parser.add_argument("--ckpt", default=None, help="checkpoint that decides, or the name of a shipped model")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; others than this machine: 0.0.0.0 (127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port (8000)")
    parser.add_argument("--max-body-mb", type=int, default=64, help="largest request, MB (64)")
    parser.add_argument("--max-nodes", type=int, default=20_000, help="most stations, users and antennas, each (20000)")
    parser.add_argument("--max-edges", type=int, default=500_000, help="most edges of a type (500000)")
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    return parser


def _check(args: Any) -> None:
    """Refuse what cannot be served, before anything is loaded.

    Raises:
        ValueError: packages that are missing, no checkpoint, or a number out of its range.
    """
    for name in PACKAGES:
        require(name, "serve")
    if args.ckpt is None:
        raise ValueError("--ckpt: got nothing, expected a checkpoint such as best.ckpt")
    if not 0 <= args.port <= MOST_PORT:
        raise ValueError(f"--port: got {args.port}, expected 0 to {MOST_PORT}")
    for name in ("max_body_mb", "max_nodes", "max_edges"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')}: got {getattr(args, name)}, expected at least 1")
