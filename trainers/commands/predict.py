"""``hetgraph predict [TASK]``: what a checkpoint or a rule decides on one network, as tables of cells and users."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from hetgraph.kpi_table import indicator
from hetgraph.models.weights import read_weights
from hetgraph.trainers.commands.compare import DEFAULT, foreign_options
from hetgraph.trainers.common.arguments import Parser, add_options, new_folder, options_from, parse
from hetgraph.trainers.common.policies import header_of, policies_of, register_models, rules_of, trained
from hetgraph.trainers.judge.decision_files import ABOUT, CELLS, USERS, write_decided
from hetgraph.trainers.judge.decisions import Decided, decide
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_names, task_of
from hetgraph.weights.shipped import weights_path

OUT = "runs/predict"


def run(arguments: Sequence[str]) -> int:
    """Decide, print the indicators, write the tables."""
    rest = list(arguments)
    named = rest.pop(0) if rest and not rest[0].startswith("-") else None
    task = task_of(named or _task_of_weights(rest) or DEFAULT)
    parser = _parser(task)
    args = parse(parser, rest, foreign_options(task))
    options = options_from(task.options, vars(args))
    _check(args, options)
    register_models(args.models)
    name: str = args.policy or args.ckpt
    policy = trained(task, name) if args.ckpt is not None else next(iter(policies_of(task, name).values()))[0]
    out = new_folder(args.out, args.overwrite, (ABOUT, "results.json"))
    decided = decide(task, options, name, policy)
    files = write_decided(task, options, decided, out)
    _print(decided, len(task.cases(options)), Console())
    Console().print(f"{', '.join(files)}: {out}", soft_wrap=True)
    return 0


def deciding_parser(command: str, what: str, task: Task) -> Parser:
    """Parser of a command that has one policy of a task decide."""
    parser = Parser(f"hetgraph {command} {task.name}", f"{what}: {task.summary}.")
    tasks = f"{', '.join(task_names())}; when none is named, that of the checkpoint, or {DEFAULT}"
    parser.epilog = f"Rules: {', '.join(rules_of(task))}. Tasks: {tasks}."
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    add_options(parser, task.options)
    return parser


def _parser(task: Task) -> Parser:
    parser = deciding_parser("predict", "Decide on one network", task)
    parser.add_argument("--ckpt", default=None, help="checkpoint or shipped model that decides")
    parser.add_argument("--policy", default=None, help="rule that decides, or module:attribute, in place of --ckpt")
    parser.add_argument("--out", default=OUT, help=f"folder of {CELLS}, {USERS} and {ABOUT} ({OUT})")
    parser.add_argument("--overwrite", action="store_true", help="write over the tables of an earlier run")
    return parser


def _task_of_weights(arguments: Sequence[str]) -> str | None:
    parser = Parser("hetgraph predict", "")
    parser.add_argument("--ckpt", default=None)
    parser.add_argument("--policy", default=None)
    known, _ = parser.parse_known_args([each for each in arguments if each not in ("-h", "--help")])
    if known.ckpt is not None:
        return read_weights(weights_path(known.ckpt))[0].task
    header = header_of(known.policy)
    return None if header is None else header.task


def _check(args: Any, options: Any) -> None:
    """Refuse what makes no single decision.

    Raises:
        ValueError: no policy, or several, no users, or several networks.
    """
    if (args.ckpt is None) == (args.policy is None):
        got = "neither" if args.ckpt is None else "both"
        raise ValueError(f"--ckpt, --policy: got {got}, expected one of them")
    if args.policy is not None and ("," in args.policy or "=" in args.policy):
        raise ValueError(f"--policy: got {args.policy!r}, expected one policy")
    if getattr(options, "layouts", None) not in (None, 1):
        raise ValueError(f"--layouts: got {options.layouts}, expected 1: decisions are on one network")
    if getattr(options, "sites", None) is not None and getattr(options, "users", None) is None:
        raise ValueError("--users: got none beside --sites, expected a CSV of the users who are served")


def _print(decided: Decided, cases: int, console: Console) -> None:
    first = f", the first of {cases} cases" if cases > 1 else ""
    console.print(
        f"{decided.policy} on {decided.case.title}{first}: {len(decided.cells)} cells, {len(decided.users)} users"
    )
    for name, value in decided.kpis.items():
        kpi = indicator(name)
        console.print(f"  {kpi.heading}: {kpi.scale * value:.4g}")
