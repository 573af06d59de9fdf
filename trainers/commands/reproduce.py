"""``hetgraph reproduce``: every table and figure of a system's paper, printed values beside measured ones."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hetgraph.extras import require
from hetgraph.trainers.common.arguments import Parser, new_folder, parse
from hetgraph.trainers.judge.machine import cores
from hetgraph.trainers.reproduce.make import Plan, listing, make
from hetgraph.trainers.reproduce.paper import paper_names, paper_of

RUNS, QUICK_RUNS = Path("runs"), Path("runs/quick")
OUT, QUICK_OUT = "runs/reproduce", "runs/reproduce/quick"


def run(arguments: Sequence[str]) -> int:
    """Train, measure, write; 1 where something failed."""
    parser = Parser("hetgraph reproduce", "Every table and figure of a paper: train, judge, write a page.")
    parser.epilog = f"Systems: {', '.join(paper_names())}. Stop it at any time: the same command goes on."
    parser.add_argument("system", help="whose paper")
    parser.add_argument(
        "--rows", default=None, help="experiments, separated by commas, measured anew; all, where they changed"
    )
    parser.add_argument("--quick", action="store_true", help="tiny trainings and few networks, minutes: no results")
    parser.add_argument("--jobs", type=int, default=None, help="trainings at a time (number of cores)")
    parser.add_argument("--out", default=None, help=f"folder of the page ({OUT}; {QUICK_OUT} with --quick)")
    parser.add_argument(
        "--list", action="store_true", help="experiments, their trainings and the minutes, and nothing else"
    )
    args = parse(parser, arguments)
    paper = paper_of(args.system)
    jobs = cores() if args.jobs is None else args.jobs
    if jobs < 1:
        raise ValueError(f"--jobs: got {jobs}, expected at least 1")
    out = Path(args.out or (QUICK_OUT if args.quick else OUT))
    runs = QUICK_RUNS if args.quick else RUNS
    plan = Plan(paper, paper.chosen(args.rows), runs, out, args.quick, args.rows is not None)
    console = Console()
    if args.list:
        console.print(listing(plan), highlight=False, markup=False, soft_wrap=True)
        return 0
    require("matplotlib", "reproduce")
    new_folder(str(out), overwrite=True)
    failures = make(plan, jobs, console)
    console.print(f"page: {plan.page}", soft_wrap=True)
    if failures:
        console.print(f"{failures} trainings or sections failed; the same command tries them again", soft_wrap=True)
    return 1 if failures else 0
