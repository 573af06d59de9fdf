"""``hetgraph doctor``: whether an installation works, and what files are and how they would be read."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from hetgraph.trainers.common.arguments import Parser, parse

_WIDTH = 22  # of the names of checks


def run(arguments: Sequence[str]) -> int:
    """Check the installation, or describe files; 2 where something is wrong, each fault in one sentence."""
    parser = Parser("hetgraph doctor", "Check the installation, or say what files are and how they would be read.")
    parser.add_argument("files", nargs="*", help="files and folders; without any the installation is checked")
    files = [Path(each) for each in parse(parser, arguments).files]
    return describe_files(files) if files else check_installation()


def check_installation() -> int:
    """Versions, extras, devices, plugins and small runs."""
    from hetgraph.trainers.doctor.installation import (
        Check,
        device_checks,
        extra_checks,
        plugin_checks,
        version_checks,
    )
    from hetgraph.trainers.doctor.trials import trial_checks

    faults = 0
    parts: dict[str, Iterable[Check]] = {
        "packages (the range that hetgraph asks for)": version_checks(),
        "extras": extra_checks(),
        "machine": device_checks(),
        "registered names": plugin_checks(),
        "small runs": trial_checks(),
    }
    for title, checks in parts.items():
        _say(f"{title}:")
        for each in checks:
            faults += bool(each.error)
            _say(f"  {each.name:{_WIDTH}} {each.error or each.text}")
            if each.error:
                sys.stderr.write(f"hetgraph: error: {each.name}: {each.error}\n")
    _say(f"{faults} faults" if faults else "everything that was checked works")
    return 2 if faults else 0


def describe_files(files: Sequence[Path]) -> int:
    """Each file by itself, then the network where there is one file of sites, and one of users or a map of traffic."""
    from hetgraph.trainers.cli import sentence
    from hetgraph.trainers.doctor.description import Description
    from hetgraph.trainers.doctor.kinds import describe
    from hetgraph.trainers.doctor.networks import SITE_KIND, USER_KIND, describe_network
    from hetgraph.trainers.doctor.traffic import TRAFFIC_KIND

    known, faults = list[Description](), 0
    for path in files:
        try:
            known.append(describe(path))
        except (ValueError, OSError) as error:
            faults += 1
            sys.stderr.write(f"hetgraph: error: {sentence(error)}\n")
        else:
            _say(*known[-1].lines(), "")
    sites, users, maps = (
        [each.path for each in known if each.kind.startswith(kind)] for kind in (SITE_KIND, USER_KIND, TRAFFIC_KIND)
    )
    if len(sites) == 1 and len(users) + len(maps) == 1:
        try:
            _say(*describe_network(sites[0], next(iter(users), None), next(iter(maps), None)).lines(), "")
        except ValueError as error:
            faults += 1
            sys.stderr.write(f"hetgraph: error: {sentence(error)}\n")
    return 2 if faults else 0


def _say(*lines: str) -> None:
    """Lines, written at once, before errors."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
