"""Files of weights: safetensors with a JSON header and a digest over both, of which nothing is executed or imported."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hetgraph.files import write_file
from hetgraph.weights.shipped import MOST_BYTES

KEY = "hetgraph"  # of the metadata that holds the header
FORMAT = 1
MOST_HEADER_BYTES = 1 << 22
ZIP = b"PK\x03\x04"  # how a file of torch.save begins; as a length it would be a header of 67 MB
_ZERO_DIGEST = "0" * 64


@dataclass(frozen=True)
class Header:
    """What a file of weights says of itself.

    Args:
        system: name of the model, see :func:`~hetgraph.models.register`.
        task: what the model decides.
        options: arguments of the model's constructor.
        schema_version: of the graphs that it reads.
        columns: names of the columns that it reads, of each store.
        scenario: name and digest of the scenario of its training.
        training: class and options of the module that trained it, to go on from.
        version: of hetgraph.
        commit: of the project's repository, where it was known.
    """

    system: str
    task: str
    options: dict[str, Any]
    schema_version: int
    columns: dict[str, Any] = field(default_factory=dict)
    scenario: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    commit: str = ""


def write_weights(path: str | Path, header: Header, tensors: Mapping[str, Tensor]) -> Path:
    """Write a file: under a temporary name, flushed and renamed, so that a reader sees the old file or the whole new one.

    Raises:
        ValueError: a tensor that is not finite; what stood at ``path`` stays.
        OSError: no room, or no leave to write.
    """
    path = Path(path)
    broken = _not_finite(tensors)
    if broken is not None:
        raise ValueError(f"{path}: got {broken} that is not finite, expected finite weights; not written")
    kept = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(tensors.items())}
    content = _serialise(header, kept, _ZERO_DIGEST)
    content = _serialise(header, kept, _digest(*_split(content)))
    return write_file(path, content)


def read_weights(path: str | Path) -> tuple[Header, dict[str, Tensor]]:
    """Header and tensors of a file that hetgraph wrote, whole and finite.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign, damaged or too large file, or one with weights that are not finite.
    """
    path = Path(path)
    content = _content(path)
    try:
        table, data = _split(content)
        stored = json.loads(table["__metadata__"][KEY])
        digest, version = stored.pop("sha256"), stored.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        what = "a pickle, which is never loaded," if content.startswith(b"\x80") else "a foreign or damaged file,"
        raise ValueError(f"{path}: got {what} {_EXPECTED}") from None
    if version != FORMAT:
        raise ValueError(f"{path}: got format {version!r} of weights, expected {FORMAT}")
    if digest != _digest(table, data):
        raise ValueError(f"{path}: got content that is not that of its digest, expected an undamaged file")
    try:
        header, tensors = Header(**stored), safetensors.torch.load(content)
    except (SafetensorError, TypeError, ValueError):
        raise ValueError(f"{path}: got a damaged file, {_EXPECTED}") from None
    broken = _not_finite(tensors)
    if broken is not None:
        raise ValueError(f"{path}: got {broken} that is not finite, expected finite weights")
    return header, tensors


_EXPECTED = "expected weights of `hetgraph fit` or `hetgraph finetune`, such as best.ckpt"


def _content(path: Path) -> bytes:
    """Bytes of a file whose size is bounded before anything is read."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: got no such file, {_EXPECTED}")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{path}: got {size} bytes, expected at most {MOST_BYTES}")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if content.startswith(ZIP):
        raise ValueError(
            f"{path}: got a checkpoint to resume training, or one from before version 0.2, {_EXPECTED}; "
            "`hetgraph fit --ckpt_path` resumes"
        )
    return content


def _split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Table of a safetensors file, and the bytes of its tensors, whose places and sizes must agree."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(MOST_HEADER_BYTES, len(content) - 8):
        raise ValueError("header")
    table = json.loads(content[8 : 8 + length].decode())
    data = memoryview(content)[8 + length :]
    end = 0
    for name, entry in table.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        if not 0 <= first <= last <= len(data) or math.prod(entry["shape"]) > len(data):
            raise ValueError("offsets")
        end = max(end, last)
    if end != len(data):
        raise ValueError("length")
    return table, data


def _digest(table: dict[str, Any], data: memoryview) -> str:
    """SHA-256 over the header without the digest, the places of tensors, and their bytes."""
    metadata = dict(table["__metadata__"])
    stored = json.loads(metadata.pop(KEY))
    stored.pop("sha256", None)
    places = {name: entry for name, entry in table.items() if name != "__metadata__"}
    text = json.dumps([metadata, stored, places], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode())
    digest.update(data)
    return digest.hexdigest()


def _serialise(header: Header, tensors: dict[str, Tensor], digest: str) -> bytes:
    stored = asdict(header) | {"format": FORMAT, "sha256": digest}
    text = json.dumps(stored, sort_keys=True, allow_nan=False)
    content: bytes = safetensors.torch.save(tensors, {KEY: text})
    return content


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return None
