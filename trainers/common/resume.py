"""Checkpoints of Lightning's: written as a whole, and looked at before a training is resumed from one."""

import io
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from hetgraph.files import write_file

MOST_BYTES = 1 << 34  # a replay memory of millions of rows stays below


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place, flush and rename it.

    Lightning moves it from the folder of temporary files, which copies where that is another disk: a killed run would leave half of
    it, and nothing to resume from.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write.

        Raises:
            OSError: no room, or no leave to write; what stood at ``path`` stays.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content.getvalue())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Content of a Lightning checkpoint, read with ``weights_only=True``, so that nothing of it is executed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no checkpoint, or one that would run code when loaded.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected a checkpoint")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: got {path.stat().st_size} bytes, expected at most {MOST_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the refusal below says it in one sentence
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path}: got a pickle that is no plain checkpoint, expected tensors and numbers; not loaded"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise ValueError(f"{path}: got a file that cannot be read ({reason}), expected a checkpoint") from None
    if not isinstance(content, dict) or "state_dict" not in content or "loops" not in content:
        raise ValueError(f"{path}: got a file without state_dict and loops, expected last.ckpt of a run")
    return content


def check_resumable(path: str | Path, module: str) -> None:
    """Refuse a checkpoint that training cannot go on from: a foreign or damaged one, or one with weights that are not finite.

    Args:
        path: of the checkpoint.
        module: class of the module that goes on, for the message.

    Raises:
        ValueError: such a checkpoint.
    """
    with zipfile.ZipFile(path) as file:
        broken = file.testzip()  # checksums of all parts, which torch.load does not look at
    if broken is not None:
        raise ValueError(f"{path}: got damaged content in {broken}, expected an undamaged checkpoint of {module}")
    for name, value in read_checkpoint(path)["state_dict"].items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{path}: got weights {name} that are not finite, expected finite ones")
