"""Arrays of an npz, none of which takes memory before its size is known to be that of the file."""

import math
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 34  # of an array
_MOST_SQUEEZED = 1032  # bytes that deflate makes of one


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz, by name; nothing in the file is executed.

    Raises:
        ValueError: no regular file, another format, an array of objects, or one larger than its file has.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _Claim(f"{path}: got a folder, pipe or device, expected an npz")
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return {info.filename.removesuffix(".npy"): _array(path, archive, info) for info in archive.infolist()}
    except _Claim as claim:
        raise ValueError(str(claim)) from None
    except (ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError, EOFError):
        raise ValueError(f"{path}: got a file that is no plain npz, expected arrays without pickled objects") from None


class _Claim(Exception):
    """A file, or a size in it, that is not what it must be."""


def _array(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    size = math.prod(shape) * dtype.itemsize
    most = min(info.file_size, _MOST_SQUEEZED * path.stat().st_size, MOST_BYTES)
    if size > most:
        name = info.filename.removesuffix(".npy")
        expected = f"at most the {most} bytes that the file has"
        raise _Claim(f"{path}: {name}: got the shape {shape} of {dtype}, {size} bytes, expected {expected}")
    with archive.open(info) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array
