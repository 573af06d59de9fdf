"""``hetgraph generate``: a labelled dataset in a folder."""

from collections.abc import Sequence

from rich.console import Console

from hetgraph.datasets import SnapshotDataset, SnapshotSpec, generate, scenario_of
from hetgraph.trainers.common.arguments import Parser, parse


def run(arguments: Sequence[str]) -> int:
    """Draw, label, write; goes on where an earlier run stopped."""
    parser = Parser("hetgraph generate", "Draw and label the networks of a dataset.")
    parser.add_argument("--scenario", default="hetnet-3tier", help="preset name or YAML file")
    parser.add_argument("--teacher", default="pf_teacher", help="policy that labels the networks, or none")
    parser.add_argument("--count", type=int, default=64, help="networks")
    parser.add_argument("--seed", type=int, default=0, help="seed of the layouts")
    parser.add_argument("--out", required=True, help="folder")
    args = parse(parser, arguments)
    if args.count < 1:
        raise ValueError(f"--count: got {args.count}, expected 1 or more")
    teacher = None if args.teacher == "none" else args.teacher
    spec = SnapshotSpec(scenario_of(args.scenario), args.count, args.seed, teacher)
    folder = generate(args.out, spec)
    Console().print(f"{len(SnapshotDataset(folder))} networks in {folder}")
    return 0
