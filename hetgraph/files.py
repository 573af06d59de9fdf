"""Files that are there as a whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_file(path: str | Path, content: bytes) -> Path:
    """Write under a temporary name, flush, rename: a reader sees the old file or the whole new one.

    The temporary file has a name that nobody can foresee and is opened exclusively; a link at ``path`` is replaced, not followed.

    Raises:
        OSError: no room, or no leave to write; what stood at ``path`` stays.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # a temporary file is its owner's alone
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(f"{path}: got {error.strerror or error}, expected room and leave to write it") from error
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
