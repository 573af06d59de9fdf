"""Trace files of a folder, and their split."""

from pathlib import Path

import torch

from hetgraph.datasets.lte_table import format_of
from hetgraph.datasets.lte_trace import generations_of

_LEFTOVERS = "__MACOSX"  # folder of macOS's own files in archives


def trace_files(root: Path, generation: str | None) -> list[Path]:
    """Files with rows of one generation, by name: a file, or all traces in a folder and below.

    In a folder every ``*.csv`` must be a trace; a ``*.txt`` that is none, such as a description, is passed over, as is what macOS
    leaves in archives (``__MACOSX``, ``._*``).

    Raises:
        FileNotFoundError: no such folder or file.
        ValueError: no trace, a file that is none, or both generations where none was asked for.
    """
    if generation not in (None, "4G", "5G"):
        raise ValueError(f"generation: got {generation!r}, expected '4G' or '5G'")
    if not root.exists():
        raise FileNotFoundError(f"{root}: got no such folder or file, expected traces")
    kinds: dict[str, list[Path]] = {"4G": [], "5G": []}
    for path in _candidates(root):
        for kind in generations_of(path):
            kinds[kind].append(path)
    if generation is None and all(kinds.values()):
        got = " and ".join(f"{len(files)} traces of {kind}" for kind, files in kinds.items())
        raise ValueError(f"{root}: got {got}, expected one kind: choose by generation='4G' or generation='5G'")
    traces = kinds[generation] if generation else kinds["4G"] + kinds["5G"]
    if not traces:
        raise ValueError(f"{root}: got no {generation or '4G or 5G'} trace (*.csv, *.txt), expected at least one")
    return traces


def _candidates(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    paths = [path for suffix in ("csv", "txt") for path in root.rglob(f"*.{suffix}")]
    inside = {path: path.relative_to(root).parts for path in paths}
    paths = [p for p in paths if _LEFTOVERS not in inside[p] and not any(part.startswith(".") for part in inside[p])]
    return sorted(path for path in paths if path.suffix == ".csv" or _is_trace(path))


def _is_trace(path: Path) -> bool:
    try:
        format_of(path)
    except ValueError:
        return False
    return True


def split_files(
    files: list[Path], *, seed: int = 0, shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
) -> dict[str, list[Path]]:
    """Files for ``train``, ``val`` and ``test``, none of them in two, and ``all``.

    The files are shuffled by the seed; the last are for the test, those before for validation. Of two files one is for the
    test, of three one for each.

    Args:
        files: in any order.
        seed: of the shuffle.
        shares: of the files for training, validation and test.

    Raises:
        ValueError: shares that are negative or do not add up to one.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or shares[0] == 0:
        raise ValueError(f"shares: got {shares}, expected three that add up to 1, the first above 0")
    ordered = sorted(files)
    n = len(ordered)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    test = max(round(shares[2] * n), int(n > 1 and shares[2] > 0))
    val = max(round(shares[1] * n), int(n > 2 and shares[1] > 0))
    val, test = min(val, max(n - test - 1, 0)), min(test, n - 1)
    parts = {"train": order[: n - val - test], "val": order[n - val - test : n - test], "test": order[n - test :]}
    return {name: sorted(ordered[i] for i in part) for name, part in parts.items()} | {"all": ordered}
