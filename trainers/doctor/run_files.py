"""Checkpoints, folders of runs and of datasets; nothing that a file names is imported."""

import csv
import json
from pathlib import Path
from typing import Any

from hetgraph.trainers.doctor.description import Description, plural

BEST, LAST, METRICS, MANIFEST = "best.ckpt", "last.ckpt", "metrics.csv", "manifest.json"
RESULTS = ("results.json", "plan.json", "predict.json")
_MOST_BYTES = 1 << 26  # of a table or a JSON that is read here
_MOST_SHOWN = 12


def describe_checkpoint(path: Path) -> Description:
    """System, task, size and training of a file of weights.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that hetgraph did not write, or a damaged one.
    """
    from hetgraph.models.checkpoint import MODEL, systems
    from hetgraph.models.weights import read_weights

    header, tensors = read_weights(path)
    own = [value for name, value in tensors.items() if name.startswith(MODEL)]
    facts = [
        f"system {header.system} of task {header.task}: {sum(value.numel() for value in own)} weights in {len(own)} tensors",
        f"written by hetgraph {header.version}" + (f", commit {header.commit[:12]}" if header.commit else ""),
        "columns that it reads: "
        + ("; ".join(f"{store} {', '.join(names)}" for store, names in header.columns.items()) or "its own"),
    ]
    if header.scenario:
        ranges = header.scenario.get("range", {})
        sizes = ", ".join(f"{low:.4g} to {high:.4g} {name}" for name, (low, high) in ranges.items())
        facts.append(f"trained on {header.scenario.get('name', 'a scenario')}" + (f": {sizes}" if sizes else ""))
    about = Description(path, "checkpoint (weights)", facts)
    if header.system not in systems():
        about.warnings.append(
            f"got the system {header.system!r}, which is not installed here; --models module:attribute names it"
        )
    own_network = "--sites SITES.csv --users USERS.csv"
    about.commands = [
        f"hetgraph compare {header.task} --policies {path}",
        f"hetgraph finetune --ckpt {path} {own_network}",
        f"hetgraph plan --policy {path} {own_network}",
    ]
    return about


def describe_run(path: Path) -> Description:
    """Weights, epochs and results of a folder.

    Raises:
        ValueError: a table or weights in it that cannot be read.
    """
    about = Description(path, "folder of a run")
    if (path / METRICS).is_file():
        with _opened(path / METRICS) as file:
            epochs = [row.get("epoch") for row in csv.DictReader(file)]
        last = max((int(float(each)) for each in epochs if each), default=-1)
        about.facts.append(f"{METRICS}: {plural(len(epochs), 'row')}, {plural(last + 1, 'epoch')}")
    for name in RESULTS:
        if (path / name).is_file():
            about.facts.append(f"{name}: {_results(path / name)}")
    if (path / BEST).is_file():
        weights = describe_checkpoint(path / BEST)
        about.facts.append(f"{BEST}: {weights.facts[0]}")
        about.warnings += weights.warnings
        about.commands += weights.commands
    if (path / LAST).exists():
        about.facts.append(f"{LAST}: to resume training with --ckpt_path")
    files = sorted(each.name for each in path.iterdir() if each.suffix in (".png", ".csv", ".geojson", ".html"))
    if files:
        more = f" and {len(files) - _MOST_SHOWN} more" if len(files) > _MOST_SHOWN else ""
        about.facts.append(f"tables and figures: {', '.join(files[:_MOST_SHOWN])}{more}")
    about.commands.append(f"hetgraph report {path}")
    return about


def describe_dataset(path: Path) -> Description:
    """Networks of a folder of `hetgraph generate`.

    Raises:
        ValueError: a foreign, incomplete or altered folder.
    """
    from hetgraph.datasets import SnapshotDataset

    data = SnapshotDataset(path)
    facts = [f"{plural(len(data), 'network')} of {data.scenario.name}, labelled by {data.spec.teacher or 'nobody'}"]
    use = (
        f"a scenario's YAML with source: {{kind: graphs, path: {path}}}, or hetgraph.datasets.SnapshotDataset('{path}')"
    )
    return Description(path, "dataset of networks", facts, commands=[use])


def _results(path: Path) -> str:
    with _opened(path) as file:
        try:
            content: Any = json.load(file)
        except ValueError:
            raise ValueError(f"{path}: got text that is no JSON, expected results of hetgraph") from None
    content = content if isinstance(content, dict) else {}
    rows = content.get("rows")
    policies = [str(row.get("policy")) for row in rows] if isinstance(rows, list) else [str(content.get("policy"))]
    return f"task {content.get('task')}, policies {', '.join(dict.fromkeys(policies))}"


def _opened(path: Path) -> Any:
    """A text of bounded size.

    Raises:
        ValueError: a larger one.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{path}: got {size} bytes, expected at most {_MOST_BYTES}")
    return path.open(encoding="utf-8", errors="replace", newline="")
