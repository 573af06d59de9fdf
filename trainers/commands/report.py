"""``hetgraph report``: one self-contained HTML page of a folder's figures and tables, or of a shipped model's card."""

import base64
import html
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.extras import require
from hetgraph.files import read_file, write_file
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.judge.curves import training_curves
from hetgraph.trainers.judge.page import page
from hetgraph.trainers.judge.page_map import map_figure
from hetgraph.trainers.judge.page_tables import decisions_table, gains_table, results_table
from hetgraph.trainers.judge.places import FILE as MAP
from hetgraph.trainers.judge.places import read_places
from hetgraph.trainers.judge.plots import PACKAGE, announce, can_draw, save
from hetgraph.weights.card import card_of
from hetgraph.weights.shipped import shipped_names

PAGE, RESULTS = "report.html", "results.csv"
PLAN = "plan.json"
ABOUT = (PLAN, "results.json", "predict.json")  # where the tables of a folder come from, the first that there is
TABLES = {"cells.csv": "Cells", "users.csv": "Users"}
MOST_BYTES = 1 << 24  # of a figure or a table: larger ones are left out, with a line that says so
_CAPTIONS = {
    "training_curves": "Training and validation over epochs.",
    "indicators": "Means over the networks with 95% intervals; arrows point to the better side.",
    "differences": "Paired differences to the reference, with 95% intervals.",
    "arrivals": "Utility over the reference's, and rejections, by load, with 95% intervals.",
    "delay_cdf": "Share of packets with a longer delay.",
    "delay_parts": "Mean delay with its 95% interval, split into waiting and transmission.",
    "association_map": "Users in the colour of the cell that serves them, on the first network, when the episode ends.",
    "association_changes": "Users whose cell is another one than under the reference, with a line to it; dotted: the cell before.",
    "rate_cdf": "Distribution of the users' rates on one network.",
    "load_per_station": "Users served by each cell.",
    "power_per_rb": "Share of its budget that each cell puts on each resource block.",
    "confusion": "Agreement of two associations, by cell.",
    "distance_pathloss": "Distances and path losses of all and of serving edges.",
}


def run(arguments: Sequence[str]) -> int:
    """Write ``report.html`` into the folder, or ``NAME.html`` of a shipped model into this one."""
    parser = Parser(
        "hetgraph report", "One HTML page of a run's figures and tables, or of the card of a shipped model."
    )
    parser.add_argument("folder", help="folder of a run or a comparison, or the name of a shipped model")
    where = parse(parser, arguments).folder
    shipped = where in shipped_names() and not Path(where).exists()  # what is there comes first, as with checkpoints
    path = write_card(where) if shipped else write_report(Path(where))
    Console().print(f"report: {path}")
    return 0


def write_card(name: str) -> Path:
    """Page of a shipped model's card in the working folder, ``NAME.html``; one of an earlier call is replaced."""
    title, *headings = (parts := card_of(name).parts)
    body = [f"<h1>{html.escape(title)}</h1>", _list(parts[title])]
    for heading in headings:
        body += [f"<h2>{html.escape(heading)}</h2>", _list(parts[heading])]
    return write_file(Path(f"{name}.html"), page(title, "".join(body)).encode())


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def write_report(folder: Path) -> Path:
    """Page of all figures, maps and tables below a folder; training curves are drawn when there are metrics, and matplotlib.

    Links in the folder are not followed: what they point to is somebody else's.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a folder with nothing to show, or with metrics alone and no matplotlib.
    """
    if not folder.is_dir():
        known = ", ".join(shipped_names())
        raise FileNotFoundError(
            f"{folder}: got no such folder, expected one of a run or a comparison, or one of the shipped models {known}"
        )
    metrics = folder / "metrics.csv"
    curves = metrics.is_file() and not metrics.is_symlink()
    if curves and can_draw():
        save(training_curves(metrics), folder, "training_curves")
    sections = {where: section for where, files in _folders(folder) if (section := _section(files))}
    if curves and not sections:
        require(PACKAGE, f"{metrics}: training curves")
    if curves:
        announce("tables and the figures that are there")
    if not sections:
        raise ValueError(f"{folder}: got neither figures nor results, expected a folder of `hetgraph fit` or `compare`")
    name = folder.resolve().name
    body = [f"<h1>{html.escape(name)}</h1>"]
    for where, section in sections.items():
        if where != folder:
            body.append(f"<h2>{html.escape(str(where.relative_to(folder)))}</h2>")
        body.append(section)
    return write_file(folder / PAGE, page(name, "".join(body)).encode())


def _folders(folder: Path) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Each folder with its files by name, without links to files or folders."""
    for root, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        yield Path(root), {name: Path(root) / name for name in sorted(names)}


def _section(files: dict[str, Path]) -> str:
    """What a folder has to show."""
    out = []
    if RESULTS in files:
        out.append(_table(files[RESULTS]))
    if PLAN in files:
        out.append(_gains(files[PLAN]))
    tables = [f"<h3>{title}</h3>{shown}" for name, title in TABLES.items() if (shown := _table(files.get(name)))]
    if any(out) or tables:
        out.insert(0, next((about for name in ABOUT if (about := _about(files.get(name)))), ""))
        out.append(_map(files.get(MAP)))
    out += [_figure(path) for path in sorted(files.values(), key=_place) if path.suffix == ".png"]
    return "".join([*out, *tables])


def _read(path: Path | None) -> bytes | None:
    """Content of a regular file that is not too large and no link; else ``None``."""
    return None if path is None else read_file(path, MOST_BYTES)


def _text(path: Path | None) -> str | None:
    content = _read(path)
    try:
        return None if content is None else content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _json(path: Path | None) -> Any:
    text = _text(path)
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _left_out(path: Path) -> str:
    """A line about a file that is too large; nothing about a link, or what cannot be read."""
    known = path.lstat()
    if not stat.S_ISREG(known.st_mode) or known.st_size <= MOST_BYTES:
        return ""
    return f"<p>{html.escape(path.name)}: {known.st_size} bytes, left out</p>"


def _about(path: Path | None) -> str:
    """Where tables come from: reference, seed, date, command, commit, versions."""
    content = _json(path)
    if not isinstance(content, dict):
        return ""
    parts = [
        f"{name} {content[name]}"
        for name in ("policy", "reference", "seed", "date", "command", "commit")
        if content.get(name)
    ]
    versions = content.get("versions")
    if isinstance(versions, dict):
        parts.append(", ".join(f"{name} {number}" for name, number in versions.items()))
    return f"<p class='about'>{html.escape('; '.join(parts))}</p>"


def _kind(path: Path) -> str:
    """What a figure is of: those of several cases are numbered."""
    return re.sub(r"_\d+$", "", path.stem)


def _place(path: Path) -> tuple[int, Path]:
    """Place of a figure on the page: as captions are, others behind."""
    kinds = list(_CAPTIONS)
    return (kinds.index(_kind(path)) if _kind(path) in kinds else len(kinds)), path


def _figure(path: Path) -> str:
    content = _read(path)
    if content is None:
        return _left_out(path)
    kind = _kind(path)
    caption = html.escape(_CAPTIONS.get(kind, kind.replace("_", " ")))
    data = base64.b64encode(content).decode()
    return (
        f"<figure><img alt='{caption}' src='data:image/png;base64,{data}'><figcaption>{caption}</figcaption></figure>"
    )


def _gains(path: Path) -> str:
    content = _json(path)
    shown = gains_table(content) if isinstance(content, dict) else ""
    return f"<h3>Gain over {html.escape(str(content.get('reference')))}</h3>{shown}" if shown else ""


def _map(path: Path | None) -> str:
    places = read_places(_json(path))
    return "" if places is None else map_figure(places)


def _table(path: Path | None) -> str:
    if path is None:
        return ""
    text = _text(path)
    if text is None:
        return _left_out(path)
    return (decisions_table if path.name in TABLES else results_table)(path.name, text)
