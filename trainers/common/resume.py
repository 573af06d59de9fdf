"""Checkpoints of Lightning's: written as a whole with a digest, and looked at before a training is resumed from one."""

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from hetgraph.files import write_file

MOST_BYTES = 1 << 34  # a replay memory of millions of rows stays below
MARK = b"hetgraph sha256 "  # begins the archive's comment, which the digest of all before ends
COMMENT_BYTES = len(MARK) + 2 * hashlib.sha256().digest_size
CHUNK_BYTES = 1 << 24


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place, with a digest, flush and rename it.

    Lightning moves it from the folder of temporary files, which copies where that is another disk: a killed run would leave half of
    it, and nothing to resume from. The digest is the comment of the zip archive that ``torch.save`` writes.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write.

        Raises:
            OSError: no room, or no leave to write; what stood at ``path`` stays.
        """
        file = io.BytesIO()
        torch.save(checkpoint, file)
        content = file.getvalue()[:-2] + COMMENT_BYTES.to_bytes(2, "little")  # length of the comment, at the very end
        digest = hashlib.sha256(content).hexdigest()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content + MARK + digest.encode())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Content of a checkpoint to resume from, read with ``weights_only=True``, so that nothing of it is executed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no checkpoint, or one that would run code when loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: got no such file, {_EXPECTED}")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: got {path.stat().st_size} bytes, expected at most {MOST_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the refusal below says it in one sentence
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # of a forged file, which may raise anything
        raise ValueError(f"{path}: got a file that is no plain checkpoint, expected tensors and numbers") from None
    if not isinstance(content, dict) or "state_dict" not in content or "loops" not in content:
        raise ValueError(f"{path}: got a file without state_dict and loops, {_EXPECTED}")
    return content


_EXPECTED = "expected last.ckpt of `hetgraph fit`"


def _check_digest(path: Path, file: BinaryIO) -> None:
    """Refuse content that `hetgraph fit` did not write, or that is damaged."""
    size = file.seek(0, os.SEEK_END) - COMMENT_BYTES
    file.seek(max(size, 0))
    comment = file.read()
    if not comment.startswith(MARK):
        raise ValueError(f"{path}: got a foreign or damaged file, {_EXPECTED}")
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0:
        chunk = file.read(min(size, CHUNK_BYTES))
        digest.update(chunk)
        size -= len(chunk)
    if comment != MARK + digest.hexdigest().encode():
        raise ValueError(f"{path}: got content that is not that of its digest, expected an undamaged file")


def check_resumable(path: str | Path) -> None:
    """Refuse a checkpoint that training cannot go on from.

    Args:
        path: of the checkpoint.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign or damaged checkpoint, one that :func:`read_checkpoint` refuses, one with weights that are not finite,
            or with tensors larger than what the file holds of them.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size <= MOST_BYTES:
        with path.open("rb") as file:
            _check_digest(path, file)
    content = read_checkpoint(path)
    for name, value in _tensors(content, ""):
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f"{path}: got {name} of {value.numel()} elements, expected those that are in the file")
    for name, value in content["state_dict"].items():
        if isinstance(value, Tensor) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{path}: got weights {name} that are not finite, expected finite ones")


def _tensors(value: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """All tensors of nested tables and lists."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _tensors(each, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _tensors(each, f"{path}/{number}")
