"""``hetgraph compare``: any policies on the same layouts, with intervals, as table, JSON, CSV and figures."""

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from torch_geometric.data import Batch, HeteroData

from hetgraph.datasets import scenario_of
from hetgraph.graph.convert import from_npz
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.radio import Allocation, Policy, one_shot, policy
from hetgraph.trainers.arrivals.trial import arrival_figures, judge_arrivals, print_arrivals, write_arrivals
from hetgraph.trainers.commands import compare_networks
from hetgraph.trainers.common.checkpoint import load_agents, load_association, load_policy
from hetgraph.trainers.common.policy_list import members
from hetgraph.trainers.judge.files import print_table, write_results
from hetgraph.trainers.queues.trial import judge, print_trial, write_trials
from hetgraph.trainers.snapshot.comparison import Method, compare


def methods(text: str) -> dict[str, list[Method]]:
    """Policies for single networks of a comma-separated list; see :func:`~hetgraph.trainers.common.policy_list.members`."""
    return members(text, one_shot, load_policy)


def agents(text: str) -> dict[str, list[Policy[Allocation]]]:
    """Policies for environments of a comma-separated list; see :func:`~hetgraph.trainers.common.policy_list.members`."""
    return members(text, policy, load_agents)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command-line options."""
    parser.add_argument("--scenario", default="hetnet-3tier", help="preset name or YAML file")
    parser.add_argument(
        "--env",
        default=None,
        help="judge in an environment: conflict-8, hex-19, random-19, a preset of cells; grows-3; handover; iot-noma, iot-oma",
    )
    parser.add_argument(
        "--load",
        default=None,
        help="with --env: packets per device and slot or second: 20,25,30; chances of an arrival",
    )
    parser.add_argument("--demand", default="6,8,10,12,14", help="with --env grows-3: mean demands")
    parser.add_argument("--episodes", type=int, default=2000, help="with --env grows-3: episodes")
    parser.add_argument("--slots", type=int, default=None, help="with --env: slots of an episode")
    parser.add_argument(
        "--traffics", type=int, default=1, help="with --env: arrivals for each layout, one unit together"
    )
    parser.add_argument("--policies", default=None, help="names, checkpoints, name=path:path")
    parser.add_argument("--reference", default=None, help="policy to compare with; the first by default")
    parser.add_argument("--layouts", type=int, default=None, help="10 by default, 40 with --env")
    parser.add_argument("--seed", type=int, default=2_000_000, help="seed of the layouts; 2000000 are the test layouts")
    parser.add_argument("--convention", default="equal_airtime")
    parser.add_argument("--sites", default=None, help="CSV of sites; the scenario then gives channel, radio and users")
    parser.add_argument("--users", "--ues", default=None, help="CSV of users")
    parser.add_argument("--gain", default=None, help="npz with gain [N, U, R], noise_w, power_max_w, rb_bandwidth_hz")
    parser.add_argument("--out", default="runs/compare", help="folder of results and figures")
    compare_networks.add_arguments(parser)
    parser.add_argument("--no-figures", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Compare, print, write."""
    if args.env is not None:
        return _run_environment(args)
    policies = methods(args.policies or "max_rsrp,pf,wmmse,pf_teacher_6")
    scenario = scenario_of(args.scenario)
    graphs: Sequence[HeteroData] | None = None
    if args.sites is not None:
        scenario = scenario_from_csv(args.sites, args.users, base=scenario)
    elif args.users is not None:
        raise ValueError("--users: got a file without --sites, expected both")
    if args.gain is not None:
        graphs = [Batch.from_data_list([from_npz(args.gain)])]
    result = compare(
        scenario,
        policies,
        layouts=10 if args.layouts is None else args.layouts,
        seed=args.seed,
        convention=args.convention,
        reference=args.reference,
        graphs=graphs,
    )
    if args.gain is not None:  # no network is drawn from the scenario then
        digest = hashlib.sha256(Path(args.gain).read_bytes()).hexdigest()[: len(scenario.hash)]
        result = replace(result, scenario=Path(args.gain).name, scenario_hash=digest)
    console = Console()
    print_table(result, console)
    out = Path(args.out)
    write_results(result, out)
    if not args.no_figures:
        from hetgraph.trainers.judge.plots import comparison_figures

        comparison_figures(result, out)
    console.print(f"results and figures: {out}")
    return 0


DEFAULTS = {
    "conflict": ("gms,llq,qcsma", "0.3,0.4,0.5"),
    "cells": ("lqf_subband,lqf_best,max_weight_local,genie", "20"),
    "arrivals": ("best_rate,argmax,argmax_blocking,least_loaded,random_station", "0.5,0.7,1"),
}


def _run_environment(args: argparse.Namespace) -> int:
    """Compare delays, print, write."""
    if args.env.startswith("grows"):
        return _run_arrivals(args)
    if compare_networks.handles(args.env):
        return compare_networks.run(args)
    names, loads = DEFAULTS["conflict" if args.env.startswith("conflict") else "cells"]
    policies = agents(args.policies or names)
    reference = args.reference or next(iter(policies))
    if reference not in policies:
        raise ValueError(f"--reference: got {reference!r}, expected one of {', '.join(policies)}")
    console, trials = Console(), []
    sizes = {"layouts": 40 if args.layouts is None else args.layouts, "traffics": args.traffics}
    sizes["slots"] = 2000 if args.slots is None else args.slots
    with Progress(console=Console(stderr=True)) as progress:
        for load in _loads(args.load or loads):
            trials.append(judge(args.env, load, policies, **sizes, seed=args.seed, progress=progress))
    for trial in trials:
        print_trial(trial, reference, console)
    out = Path(args.out)
    write_trials(trials, reference, out)
    if not args.no_figures:
        from hetgraph.trainers.queues.figures import delay_figures

        delay_figures(trials, out)
    console.print(f"results and figures: {out}")
    return 0


def _run_arrivals(args: argparse.Namespace) -> int:
    """Compare utility and rejections, print, write."""
    names, chances = DEFAULTS["arrivals"]
    policies = members(args.policies or names, policy, load_association)
    reference = args.reference or next(iter(policies))
    if reference not in policies:
        raise ValueError(f"--reference: got {reference!r}, expected one of {', '.join(policies)}")
    console, trials = Console(), []
    with Progress(console=Console(stderr=True)) as progress:
        for chance in _loads(args.load or chances):
            for demand in _loads(args.demand, "--demand"):
                load = {"probability": chance, "demand": demand, "episodes": args.episodes}
                trials.append(judge_arrivals(args.env, policies, **load, seed=args.seed, progress=progress))
    for trial in trials:
        print_arrivals(trial, reference, console)
    out = Path(args.out)
    write_arrivals(trials, reference, out)
    if not args.no_figures:
        arrival_figures(trials, reference, out)
    console.print(f"results and figures: {out}")
    return 0


def _loads(text: str, option: str = "--load") -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option}: got {text!r}, expected numbers separated by commas") from None
