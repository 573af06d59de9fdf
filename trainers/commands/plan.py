"""``hetgraph plan [TASK]``: what a policy would have a network of one's own do, what it gains there, tables and a map."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.graph import Scenario
from hetgraph.kpi_table import indicator
from hetgraph.models.weights import Header
from hetgraph.trainers.commands.compare import DEFAULT, draw, foreign_options, report
from hetgraph.trainers.commands.predict import deciding_parser
from hetgraph.trainers.common.arguments import Parser, new_folder, options_from, parse
from hetgraph.trainers.common.networks import networks_of
from hetgraph.trainers.common.policies import header_of, policies_of, register_models, rule, rules_of
from hetgraph.trainers.common.training_range import beyond
from hetgraph.trainers.judge.decision_files import CELLS, USERS, write_decided
from hetgraph.trainers.judge.draws import FIXED, OFFSETS, Expected, gains, over_draws, over_other_draws
from hetgraph.trainers.judge.plots import announce
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import cell
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_of

OUT, ABOUT = "runs/plan", "plan.json"
DRAWS = 20
OWN = "hetnet-3tier"  # preset of what files of sites and users do not say, where --scenario names no other
MEANING = "means over the draws, the policy deciding anew on each"
KEPT = {  # of the tables, on as many other draws: name in the JSON, what it means there, what is printed
    FIXED: (
        "gains_fixed",
        "gains of powers and cells of these tables, kept on as many other draws",
        f"{CELLS} and {USERS} kept",
    ),
    OFFSETS: (
        "gains_offsets",
        f"gains of offsets of {CELLS}, and of its powers if it has some, users being at their strongest cell after offsets, on as "
        "many other draws",
        f"offsets of {CELLS} (and powers, if any) kept",
    ),
}


def run(arguments: Sequence[str]) -> int:
    """Decide on every draw, print what is gained, write tables, map and figures."""
    rest = list(arguments)
    named = rest.pop(0) if rest and not rest[0].startswith("-") else None
    header = _header(rest)
    task = task_of(named or (DEFAULT if header is None else header.task))
    args = parse(_parser(task), rest, foreign_options(task))
    options = options_from(task.options, vars(args))
    _check(args, options)
    if not args.no_figures:
        announce("tables and files")
    register_models(args.models)
    ((name, (policy, *_)),) = policies_of(task, args.policy).items()
    reference = args.reference or _reference(task, options)
    policies = {reference: rule(task, reference), name: policy}
    out, console = new_folder(args.out, args.overwrite, (ABOUT, "results.json")), Console()
    if header is not None:
        _warn(args.policy, header, options)
    plan = over_draws(task, options, policies, name, reference, args.draws)
    report(task, [plan.trial], reference, out)
    kept = over_other_draws(task, options, plan, reference, policies[reference], args.draws)
    gains_of = {name: gains(task, plan.trial, name, reference)}
    if kept is not None:
        gains_of |= {each: gains(task, kept, each, reference) for each in KEPT if each in kept.values}
    _write(task, options, plan, reference, gains_of, args.draws, out)
    for line in _sentences(gains_of, reference, args.draws, plan.decided.offset_agreement):
        console.print(line, soft_wrap=True)
    draw(task, options, [plan.trial], reference, out, figures=not args.no_figures)
    return 0


def _parser(task: Task) -> Parser:
    parser = deciding_parser("plan", "Plan a network of one's own", task)
    parser.add_argument(
        "--policy", default=None, help="rule, checkpoint, shipped model or module:attribute that decides"
    )
    parser.add_argument(
        "--reference", default=None, help=f"rule over which gains are ({_reference(task, task.options())})"
    )
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"channel draws on the same sites and users ({DRAWS})")
    parser.add_argument("--out", default=OUT, help=f"folder of tables, map and figures ({OUT})")
    parser.add_argument("--overwrite", action="store_true", help="write over an earlier plan")
    parser.add_argument("--no-figures", action="store_true", help="tables and files alone")
    return parser


def _reference(task: Task, options: Any) -> str:
    """The first rule beside which the task shows a checkpoint, else the first of its rules."""
    return (*task.rivals(options), *rules_of(task))[0]


def _header(arguments: Sequence[str]) -> Header | None:
    """Header of the policy's weights, if it has some."""
    parser = Parser("hetgraph plan", "")
    parser.add_argument("--policy", default=None)
    known, _ = parser.parse_known_args([each for each in arguments if each not in ("-h", "--help")])
    return header_of(known.policy)


def _check(args: Any, options: Any) -> None:
    """Refuse what makes no plan.

    Raises:
        ValueError: no policy, or several, no sites or users, several networks, or fewer than two draws.
    """
    if args.policy is None or "," in args.policy or "=" in args.policy:
        raise ValueError(f"--policy: got {args.policy or 'none'}, expected one policy")
    for name, what in (("sites", "cells to plan"), ("users", "users who are served")):
        if getattr(options, name, None) is None:
            raise ValueError(f"--{name}: got none, expected a CSV of the {what}")
    if getattr(options, "layouts", None) is not None:
        raise ValueError(f"--layouts: got {options.layouts}, expected --draws: a plan is for one network")
    if args.draws < 2:
        raise ValueError(f"--draws: got {args.draws}, expected at least 2")


def _warn(path: str, header: Header, options: Any) -> None:
    """Say where the network is unlike those of the checkpoint's training."""
    network = networks_of(options, OWN)
    far = beyond(header, network) if isinstance(network, Scenario) else None
    if far is not None:
        warnings.warn(f"{path}: got a network outside of its training range: {far}; finetune adapts it", stacklevel=2)


def _write(
    task: Task,
    options: Any,
    plan: Expected,
    reference: str,
    gains_of: dict[str, dict[str, Interval]],
    draws: int,
    out: Path,
) -> None:
    about = {"draws": draws, "values": MEANING, "reference": reference}
    for name, each in gains_of.items():
        about |= {KEPT[name][0]: _plain(each), name: KEPT[name][1]} if name in KEPT else {"gains": _plain(each)}
    files = write_decided(task, options, plan.decided, out, about=ABOUT, more=about)
    Console().print(f"{', '.join(files)}: {out}", soft_wrap=True)


def _plain(gains_of: dict[str, Interval]) -> dict[str, Any]:
    return {
        kpi: {"value": each.value, "low": each.low, "high": each.high, "unit": indicator(kpi).unit}
        for kpi, each in gains_of.items()
    }


def _sentences(
    gains_of: dict[str, dict[str, Interval]], reference: str, draws: int, agreement: float | None
) -> list[str]:
    """What is gained, an indicator a line."""
    lines = []
    for name, each in gains_of.items():
        what = f"{KEPT[name][2]} on {draws} other draws" if name in KEPT else f"{name} on {draws} channel draws"
        lines.append(f"{what}, over {reference}, with 95% intervals:")
        lines += [f"  {indicator(kpi).heading}: {cell(interval, kpi)}" for kpi, interval in each.items()]
    if agreement is not None:
        lines.append(f"users whom the offsets of {CELLS} put where they were decided to be: {agreement:.1%}")
    return lines
