"""Files whose headers claim more than the file has end in one sentence, without memory for it."""

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hetgraph.graph import from_npz, read_sites
from hetgraph.graph.npz import read_arrays


def claim(path: Path, shape: str, *, squeezed: int = zipfile.ZIP_DEFLATED, content: bytes = b"\0" * 64) -> None:
    """An npz whose array says that it has a shape."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", squeezed) as archive:
        for name in ("gain", "noise_w", "power_max_w"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content)


@pytest.mark.parametrize("shape", ["(1000000000000, 3, 1)", "(10, 100000000, 12)", "(99,)"])
def test_an_array_larger_than_its_file(tmp_path: Path, shape: str) -> None:
    claim(tmp_path / "g.npz", shape)
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"g\.npz: gain: got the shape .* bytes, expected at most the \d+ bytes"
    ) as caught:
        from_npz(tmp_path / "g.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000 and "\n" not in str(caught.value)


def test_arrays_are_numpys(tmp_path: Path) -> None:
    values = {"a": np.arange(12.0).reshape(3, 4).T, "b": np.array(3), "c": np.zeros((0, 2), dtype=np.int32)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **values)  # type: ignore[arg-type]
        for name, value in read_arrays(tmp_path / "x.npz").items():
            np.testing.assert_array_equal(value, values[name], strict=True)


def test_what_is_no_npz(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", tmp_path):
        with pytest.raises(ValueError, match="got a folder, pipe or device, expected an npz"):
            from_npz(path)
    buffer = io.BytesIO()
    np.savez(buffer, gain=np.array([{}], dtype=object))
    (tmp_path / "o.npz").write_bytes(buffer.getvalue())
    (tmp_path / "t.npz").write_bytes(buffer.getvalue()[:-30])
    for name in ("o.npz", "t.npz"):
        with pytest.raises(ValueError, match="got a file that is no plain npz"):
            from_npz(tmp_path / name)


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.csv")
    with pytest.raises(ValueError, match=r"s\.csv: got a pipe or device, expected a file"):
        read_sites(tmp_path / "s.csv")
