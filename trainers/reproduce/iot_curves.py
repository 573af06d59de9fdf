"""Figures 8 to 10: agents of small networks on larger and disturbed ones, as they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from hetgraph.trainers.iot.task import TASK
from hetgraph.trainers.judge.differences import curve_figure
from hetgraph.trainers.judge.plots import save
from hetgraph.trainers.reproduce.bench import Bench, rules
from hetgraph.trainers.reproduce.iot_own import OWN, TRUNK, run_of
from hetgraph.trainers.reproduce.iot_rivals import run
from hetgraph.trainers.reproduce.iot_tables import METHOD, STRONG, WMMSE, judged, scenario_of
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, Printed, trial_table

DRAWN = ("DQN-DDDPG", "MADDPG", "QMIX")  # rivals in the curves, as in the paper
RUNS = {METHOD: run_of(TRUNK, "small"), "unrolled, own view": run_of(OWN, "small")} | {
    name: run(name) for name in DRAWN
}
PANELS = ("throughput_bps", "bit_per_j", "qos_violation", "jain", "utilisation", "throughput_std_bps")
USERS, SUBCHANNELS, DISTURBANCE = (20.0, 60.0, 100.0, 200.0), (10.0, 20.0, 30.0, 50.0), (0.0, 3.0, 6.0, 12.0)


def users(bench: Bench) -> Section:
    """Figure 8: agents trained with 20 users on networks of 20 to 200."""
    printed = {
        200.0: {
            (METHOD, "qos_violation"): 16.82,
            ("DQN-DDDPG", "qos_violation"): 49.12,
            (WMMSE, "qos_violation"): 58.42,
        }
    }
    note = "Printed rates of a user at 200 users: 2.48, 1.42 (DQN-DDDPG) and 1.12 Mbit/s (WMMSE): throughput over users here."
    return curve(bench, "users", "users", USERS, printed, note)


def subchannels(bench: Bench) -> Section:
    """Figure 9: agents trained with 10 subchannels, with 10 to 50."""
    printed = {
        10.0: {(METHOD, "utilisation"): 98.52},
        50.0: {(METHOD, "utilisation"): 87.56, (WMMSE, "utilisation"): 70.18},
    }
    note = "Printed spectral efficiencies with 10 subchannels: 6.45, 5.22 (MADDPG), 4.85 (QMIX) bit/s/Hz; the band is undisclosed."
    return curve(bench, "subchannels", "subchannels", SUBCHANNELS, printed, note)


def disturbance(bench: Bench) -> Section:
    """Figure 10: channels disturbed by up to 12 dB."""
    printed = {
        12.0: {
            (METHOD, "throughput_std_bps"): 18.42,
            ("DQN-DDDPG", "throughput_std_bps"): 46.85,
            (WMMSE, "throughput_std_bps"): 49.52,
        }
    }
    note = "Printed variances of the return at 12 dB: 3.24e3, 9.45e3 (DQN-DDDPG), 7.15e3 (MADDPG), in a reward that is not disclosed."
    return curve(bench, "disturbance_db", "disturbance, dB", DISTURBANCE, printed, note)


def curve(
    bench: Bench, argument: str, label: str, numbers: Sequence[float], printed: Mapping[float, Printed], note: str
) -> Section:
    """Indicators over a number of `iot-noma`; agents run as they are."""
    networks, slots = bench.count(40, 1), bench.count(100, 6)
    methods = bench.learned(RUNS, "untrained") | rules(TASK, WMMSE, STRONG, "own_view")
    trials = {
        n: judged(bench, scenario_of(bench, **_argument(argument, n)), methods, networks, slots)
        for n in numbers[:: bench.count(1, 2)]
    }
    figure = save(curve_figure(trials, label, PANELS), bench.figures, bench.figure()).stem
    measures = (
        *map(Measure, PANELS),
        *(Measure("throughput_bps", "ratio", to, ".3f", ".3f") for to in (WMMSE, STRONG)),
    )
    tables = [
        trial_table(trial, methods, f"{label} {n:g}", measures, printed=printed.get(n, {}))
        for n, trial in trials.items()
    ]
    return Section(
        tuple(tables), (note,), {figure: f"indicators over {label}"}, f"{networks} networks each, {slots} slots"
    )


def _argument(name: str, value: float) -> dict[str, Any]:
    return {name: value}
