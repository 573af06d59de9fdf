"""Files that are written as a whole or not at all, and read within a bound; folders that one process at a time writes."""

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keep other processes that ask for the same folder waiting, of which a warning tells; a process that ends lets go of it."""
    from filelock import FileLock, Timeout  # only writers of folders need it

    lock = FileLock(Path(folder) / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        text = f"{folder}: another process is writing it; waiting for it to end"
        warnings.warn(text, stacklevel=3)  # the place of the `with` statement, behind contextlib
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_file(path: str | Path, most_bytes: int) -> bytes | None:
    """Content of a regular file; ``None`` for a link, what is no file or cannot be read, and what has more bytes.

    Args:
        path: of the file; a link in a folder that is read for somebody is not followed.
        most_bytes: that are read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe without a writer does not wait
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(handle)
    return content if len(content) <= most_bytes else None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
