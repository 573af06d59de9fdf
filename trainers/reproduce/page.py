"""The page of a system: every table and figure of its paper, rendered from the stored sections."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hetgraph.files import write_file
from hetgraph.trainers.judge.files import write_json
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.section import Section

WRITTEN = "Written by `hetgraph reproduce"
QUICK = "Quick run, which shows that everything works and nothing else: tiny trainings, few networks"


def store(folder: Path, experiment: str, content: Mapping[str, Any]) -> None:
    """Keep a section."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{experiment}.json", dict(content))


def stored(folder: Path, paper: Paper) -> dict[str, dict[str, Any]]:
    """Sections of a folder by experiment, in the order of the page.

    Raises:
        ValueError: a file that is not one of them.
    """
    out = {}
    for experiment in paper.experiments:
        path = folder / f"{experiment.name}.json"
        if path.exists():
            try:
                content = json.loads(path.read_text())
                Section.from_json(content["section"])
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(f"{path}: got no section, expected one that hetgraph reproduce wrote") from None
            out[experiment.name] = content
    return out


def check_place(page: Path, sections: Mapping[str, Mapping[str, Any]], quick: bool) -> None:
    """Refuse to write over another's page, or quick sections among full ones.

    Raises:
        ValueError: either.
    """
    if page.exists() and WRITTEN not in page.read_text(errors="replace")[:1000]:
        raise ValueError(f"--out: got {page.parent}, where {page.name} is somebody else's, expected another folder")
    for name, content in sections.items():
        if bool(content["quick"]) != quick:
            words = ("quick", "full") if content["quick"] else ("full", "quick")
            raise ValueError(
                f"--out: got {page.parent}, whose section {name} is of a {words[0]} run, expected one of {words[1]} runs"
            )


def write_page(page: Path, paper: Paper, sections: Mapping[str, Mapping[str, Any]], quick: bool) -> None:
    """Write a system's page, figures by paths from there."""
    write_file(page, render(paper, sections, quick).encode())


def render(paper: Paper, sections: Mapping[str, Mapping[str, Any]], quick: bool) -> str:
    """The page as Markdown."""
    lines = [f"# {QUICK}. {paper.title}" if quick else f"# {paper.title}", ""]
    lines += [
        f"{WRITTEN} {paper.name}`; the same as JSON is in [{paper.name}/]({paper.name}/). The paper: {paper.source}.",
        "",
    ]
    lines += [
        "Rows are **rule**, **learned from nothing**, **rule + learned** or **paper's own constants**. ± is half a 95% interval over"
        " training seeds and test networks together; differences and ratios are paired on networks. Printed values stand beside ours.",
        "",
    ]
    lines += [line for note in paper.notes for line in (note, "")]
    lines += contents(paper, sections)
    for experiment in paper.experiments:
        if experiment.name in sections:
            lines += ["", *_section(paper, experiment, sections[experiment.name])]
    return "\n".join(lines).rstrip() + "\n"


def contents(paper: Paper, sections: Mapping[str, Any]) -> list[str]:
    """Every table and figure of the paper: where it is, or why it is not."""
    lines = ["| of the paper | here |", "|---|---|"]
    rows: dict[str, list[str]] = {place: [why] for place, why in paper.absent.items()}
    for experiment in paper.experiments:
        text = f"[{experiment.title}](#{anchor(experiment.title)})"
        if experiment.name not in sections:
            text = f"`--rows {experiment.name}` (not measured yet)"
        for place in experiment.place or ("beyond the paper",):
            rows.setdefault(place, []).append(text)
    return lines + [
        f"| {place} | {'; '.join(dict.fromkeys(texts))} |" for place, texts in sorted(rows.items(), key=_order)
    ]


def _order(item: tuple[str, list[str]]) -> tuple[str, int, str]:
    """Figures, tables, the rest; by number."""
    kind, _, number = item[0].partition(" ")
    roman = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6}
    digits = "".join(sign for sign in number if sign.isdigit())
    return (kind, int(digits) if digits else roman.get(number, 99), number)


def anchor(title: str) -> str:
    """Link to a heading."""
    return "".join(sign for sign in title.lower().replace(" ", "-") if sign.isalnum() or sign in "-_")


def _section(paper: Paper, experiment: Experiment, content: Mapping[str, Any]) -> list[str]:
    section = Section.from_json(content["section"])
    place = f" ({', '.join(experiment.place)})" if experiment.place else ""
    lines = [f"## {experiment.title}", ""]
    lines += [f"*{place.strip()}*", ""] if place else []
    lines += [line for note in section.notes for line in (note, "")]
    for table in section.tables:
        lines += [table.markdown(), ""]
    for name, caption in section.figures.items():
        lines += [f"![{caption}]({paper.name}/{name}.png)", ""]
    return [*lines, *_provenance(content)]


def _provenance(content: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    head = f"<details><summary>{content['date']}, <code>{content['command']}</code></summary>"
    minutes = f"measured in {content['minutes']:.1f} min on {content['machine']}"
    lines = [f"Commit {content['commit']}; {versions}; {minutes}."]
    networks = content["section"]["networks"]
    lines += [f"Test networks: {networks}."] if networks else []
    for name, run in content["trainings"].items():
        each = ", ".join("?" if spent is None else f"{spent:.1f}" for spent in run["minutes"])
        seeds = ", ".join(map(str, run["seeds"]))
        lines.append(f"Training `{name}`: seeds {seeds}; {each} min on {', '.join(run['machines'])}.")
    return [head, "", "\n\n".join(lines), "", "</details>"]
