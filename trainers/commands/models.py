"""``hetgraph models``: the shipped models, their cards, and how a maintainer adds one."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.weights.card import Card, card_of
from hetgraph.weights.shipped import FOLDER, shipped_names

_WIDTH = 120


def run(arguments: Sequence[str]) -> int:
    """List, show or add."""
    parser = Parser("hetgraph models", "List the shipped models, or show the card of one.")
    parser.epilog = (
        "For maintainers: `hetgraph models --add runs/x/best.ckpt --name NAME --card card.yaml` measures the card's check and "
        "writes weights and card into the package; docs/shipped-models.md has the fields of a card."
    )
    parser.add_argument("name", nargs="?", help="model whose card is shown")
    parser.add_argument("--add", default=None, help="checkpoint to ship")
    parser.add_argument("--name", dest="new", default=None, help="its name, small letters, digits and hyphens")
    parser.add_argument("--card", default=None, help="YAML or JSON of its card, without what is measured")
    parser.add_argument("--folder", default=str(FOLDER), help="folder that it is written into (that of the package)")
    parser.add_argument("--overwrite", action="store_true", help="replace the model of that name")
    args = parse(parser, arguments)
    console = Console()
    for flag, value in (("--add", args.add), ("--name", args.new), ("--card", args.card)):
        if (value is None) != (args.add is None and args.new is None and args.card is None):
            raise ValueError(f"{flag}: got none, expected --add, --name and --card together")
    if args.add is not None:
        from hetgraph.trainers.judge.shipping import ship  # with torch, which a look at cards does without

        card = ship(args.add, args.new, args.card, Path(args.folder), overwrite=args.overwrite)
        _show(card, console)
        console.print(f"written into {args.folder}", highlight=False, soft_wrap=True)
        return 0
    if args.name is None:
        _list(console)
    else:
        _show(card_of(_known(args.name)), console)
    return 0


def _known(name: str) -> str:
    if name not in shipped_names():
        raise ValueError(f"models: got {name!r}, expected one of {', '.join(shipped_names())}")
    return name


def _list(console: Console) -> None:
    table = Table(title="shipped models: hetgraph.load(NAME), hetgraph compare TASK --policies NAME")
    for heading in ("name", "system", "task"):
        table.add_column(heading, no_wrap=True)
    table.add_column("headline figure, with its 95% interval")
    table.add_column("KB", justify="right", no_wrap=True)
    for name in shipped_names():
        card = card_of(name)
        size = f"{card.weights.size_bytes / 1000:.0f}"
        table.add_row(card.name, card.system, card.task, card.headline, size)
    Console(file=console.file, width=max(console.width, _WIDTH)).print(table)


def _show(card: Card, console: Console) -> None:
    """The card, a heading a part."""
    for heading, lines in card.parts.items():
        console.print(heading, style="bold", markup=False, highlight=False, soft_wrap=True)
        for line in lines:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
