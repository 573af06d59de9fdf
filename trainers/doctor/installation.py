"""Versions, extras, devices and plugins of this installation, against what its own metadata asks for."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

NAME = "hetgraph"
PURPOSES = {  # of the extras
    "env": "Gymnasium and PettingZoo faces of the environments",
    "report": "figures, and reports with figures",
    "tensorboard": "event files of trainings, beside metrics.csv",
    "hub": "weights from the Hugging Face Hub, hf://owner/repo/file",
    "export": "programs for ONNX Runtime; those of PyTorch need nothing more",
    "serve": "decisions over HTTP",
    "docs": "the documentation site",
    "oracle": "checks of path loss against Sionna, in tests",
    "scatter": "faster minima and maxima in PyG on a GPU",
    "test": "the tests of the project",
}


@dataclass(frozen=True)
class Check:
    """A line of the report.

    Args:
        name: what was looked at.
        text: what is there.
        error: ``got X, expected Y`` where something is wrong; empty where nothing is.
    """

    name: str
    text: str
    error: str = ""


def version_checks() -> Iterator[Check]:
    """Python and all required packages, each with the range that the metadata of hetgraph asks for."""
    metadata = distribution(NAME).metadata
    yield _in_range("python", platform.python_version(), SpecifierSet(metadata["Requires-Python"] or ""))
    for requirement in _requirements():
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _installed(requirement)


def extra_checks() -> Iterator[Check]:
    """Optional packages by the extra that has them; one that is missing is no fault, one of another version is."""
    extras: dict[str, list[Requirement]] = defaultdict(list)
    for extra in distribution(NAME).metadata.get_all("Provides-Extra") or ():
        for requirement in _requirements():
            wanted = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
            if wanted and requirement.name != NAME and not requirement.marker.evaluate({"extra": ""}):  # type: ignore[union-attr]
                extras[extra].append(requirement)
    for extra, requirements in extras.items():
        checks = [_installed(each) for each in requirements]
        missing = [each.name for each in checks if not each.text]
        state = f"not installed ({', '.join(missing)}): pip install '{NAME}[{extra}]'" if missing else "installed"
        wrong = [f"{each.name}: {each.error}" for each in checks if each.error and each.text]
        yield Check(f"[{extra}]", f"{PURPOSES.get(extra, 'optional packages')}; {state}", "; ".join(wrong))


def device_checks() -> Iterator[Check]:
    """Processors, threads and accelerators."""
    import torch

    limit = os.environ.get("OMP_NUM_THREADS")
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} processors"
    yield Check("threads", f"{threads}, OMP_NUM_THREADS {'not set' if limit is None else limit}")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    built = "" if torch.version.cuda is not None else "; this torch is built without CUDA"
    yield Check("devices", ", ".join(names) or f"no GPU{built}: networks train and decide on the CPU")


def plugin_checks() -> Iterator[Check]:
    """Rules, tasks, models and sources that are registered here, by entry-point group, and those that do not load."""
    groups = sorted(group for group in entry_points().groups if group.startswith(f"{NAME}."))
    for group in groups:
        points = sorted(entry_points(group=group), key=lambda point: point.name)
        wrong = []
        for point in points:
            try:
                point.load()
            except Exception as error:  # whatever a package of somebody else raises
                wrong.append(f"{point.name}: got {type(error).__name__} ({_first(error)}) of {point.value}")
        for each in wrong:
            yield Check(group, "", f"{each}, expected something that loads")
        yield Check(group, f"{len(points) - len(wrong)} of {len(points)} load")
    if not groups:
        yield Check("entry points", "", "got none, expected those of an installed package; pip install it again")


def _requirements() -> list[Requirement]:
    return [Requirement(text) for text in distribution(NAME).requires or ()]


def _installed(requirement: Requirement) -> Check:
    """A package that should be there; without a text where it is not."""
    try:
        got = version(requirement.name)
    except PackageNotFoundError:
        wanted = f" {requirement.specifier}" if requirement.specifier else ""
        return Check(requirement.name, "", f"got none, expected version{wanted}; pip install '{requirement}'")
    return _in_range(requirement.name, got, requirement.specifier)


def _in_range(name: str, got: str, wanted: SpecifierSet) -> Check:
    allowed = ",".join(sorted(map(str, wanted), reverse=True)) or "any"
    text = f"{got} ({allowed})"
    fits = wanted.contains(got, prereleases=True)
    return Check(name, text, "" if fits else f"got {got}, expected {allowed}")


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"
