"""Ship a checkpoint with the package: measure what its card promises, and write weights and card side by side."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hetgraph.files import write_file
from hetgraph.models.checkpoint import MODEL, build
from hetgraph.models.weights import read_weights
from hetgraph.serialization import build as dataclass_from
from hetgraph.serialization import plain
from hetgraph.trainers.common.policies import rules_of
from hetgraph.trainers.judge.model_check import measured
from hetgraph.trainers.tasks import task_names, task_of
from hetgraph.weights.card import NAME, Card, read_fields
from hetgraph.weights.shipped import CARD, WEIGHTS

RESULTS = "results"  # of a figure: the results.json that it is taken from


def ship(checkpoint: str, name: str, card: str, folder: Path, *, overwrite: bool = False) -> Card:
    """Write ``NAME.safetensors`` and ``NAME.json``.

    The weights stay whole, those of critics and scales among them: fine-tuning goes on from them.

    Args:
        checkpoint: file of weights.
        name: of the shipped model.
        card: YAML or JSON of the fields of :class:`~hetgraph.weights.card.Card` without what the file says (``name``, ``system``,
            ``task``, ``version``, ``commit``, ``weights``) and what is measured (``check.value``, ``check.seconds``). A figure may
            be ``{results: PATH, policy: ROW, metric: NAME}``, which takes it from the files of ``hetgraph compare``.
        folder: of both files.
        overwrite: replace a model of that name.

    Returns:
        the whole card.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a name that something else has, a file that is no checkpoint, or a card that lacks something.
    """
    _check_name(name, folder, overwrite)
    header, tensors = read_weights(checkpoint)
    content = Path(checkpoint).read_bytes()
    fields = read_fields(card) | {"name": name, "system": header.system, "task": header.task}
    fields |= {"version": header.version, "commit": header.commit}
    fields["weights"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "parameters": sum(value.numel() for each, value in tensors.items() if each.startswith(MODEL)),
    }
    if isinstance(fields.get("figures"), list):
        fields["figures"] = [_figure(each, f"card.figures[{i}]") for i, each in enumerate(fields["figures"])]
    if isinstance(fields.get("check"), dict):
        fields["check"] = fields["check"] | {"value": 0.0, "seconds": 0.0}
    whole: Card = dataclass_from(Card, fields, "card")
    value, seconds = measured(whole.task, whole.check, build(checkpoint, header, tensors).eval())
    whole = replace(whole, check=replace(whole.check, value=value, seconds=round(seconds, 1)))
    text = json.dumps(plain(whole), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_file(folder / f"{name}{WEIGHTS}", content)
    write_file(folder / f"{name}{CARD}", text.encode())
    return whole


def _check_name(name: str, folder: Path, overwrite: bool) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"--name: got {name!r}, expected small letters, digits and hyphens")
    for task in task_names():
        if name in rules_of(task_of(task)):
            raise ValueError(f"--name: got {name!r}, which is a rule of task {task}, expected a name of its own")
    if not folder.is_dir():
        raise ValueError(f"--folder: got {folder}, expected a folder")
    if (folder / f"{name}{WEIGHTS}").exists() and not overwrite:
        raise ValueError(f"--name: got {name!r}, which is there already, expected a new one, or --overwrite")


def _figure(figure: Any, where: str) -> Any:
    """A figure of a card; one that names results is taken from their row."""
    if not isinstance(figure, dict) or RESULTS not in figure:
        return figure
    known = {RESULTS, "policy", "metric", "where"}
    if set(figure) - known or not {"policy", "metric"} <= set(figure):
        raise ValueError(f"{where}: got {', '.join(figure)}, expected results, policy, metric and, for one case, where")
    path, metric = Path(str(figure[RESULTS])), str(figure["metric"])
    results = read_fields(path)
    try:
        rows = [row for row in results["rows"] if _is_of(row, figure["policy"], figure.get("where") or {})]
        if len(rows) != 1:
            raise ValueError(f"{where}: got {len(rows)} rows of {figure['policy']} in {path}, expected one; see where")
        (row,) = rows
        seeds = f", {row['seeds']} training seeds" if row["seeds"] > 1 else ""
        return {
            "metric": metric,
            **{name: row[f"{metric}{end}"] for name, end in (("value", ""), ("low", "_low"), ("high", "_high"))},
            "against": results["reference"],
            "networks": f"{row['networks']} networks of {_case(results, row)}{seeds}",
            "command": f"hetgraph {results['command'].partition(' ')[2]}",
            "date": results["date"][:10],
        }
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{where}: got {path} without {error}, expected a results.json of `hetgraph compare`"
        ) from None


def _case(results: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Title of the case that a row is of: each case has a row for every policy, one case after the other."""
    cases, rows = results["cases"], results["rows"]
    case: str = cases[rows.index(row) * len(cases) // len(rows)]
    return case


def _is_of(row: Mapping[str, Any], policy: Any, where: Mapping[str, Any]) -> bool:
    return row["policy"] == policy and all(row[name] == value for name, value in where.items())
