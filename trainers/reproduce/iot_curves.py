"""Figures 8 to 10, and imperfect cancellation: agents of small networks on larger and disturbed ones, as they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import Trial
from hetgraph.trainers.iot.task import TASK
from hetgraph.trainers.judge.differences import curve_figure
from hetgraph.trainers.judge.plots import save
from hetgraph.trainers.reproduce.bench import Bench, Methods, rules
from hetgraph.trainers.reproduce.iot_own import OWN, SMALL, TRUNK, run_of
from hetgraph.trainers.reproduce.iot_rivals import run
from hetgraph.trainers.reproduce.iot_tables import METHOD, STRONG, WMMSE, judged, scenario_of
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, Printed, trial_table

DRAWN = ("DQN-DDDPG", "MADDPG", "QMIX")  # rivals in the curves, as in the paper
RUNS = {METHOD: run_of(TRUNK, "small"), "unrolled, own view": run_of(OWN, "small")} | {
    name: run(name) for name in DRAWN
}
SERVED = ("throughput_bps", "bit_per_j", "qos_violation")
USER, BAND, STABLE = "mean_rate_bps", "spectral_efficiency", ("throughput_std_bps", "return_variance")
USERS, SUBCHANNELS, DISTURBANCE = (20.0, 60.0, 100.0, 200.0), (10.0, 20.0, 30.0, 50.0), (0.0, 3.0, 6.0, 12.0)
RESIDUALS = (0.0, 0.01, 0.03, 0.1)


def users(bench: Bench) -> Section:
    """Figure 8: agents trained with 20 users on networks of 20 to 200."""
    printed = {
        200.0: {
            (METHOD, USER): 2.48,
            ("DQN-DDDPG", USER): 1.42,
            (WMMSE, USER): 1.12,
            (METHOD, "qos_violation"): 16.82,
            ("DQN-DDDPG", "qos_violation"): 49.12,
            (WMMSE, "qos_violation"): 58.42,
        }
    }
    panels = (USER, "qos_violation", "bit_per_j", "jain")
    return _curve(bench, "users", "users", USERS, printed, panels)


def subchannels(bench: Bench) -> Section:
    """Figure 9: agents trained with 10 subchannels, with 10 to 50."""
    printed = {
        10.0: {
            (METHOD, BAND): 6.45,
            ("MADDPG", BAND): 5.22,
            ("QMIX", BAND): 4.85,
            (METHOD, "utilisation"): 98.52,
        },
        50.0: {(METHOD, "utilisation"): 87.56, (WMMSE, "utilisation"): 70.18},
    }
    note = "Subchannels share one band; spectral efficiency is the throughput over it and the stations. The paper's is undisclosed."
    return _curve(bench, "subchannels", "subchannels", SUBCHANNELS, printed, (BAND, "utilisation", *SERVED[1:]), note)


def disturbance(bench: Bench) -> Section:
    """Figure 10: channels disturbed by up to 12 dB."""
    printed = {
        12.0: {
            (METHOD, STABLE[0]): 18.42,
            ("DQN-DDDPG", STABLE[0]): 46.85,
            (WMMSE, STABLE[0]): 49.52,
            (METHOD, STABLE[1]): 3240,
            ("DQN-DDDPG", STABLE[1]): 9450,
            ("MADDPG", STABLE[1]): 7150,
        }
    }
    note = (
        "The disturbance is a Gauss-Markov process in dB with mean zero for each link, so that its mean as power grows with it."
        " The variance of the return is over networks; the paper's reward, and whose returns vary, are undisclosed."
    )
    return _curve(bench, "disturbance_db", "disturbance, dB", DISTURBANCE, printed, (*STABLE, *SERVED[1:]), note)


def cancellation(bench: Bench) -> Section:
    """Imperfect cancellation of the layers of a subchannel, of which nobody was told, and one user on a subchannel."""
    networks, slots = bench.count(40, 1), bench.count(200, 6)
    methods = _methods(bench)
    alone = SMALL.replace("iot-noma", "iot-oma")
    trials = {part: judged(bench, SMALL, methods, networks, slots, part) for part in RESIDUALS[:: bench.count(1, 3)]}
    beside = tuple(Measure(kpi, "ratio", STRONG, ".3f", ".3f") for kpi in SERVED[:2])
    measures = (*map(Measure, SERVED), *beside, Measure("jain"), Measure("utilisation"))
    tables = [trial_table(trial, methods, f"residual {part:g}", measures) for part, trial in trials.items()]
    tables.append(
        trial_table(judged(bench, alone, methods, networks, slots), methods, "one user on a subchannel", measures)
    )
    figure = save(curve_figure(trials, "part that remains", (*SERVED, "utilisation")), bench.figures, bench.figure())
    note = (
        "The part of a cancelled layer's power that remains is known to no method: they decide as if nothing remained."
    )
    return Section(
        tuple(tables),
        (note,),
        {figure.stem: "indicators over the part of a cancelled layer that remains"},
        f"{networks} networks of {SMALL}, {slots} slots",
    )


def _methods(bench: Bench) -> Methods:
    return bench.learned(RUNS, "untrained") | rules(TASK, WMMSE, STRONG, "own_view")


def _curve(
    bench: Bench,
    argument: str,
    label: str,
    numbers: Sequence[float],
    printed: Mapping[float, Printed],
    panels: Sequence[str],
    *notes: str,
) -> Section:
    """Indicators over a number of `iot-noma`; agents run as they are."""
    networks, slots = bench.count(40, 2), bench.count(100, 6)
    methods, trials = _methods(bench), dict[float, Trial]()
    for n in numbers[:: bench.count(1, 2)]:
        scenario = scenario_of(bench, **_argument(argument, n))
        trials[n] = with_rates(judged(bench, scenario, methods, networks, slots), scenario)
    figure = save(curve_figure(trials, label, panels), bench.figures, bench.figure()).stem
    shown = dict.fromkeys((*SERVED, *panels))
    ratios = tuple(Measure("throughput_bps", "ratio", to, ".3f", ".3f") for to in (WMMSE, STRONG))
    tables = [
        trial_table(trial, methods, f"{label} {n:g}", (*map(Measure, shown), *ratios), printed=printed.get(n, {}))
        for n, trial in trials.items()
    ]
    return Section(
        tuple(tables), notes, {figure: f"indicators over {label}"}, f"{networks} networks each, {slots} slots"
    )


def with_rates(trial: Trial, scenario: str) -> Trial:
    """A trial with rates of a user, spectral efficiencies of a station, and what networks add to the variance of the return."""
    sizes = IoTEnv(scenario, 1).sizes
    band_hz = sizes.subchannels * sizes.subchannel_hz
    more = {}
    for name, kpis in trial.values.items():
        served, returned = kpis["throughput_bps"], kpis["return"].double()
        k = returned.shape[1]
        away = returned - returned.mean(1, keepdim=True)
        more[name] = {
            USER: served / sizes.users,
            BAND: served / (sizes.stations * band_hz),
            STABLE[1]: away.square() * k / max(k - 1, 1),  # whose mean is the unbiased variance
        }
    return trial.with_values(more)


def _argument(name: str, value: float) -> dict[str, Any]:
    return {name: value}
