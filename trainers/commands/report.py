"""``hetgraph report``: one self-contained HTML page of a folder's figures and tables."""

import base64
import csv
import html
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hetgraph.datasets.snapshot import write_file
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.judge.columns import heading

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
img { max-width: 100%; } figure { margin: 1.5rem 0; } figcaption { color: #555; }
table { border-collapse: collapse; font-size: 14px; } td, th { padding: .3rem .7rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #f3f5f7; }
.wide { overflow-x: auto; }
"""
_CAPTIONS = {
    "training_curves": "Training: loss and validation indicators over epochs.",
    "rate_cdf": "Distribution of the users' rates on one layout.",
    "power_per_rb": "Share of its budget that each station puts on each resource block.",
    "association_map": "Users in the colour of the station that serves them.",
    "confusion": "Agreement of two associations, by station.",
    "load_per_station": "Users served by each station.",
    "distance_pathloss": "Distances and path losses of all and of serving edges.",
}


def run(arguments: Sequence[str]) -> int:
    """Write ``report.html`` into the folder."""
    parser = Parser("hetgraph report", "One HTML page of a run's figures and tables.")
    parser.add_argument("folder", help="folder of a run or a comparison")
    args = parse(parser, arguments)
    path = write_report(Path(args.folder))
    Console().print(f"report: {path}")
    return 0


def write_report(folder: Path) -> Path:
    """Page of all PNG figures and ``results.csv`` tables below a folder; training curves are drawn when there are metrics.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a folder with nothing to show.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: got no such folder, expected one of a run or a comparison")
    if (folder / "metrics.csv").exists():
        from hetgraph.trainers.judge.plots import save, training_curves

        save(training_curves(folder / "metrics.csv"), folder, "training_curves")
    tables, figures = sorted(folder.rglob("results.csv")), sorted(folder.rglob("*.png"))
    if not tables and not figures:
        raise ValueError(f"{folder}: got neither figures nor results, expected a folder of `hetgraph fit` or `compare`")
    body = [f"<h1>{html.escape(folder.name)}</h1>"]
    body += [_table(path) for path in tables]
    body += [_figure(path) for path in figures]
    page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(folder.name)}</title>"
    page += f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>"
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def _figure(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    caption = html.escape(_CAPTIONS.get(path.stem, path.stem.replace("_", " ")))
    return f"<figure><img alt='{caption}' src='data:image/png;base64,{content}'><figcaption>{caption}</figcaption></figure>"


def _table(path: Path) -> str:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    head = "".join(f"<th>{html.escape(heading(cell))}</th>" for cell in rows[0])
    lines = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<div class='wide'><table><tr>{head}</tr>{lines}</table></div>"


def _cell(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return html.escape(text)
