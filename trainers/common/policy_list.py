"""Policies of a list on the command line."""

import glob
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def members(text: str, named: Callable[[str], T], loaded: Callable[[str], T]) -> dict[str, list[T]]:
    """Policies of a comma-separated list: names, checkpoints' paths, or ``name=path:path`` (``*`` allowed) for several seeds.

    Args:
        text: the list.
        named: policy of a name.
        loaded: policy of a checkpoint.

    Raises:
        ValueError: an unknown policy.
        FileNotFoundError: a checkpoint that does not exist.
    """
    out: dict[str, list[T]] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, paths = part.partition("=")
        if paths:
            found = [p for pattern in paths.split(":") for p in sorted(glob.glob(pattern)) or [pattern]]
            out[name] = [loaded(path) for path in found]
        elif part.endswith((".ckpt", ".safetensors")) or "/" in part:
            out[f"{Path(part).parent.name}/{Path(part).stem}"] = [loaded(part)]
        else:
            out[part] = [named(part)]
    return out
