"""Antenna patterns, drive tests, gain matrices, ray tracing and scenarios."""

import zipfile
from pathlib import Path

import numpy as np
import yaml

from hetgraph.graph import Scenario, from_npz
from hetgraph.graph.source import Given
from hetgraph.trainers.doctor.description import Description, plural


def describe_pattern(path: Path) -> Description:
    """Gain, beamwidths and tilt of an antenna.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no pattern file.
    """
    from hetgraph.channel import read_pattern

    pattern = read_pattern(path)
    widths = " and ".join(
        f"{_width_deg(cut):.0f} degrees {way}"
        for way, cut in (("wide", pattern.horizontal_db), ("high", pattern.vertical_db))
    )
    facts = [
        f"{pattern.name}: {pattern.gain_max_dbi:.2f} dBi at the peak, half-power beam {widths}",
        f"electrical tilt {pattern.tilt_deg:g} degrees, front-to-back ratio {_at(pattern.horizontal_db, 180):.1f} dB",
    ]
    use = f"a file of sites beside it, with {path.name} or {path.stem} in its column antenna"
    return Description(path, "antenna pattern (Planet format)", facts, commands=[use])


def describe_drive_test(path: Path) -> Description:
    """Rows of a log or a folder of logs, kept and dropped.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: no drive test.
    """
    from hetgraph.datasets.lte_files import trace_files
    from hetgraph.datasets.lte_rows import clean, summary
    from hetgraph.datasets.lte_table import format_of
    from hetgraph.datasets.lte_trace import LTETrace, generations_of

    kinds = [kind for kind in ("4G", "5G") if any(kind in generations_of(each) for each in _traces(path))]
    facts, formats = [], set()
    for kind in kinds:
        files = trace_files(path, kind)
        cleaned = [clean(LTETrace.read(each, kind)) for each in files]
        carriers = {str(name) for rows, _ in cleaned for name in rows.carrier if name}
        cells = {str(name) for rows, _ in cleaned for name in rows.cell}
        formats |= {format_of(each).name for each in files}
        on = f" on {plural(len(carriers), 'carrier')}" if carriers else ""
        facts.append(f"{kind}, {plural(len(files), 'file')}: {plural(len(cells), 'cell')}{on}")
        facts.append(f"{kind}, {summary([report for _, report in cleaned])}")
    about = Description(path, f"drive tests: {', '.join(sorted(formats))}", facts)
    about.facts.append(
        "read: time, place, serving cell, its RSRP (dBm); cells on different carriers are in different networks"
    )
    chosen = f" --generation {kinds[-1]}" if len(kinds) > 1 else ""
    about.commands = [f"hetgraph compare handover --scenario {path}{chosen} --cells 22"]
    return about


def describe_gain(path: Path) -> Description:
    """Arrays of an npz, and the network that they are.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format.
    """
    graph = from_npz(path)
    with zipfile.ZipFile(path) as archive:
        arrays = [name.removesuffix(".npy") for name in archive.namelist()]
    unused = sorted(set(arrays) - {"gain", "noise_w", "power_max_w", "rb_bandwidth_hz"})
    gain_db = 10 * graph["bs", "channel", "ue"].gain.clamp_min(1e-30).log10()
    stations, blocks = graph["bs"].rb_power_max_w.shape
    facts = [
        f"{plural(stations, 'station')}, {plural(graph['ue'].num_nodes, 'user')}, {plural(blocks, 'resource block')}",
        f"gain [N, U, R]: {float(gain_db.min()):.1f} to {float(gain_db.max()):.1f} dB",
        f"power_max_w: {float(graph['bs'].power_max_w.min()):g} to {float(graph['bs'].power_max_w.max()):g} W",
        f"noise_w: {float(graph['ue'].noise_w.min()):g} to {float(graph['ue'].noise_w.max()):g} W",
    ]
    facts += [] if "rb_bandwidth_hz" in arrays else ["by default, since no array says so: rb_bandwidth_hz 1 Hz"]
    facts += [f"arrays that are not used: {', '.join(unused)}"] if unused else []
    return Description(path, "gain matrix (npz)", facts, commands=[f"hetgraph compare --gain {path}"])


def describe_ray_tracing(path: Path) -> Description:
    """Transmitters and receivers of a DeepMIMO folder.

    Raises:
        FileNotFoundError: no such folder, or a file of it.
        ValueError: another format.
    """
    from hetgraph.datasets.deepmimo_files import ScenarioSets

    sets = ScenarioSets.read(path)
    carrier = "unknown" if sets.carrier_hz is None else f"{sets.carrier_hz / 1e6:g} MHz"
    facts = [
        f"{plural(len(sets.transmitters), 'transmitter')}, {sum(sets.receivers.values())} receivers, "
        f"{plural(sets.scenes, 'scene')}, carrier {carrier}"
    ]
    use = f"a scenario's YAML with source: {{kind: deepmimo, path: {path}}}, or hetgraph.datasets.DeepMIMODataset('{path}')"
    return Description(path, "ray tracing (DeepMIMO v4)", facts, commands=[use])


def describe_yaml(path: Path) -> Description:
    """A scenario, or a configuration of `hetgraph fit`.

    Raises:
        ValueError: neither.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        values = None  # the reader of scenarios says what is wrong
    if isinstance(values, dict) and {"model", "data"} <= set(values):
        named = {
            part: values[part].get("class_path", "") if isinstance(values[part], dict) else ""
            for part in ("model", "data")
        }
        facts = [f"{part}: {text or 'without a class_path'}" for part, text in named.items()]
        return Description(path, "configuration of a training", facts, commands=[f"hetgraph fit --config {path}"])
    scenario = Scenario.from_yaml(path)
    given = scenario.source if isinstance(scenario.source, Given) else None
    drawn = (
        f"{plural(scenario.num_stations, 'station')} and {plural(scenario.users.count, 'user')} in "
        f"{scenario.layout.width_m:g} x {scenario.layout.height_m:g} m, drawn anew by each seed"
    )
    facts = [
        f"{scenario.name}: {drawn if given is None else f'networks of {given.kind}: {given.path}'}",
        "carriers: "
        + ", ".join(
            f"{each.carrier_hz / 1e6:g} MHz, {each.bandwidth_hz / 1e6:g} MHz wide, {plural(each.num_rbs, 'block')}"
            for each in scenario.carriers
        ),
    ]
    return Description(path, "scenario (YAML)", facts, commands=[f"hetgraph compare --scenario {path}"])


def _traces(path: Path) -> list[Path]:
    from hetgraph.datasets.lte_files import trace_files

    if path.is_file():
        return [path]
    out: list[Path] = []
    for kind in ("4G", "5G"):
        try:
            out += trace_files(path, kind)
        except ValueError as error:
            if "got no" not in str(error):
                raise
    if not out:
        trace_files(path, None)  # says that there is none
    return out


def _at(cut_db: tuple[float, ...], angle_deg: float) -> float:
    return float(cut_db[round(angle_deg * len(cut_db) / 360) % len(cut_db)])


def _width_deg(cut_db: tuple[float, ...]) -> float:
    """Angle between the half-power points on both sides of the peak."""
    cut = np.array(cut_db)
    below = np.roll(cut, -int(cut.argmin())) > 3.0
    if not below.any():
        return 360.0
    return float((below.argmax() + below[::-1].argmax()) * 360 / len(cut))
