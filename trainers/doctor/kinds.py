"""Which kind of file somebody has, by its suffix and its first bytes."""

import stat
from collections.abc import Callable
from pathlib import Path

from hetgraph.graph.csvfile import MOST_BYTES
from hetgraph.trainers.doctor.description import Description
from hetgraph.trainers.doctor.networks import SITE_KIND, USER_KIND, describe_sites, describe_users, kind_of_table
from hetgraph.trainers.doctor.radio_files import (
    describe_drive_test,
    describe_gain,
    describe_pattern,
    describe_ray_tracing,
    describe_yaml,
)
from hetgraph.trainers.doctor.run_files import (
    BEST,
    LAST,
    MANIFEST,
    METRICS,
    RESULTS,
    describe_checkpoint,
    describe_dataset,
    describe_run,
)
from hetgraph.trainers.doctor.traffic import TRAFFIC_KIND, describe_traffic

Describe = Callable[[Path], Description]
BY_SUFFIX: dict[str, Describe] = {
    ".msi": describe_pattern,
    ".pln": describe_pattern,
    ".ant": describe_pattern,
    ".ckpt": describe_checkpoint,
    ".safetensors": describe_checkpoint,
    ".npz": describe_gain,
    ".yaml": describe_yaml,
    ".yml": describe_yaml,
}
TABLES: dict[str, Describe] = {SITE_KIND: describe_sites, USER_KIND: describe_users, TRAFFIC_KIND: describe_traffic}
_KINDS = "sites, users, a map of traffic, an antenna pattern, drive tests, an npz, a checkpoint, a scenario or the folder of a run"


def describe(path: Path) -> Description:
    """What a file or a folder is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is none of those that hetgraph reads.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected {_KINDS}")
    if path.is_dir():
        return _folder(path)(path)
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(f"{path}: got a pipe or device, expected a file")
    if state.st_size > MOST_BYTES:
        raise ValueError(f"{path}: got {state.st_size} bytes, expected at most {MOST_BYTES}")
    return (BY_SUFFIX.get(path.suffix.lower()) or _text(path))(path)


def _folder(path: Path) -> Describe:
    if (path / MANIFEST).is_file():
        return describe_dataset
    if (path / "params.json").is_file():
        return describe_ray_tracing
    if any((path / name).exists() for name in (BEST, LAST, METRICS, *RESULTS)):
        return describe_run
    if any(True for suffix in ("csv", "txt") for _ in path.rglob(f"*.{suffix}")):
        return describe_drive_test
    return _other_folder


def _other_folder(path: Path) -> Description:
    """The reader of ray tracing tells folders of other ray tracers apart; a folder of nothing else has nothing for hetgraph."""
    try:
        return describe_ray_tracing(path)
    except FileNotFoundError:
        what = "drive tests (*.csv, *.txt), a run, a dataset of `hetgraph generate` or a scenario of DeepMIMO"
        raise ValueError(f"{path}: got a folder of other files, expected {what}") from None


def _text(path: Path) -> Describe:
    """Sites, users or a drive test: logs have place columns, too, and are known by their other ones."""
    from hetgraph.datasets.lte_table import format_of

    try:
        log = format_of(path)
    except (ValueError, OSError):
        log = None
    if log is not None and _has_header(path):
        return describe_drive_test
    try:
        return TABLES[kind_of_table(path)]
    except ValueError:
        if log is not None:
            return describe_drive_test
        raise


def _has_header(path: Path) -> bool:
    """Whether the first line names a place, as the header of a log does."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return "latitude" in file.readline(1 << 16).lower()
