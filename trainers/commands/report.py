"""``hetgraph report``: one self-contained HTML page of a folder's figures and tables."""

import base64
import csv
import html
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.files import write_file
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.judge.columns import heading

PAGE = "report.html"
MOST_BYTES = 1 << 24  # of a figure or a table: larger ones are left out, with a line that says so
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
img { max-width: 100%; } figure { margin: 1.5rem 0; } figcaption, .about { color: #555; } .about { font-size: 13px; }
table { border-collapse: collapse; font-size: 14px; } td, th { padding: .3rem .7rem; text-align: right; vertical-align: bottom; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #f3f5f7; } small { color: #555; }
.wide { overflow-x: auto; }
"""
_CAPTIONS = {
    "training_curves": "Training and validation over epochs.",
    "rate_cdf": "Distribution of the users' rates on one network.",
    "power_per_rb": "Share of its budget that each station puts on each resource block.",
    "association_map": "Users in the colour of the station that serves them.",
    "confusion": "Agreement of two associations, by station.",
    "load_per_station": "Users served by each station.",
    "distance_pathloss": "Distances and path losses of all and of serving edges.",
    "delay_cdf": "Share of packets with a longer delay.",
    "delay_parts": "Mean delay, split into waiting and transmission.",
    "arrivals": "Utility over the reference's, and rejections, by load.",
    "differences": "Paired differences to the reference, with 95% intervals.",
}


def run(arguments: Sequence[str]) -> int:
    """Write ``report.html`` into the folder."""
    parser = Parser("hetgraph report", "One HTML page of a run's figures and tables.")
    parser.add_argument("folder", help="folder of a run or a comparison")
    path = write_report(Path(parse(parser, arguments).folder))
    Console().print(f"report: {path}")
    return 0


def write_report(folder: Path) -> Path:
    """Page of all PNG figures and ``results.csv`` tables below a folder; training curves are drawn when there are metrics.

    Links in the folder are not followed: what they point to is somebody else's.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a folder with nothing to show.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: got no such folder, expected one of a run or a comparison")
    metrics = folder / "metrics.csv"
    if metrics.exists() and not metrics.is_symlink():
        from hetgraph.trainers.judge.curves import training_curves
        from hetgraph.trainers.judge.plots import save

        save(training_curves(metrics), folder, "training_curves")
    files = list(_files(folder))
    tables, figures = ([f for f in files if f.name == "results.csv"], [f for f in files if f.suffix == ".png"])
    if not tables and not figures:
        raise ValueError(f"{folder}: got neither figures nor results, expected a folder of `hetgraph fit` or `compare`")
    name = folder.resolve().name
    body = [f"<h1>{html.escape(name)}</h1>"]
    for path in tables:
        body += [_about(path.with_name("results.json")), _table(path)]
    body += [_figure(path) for path in figures]
    page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(name)}</title>"
    page += f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>"
    return write_file(folder / PAGE, page.encode())


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, by name, without links to files or folders."""
    for root, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(root) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _about(path: Path) -> str:
    """Where a table comes from: reference, seed, date, command, commit, versions."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size > MOST_BYTES:
        return ""
    try:
        content: Any = json.loads(path.read_text())
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    parts = [
        f"{name} {content[name]}" for name in ("reference", "seed", "date", "command", "commit") if content.get(name)
    ]
    versions = content.get("versions")
    if isinstance(versions, dict):
        parts.append(", ".join(f"{name} {number}" for name, number in versions.items()))
    return f"<p class='about'>{html.escape('; '.join(parts))}</p>"


def _figure(path: Path) -> str:
    caption = html.escape(_CAPTIONS.get(path.stem, path.stem.replace("_", " ")))
    if path.stat().st_size > MOST_BYTES:
        return f"<p>{caption}: {path.stat().st_size} bytes, left out</p>"
    content = base64.b64encode(path.read_bytes()).decode()
    return f"<figure><img alt='{caption}' src='data:image/png;base64,{content}'><figcaption>{caption}</figcaption></figure>"


def _table(path: Path) -> str:
    """A table; the ends of an interval are shown with the estimate."""
    if path.stat().st_size > MOST_BYTES:
        return f"<p>{html.escape(path.name)}: {path.stat().st_size} bytes, left out</p>"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return ""
    names = [name for name in rows[0] if not name.endswith(("_low", "_high"))]
    head = "".join(f"<th>{html.escape(heading(name))}</th>" for name in names)
    lines = "".join("<tr>" + "".join(f"<td>{_cell(row, name)}</td>" for name in names) + "</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{head}</tr>{lines}</table></div>"


def _cell(row: dict[str, Any], name: str) -> str:
    low, high = (row.get(f"{name}_{end}") for end in ("low", "high"))
    shown = _number(row[name])
    return f"{shown}<br><small>{_number(low)} to {_number(high)}</small>" if low and high and low != high else shown


def _number(text: str | None) -> str:
    try:
        return f"{float(text or ''):.4g}"
    except ValueError:
        return html.escape(text or "")
