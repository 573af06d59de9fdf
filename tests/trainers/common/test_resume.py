"""Checkpoints to resume from: whole or not at all, and nothing else is taken."""

import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from hetgraph.trainers.common.resume import WholeCheckpoints, check_resumable, read_checkpoint

CONTENT: dict[str, Any] = {
    "state_dict": {"weight": torch.arange(12.0).view(3, 4), "count": torch.tensor(3)},
    "loops": {"epoch": 2},
    "replay": {"rows": torch.ones(40, 3)},
}


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def saved(path: Path, **changes: Any) -> Path:
    WholeCheckpoints().save_checkpoint(CONTENT | changes, path)
    return path


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "run" / "last.ckpt")
    check_resumable(path)
    content = read_checkpoint(path)
    assert torch.equal(content["state_dict"]["weight"], CONTENT["state_dict"]["weight"])
    assert content["loops"] == {"epoch": 2}
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]
    assert torch.load(path, weights_only=True)["loops"] == {"epoch": 2}  # Lightning reads it in this way


def test_a_failed_write_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "last.ckpt")
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="expected room"):
        saved(path, loops={"epoch": 3})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_no_flipped_bit_and_no_part_of_a_file_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "last.ckpt")
    whole, draw = path.read_bytes(), random.Random(0)
    bad = [whole[: len(whole) * part // 20] for part in range(20)] + [whole + b"\0"]
    for _ in range(100):
        place, content = draw.randrange(8 * len(whole)), bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        bad.append(bytes(content))
    for damaged in bad:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"last\.ckpt: got .*, expected") as caught:
            check_resumable(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    path = saved(tmp_path / "last.ckpt", state_dict={"weight": torch.tensor([0.0, value])})
    with pytest.raises(ValueError, match="got weights weight that are not finite"):
        check_resumable(path)


def test_a_tensor_that_is_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    """One number that claims to be a million million: a copy of it would take all memory."""
    for where in ("state_dict", "replay"):
        path = saved(tmp_path / "last.ckpt", **{where: {"weight": torch.zeros(1).expand(10**12)}})
        with pytest.raises(ValueError, match=f"got /{where}/weight of 1000000000000 elements"):
            check_resumable(path)


def test_nothing_is_executed(tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "last.ckpt"
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(ValueError, match="got a foreign or damaged file"):
        check_resumable(path)
    torch.save(CONTENT | {"loops": Payload(mark)}, path)
    with pytest.raises(ValueError, match="got a foreign or damaged file"):
        check_resumable(path)
    saved(path, loops=Payload(mark))
    with pytest.raises(ValueError, match="got a file that is no plain checkpoint"):
        check_resumable(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()  # it would have run


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    for make in (lambda: None, path.mkdir, lambda: (path.rmdir(), os.mkfifo(path))):
        make()
        with pytest.raises(FileNotFoundError, match=r"last\.ckpt: got no such file, expected last\.ckpt of"):
            check_resumable(path)
    path.unlink()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="got a foreign or damaged file"):
        check_resumable(path)
    saved(path)
    torch.save({"a": 1}, tmp_path / "other")
    WholeCheckpoints().save_checkpoint({"a": 1}, path)
    with pytest.raises(ValueError, match="got a file without state_dict and loops"):
        check_resumable(path)
