"""``hetgraph compare --env handover`` and ``--env iot-noma``: policies on the same networks for an episode each."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from hetgraph.radio import handover_policy, iot_policy
from hetgraph.trainers.common.checkpoint import load_handovers, load_hybrid
from hetgraph.trainers.common.policy_list import members
from hetgraph.trainers.handover.data import HandoverDataModule
from hetgraph.trainers.handover.trial import judge_handovers
from hetgraph.trainers.iot.trial import judge_iot
from hetgraph.trainers.judge.trial import NetworkTrial, differences_figure, print_networks, write_networks

HANDOVER, IOT = "handover", "iot-"
RULES = {
    HANDOVER: "max_rsrp,cre,pf_greedy,pf_announced,pf_negotiated,pf_crowding,dual_price,pf_optimum,pf_patient",
    IOT: "wmmse_max_rsrp,wmmse_pf,wmmse_path_loss",
}
KEYS = {
    HANDOVER: ("anu", "asc", "jain", "handover_rate"),
    IOT: ("throughput_bps", "bit_per_j", "qos_violation", "jain"),
}
P = TypeVar("P")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of handovers."""
    parser.add_argument("--cells", type=int, default=25, help="with --env handover: cells, of 10 users each")
    parser.add_argument("--cre", action="store_true", help="with --env handover: count range expansion of small cells")
    parser.add_argument("--resources", choices=("shared", "paper"), default="shared", help="with --env handover")
    parser.add_argument("--generation", choices=("4G", "5G"), default=None, help="of drive tests, where there are both")


def handles(env: str) -> bool:
    """Whether an environment's name is one of these."""
    return env == HANDOVER or env.startswith(IOT)


def run(args: argparse.Namespace) -> int:
    """Compare, print, write."""
    console, out = Console(), Path(args.out)
    kind = HANDOVER if args.env == HANDOVER else IOT
    with Progress(console=Console(stderr=True)) as progress:
        trial = (_handovers if kind == HANDOVER else _iot)(args, progress)
    reference = args.reference or next(iter(trial.found))
    print_networks(trial, reference, KEYS[kind], console)
    write_networks({args.env: trial}, out, reference)
    if not args.no_figures and len(trial.found) > 1:
        from hetgraph.trainers.judge.plots import save

        save(differences_figure(trial, reference, KEYS[kind]), out, "differences")
    console.print(f"results and figures: {out}")
    return 0


def _handovers(args: argparse.Namespace, progress: Progress) -> NetworkTrial:
    policies = _known(members(args.policies or RULES[HANDOVER], handover_policy, load_handovers), args.reference)
    networks = _count("--layouts", args.layouts, 16)
    data = HandoverDataModule(
        args.scenario, args.cells, 10 * args.cells, test_networks=networks, steps=_count("--slots", args.slots, 50), cre=args.cre,
        resource_model=args.resources, generation=args.generation,
    )  # fmt: skip
    env = data.environment("test", seed=args.seed)
    title = f"{args.scenario}, {'range expansion' if args.cre else 'margin'}, resources {args.resources}"
    return judge_handovers(env, policies, title=title, seed=args.seed, progress=progress)


def _iot(args: argparse.Namespace, progress: Progress) -> NetworkTrial:
    policies = _known(members(args.policies or RULES[IOT], iot_policy, load_hybrid), args.reference)
    networks = _count("--layouts", args.layouts, 8)
    return judge_iot(
        args.env,
        policies,
        networks=networks,
        slots=_count("--slots", args.slots, 200),
        seed=args.seed,
        progress=progress,
    )


def _known(policies: Mapping[str, Sequence[P]], reference: str | None) -> Mapping[str, Sequence[P]]:
    if reference is not None and reference not in policies:
        raise ValueError(f"--reference: got {reference!r}, expected one of {', '.join(policies)}")
    return policies


def _count(option: str, number: int | None, default: int) -> int:
    if number is not None and number < 1:
        raise ValueError(f"{option}: got {number}, expected at least 1")
    return default if number is None else number
