"""Learned methods of IoT networks beside the classical ones: `learned`, `ablations`, `nothing`, `curves`, `oma`, `gap` of iot.py.

Checkpoints are runs/NAME-SEED/best.ckpt, with the names and options of RUNS; methods without checkpoints are left out.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph import load
from hetgraph.envs import IoTEnv
from hetgraph.envs.iot.max_weight import MaxWeight, Memory
from hetgraph.envs.iot.rules import at_station, deal, equal_power, max_rsrp
from hetgraph.envs.rollout import Trial
from hetgraph.graph.schema import Level
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot import priors
from hetgraph.models.iot.decision import Discrete
from hetgraph.radio import Policy, Schedule, iot_policy
from hetgraph.radio.schedule import budgeted
from hetgraph.radio.spectrum import spectrum_of
from hetgraph.solvers.layers import layer_gains, layered_wmmse
from hetgraph.trainers import compare, decision_cost
from hetgraph.trainers.cli import config_path
from hetgraph.trainers.iot.learning import episodes_to, learning_figure, training_returns
from hetgraph.trainers.iot.task import TASK, Options
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.differences import curve_figure
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.plots import save
from hetgraph.trainers.judge.trial import difference, markdown, markdown_differences, ratio

SEEDS, OUT = range(5), Path("runs/results/iot")
M, D, T = "--model.init_args.", "--data.init_args.", "--trainer."
METHOD = "MADDQN-DMADDPG"
# 396 rollouts of 12 slots of 8 networks, 8 steps of 24 rows on each: 38,016 slots of networks and 3,168 steps, where the others have
# 19,456 and 1,200 of 16 rows. The better of two settings on validation networks.
MAPPO = ["--model", "hetgraph.trainers.IoTMAPPO", f"{D}slots", "12", f"{D}num_envs", "8", f"{D}draws", "33"]
MAPPO += ["--model.lr", "2e-4", "--model.bid_lr", "0.1", "--model.deviation", "0.1", "--model.lam", "0.8"]
Runs = dict[str, tuple[str, list[str]]]  # method -> name of its runs, options
RIVALS: Runs = {
    "DQN-DDDPG": ("iot-central", [f"{M}scope", "central", f"{M}mixing", "mean"]),
    "MADDPG": ("iot-maddpg", [f"{M}discrete", "greedy", f"{M}twin", "false"]),
    "MADDPG, the rule's stations": ("iot-powers", [f"{M}discrete", "rule", f"{M}twin", "false"]),
    "QMIX": ("iot-qmix", [f"{M}power", "equal"]),
    "QMIX, the rule's powers": ("iot-bids", [f"{M}power", "rule"]),
    "MAPPO": ("iot-mappo", MAPPO),
}
ABLATIONS: Runs = {
    "no twin critic": ("iot-single", [f"{M}twin", "false"]),
    "no double Q": ("iot-max", [f"{M}double", "false"]),
    "no attention": ("iot-mean", [f"{M}attention", "false"]),
    "throughput only": ("iot-throughput", [f"{D}weights", "[1, 0, 0, 0, 0]"]),
}
RUNS: Runs = {METHOD: ("iot-noma", [])} | RIVALS | ABLATIONS
# The same as in the paper: no rule to begin with, no reports of users, the maximum over choices one of estimates. On networks small
# enough to learn all of it from nothing.
SMALL = yaml.safe_load(Path(config_path("iot-small")).read_text())["data"]["init_args"]["scenario"]
BARE = [f"{M}prior", "false", f"{M}reports", "false", f"{M}dueling", "false", f"{M}lr", "1e-3", f"{M}stop_window", "0"]
BARE += [f"{D}draws", "200", f"{D}episode_slots", "60", f"{T}max_epochs", "9"]
NOTHING: Runs = {
    name: (run.replace("iot-", "bare-"), [*BARE, *options])
    for name, (run, options) in RUNS.items()
    if name != "MAPPO" and "rule" not in name
}
CLASSICAL = ("proportional_fair", "wmmse_max_rsrp", "wmmse_pf", "wmmse_path_loss")
KPIS = tuple(column.kpi for column in TASK.columns)
DIFFERENCES = ("throughput_bps", "bit_per_j", "qos_violation", "return")
PANELS = ("throughput_bps", "bit_per_j", "qos_violation", "jain")
# Of the scenario's argument its label, the number in training, and the numbers of the curve.
CURVES: dict[str, tuple[str, float, tuple[float, ...]]] = {
    "users": ("users", 100, (20, 60, 100, 200)),
    "subchannels": ("subchannels", 20, (10, 20, 30, 50)),
    "disturbance_db": ("disturbance, dB", 0, (0, 3, 6, 12)),
}
DRAWN = ("DQN-DDDPG", "MADDPG", "QMIX")  # rivals in the curves, as in the paper


def commands() -> dict[str, list[str]]:
    """Training run -> its command; all of a scenario from the same configuration."""
    out = {}
    for config, runs in (("iot-noma", RUNS), ("iot-small", NOTHING)):
        for run, options in runs.values():
            for seed in SEEDS:
                where = ["--seed_everything", str(seed), f"{D}seed", str(seed)]
                where += [f"{T}default_root_dir", f"runs/{run}-{seed}"]
                out[f"{run}-{seed}"] = ["hetgraph", "fit", "--config", config, "--overwrite", "true", *where, *options]
    return out


def members(name: str, of: Runs = RUNS) -> list[HybridMADDPG]:
    """Best checkpoints of the training seeds that there are."""
    paths = [Path("runs") / f"{of[name][0]}-{seed}" / "best.ckpt" for seed in SEEDS]
    return [load(path) for path in paths if path.exists()]


def trained(names: Sequence[str], of: Runs = RUNS) -> dict[str, Sequence[Policy[Schedule]]]:
    """Methods that have checkpoints.

    Raises:
        SystemExit: the method itself has none.
    """
    found = {name: members(name, of) for name in (METHOD, *names)}
    if not found[METHOD]:
        raise SystemExit(f"runs/{of[METHOD][0]}-0/best.ckpt: got no such file, expected a checkpoint; train it first")
    return {name: policies for name, policies in found.items() if policies}


def judged(
    cases: Mapping[str, tuple[str, Mapping[str, Sequence[Policy[Schedule]]]]], networks: int, out: str, slots: int = 200
) -> dict[str, Trial]:
    """Trials of some cases, each of a scenario and policies; written to files, too."""
    torch.set_num_threads(1)
    trials = {}
    for case, (scenario, policies) in cases.items():
        (trials[case],), reference = compare(TASK, Options(scenario, layouts=networks, slots=slots), policies)
        trials[case].meta["keys"] = {"case": case, "scenario": scenario}
    write_trials(TASK, list(trials.values()), reference, OUT / out)
    return trials


def learned(networks: int = 16) -> None:
    """Figure 7 and Tables 3 and 4: learned and classical methods, paired differences, training, costs of a decision."""
    methods = trained(tuple(RIVALS)) | {"agents, untrained": [HybridMADDPG()]}
    methods |= {name: [iot_policy(name)] for name in CLASSICAL}
    trial = judged({"learned": ("iot-noma", methods)}, networks, "learned")["learned"]
    print(
        f"iot-noma, {networks} networks, {', '.join(f'{n} {len(m)}' for n, m in methods.items() if len(m) > 1)} seeds"
    )
    for text in (
        markdown(trial, KPIS),
        markdown_differences(trial, METHOD, DIFFERENCES),
        training(list(methods)),
        costs(methods),
    ):
        print(f"\n{text}", flush=True)
    over = ratio(trial, METHOD, "wmmse_max_rsrp", "throughput_bps")
    print(f"\nthroughput over wmmse_max_rsrp: {over.text('.3f', '.3f')} (the paper's method: 1.33)")


def ablations(networks: int = 16) -> None:
    """Table 2: the method, without one of its parts each, and MADDPG."""
    trial = judged({"ablations": ("iot-noma", trained((*ABLATIONS, "MADDPG")))}, networks, "ablations")["ablations"]
    for text in (markdown(trial, KPIS), markdown_differences(trial, METHOD, DIFFERENCES), training(list(trial.values))):
        print(f"\n{text}", flush=True)


def nothing(networks: int = 16) -> None:
    """Table 2 of agents that learn from nothing, on small networks."""
    methods = trained(tuple(NOTHING), NOTHING) | {name: [iot_policy(name)] for name in CLASSICAL}
    trial = judged({"nothing": (SMALL, methods)}, networks, "nothing")["nothing"]
    for text in (
        markdown(trial, KPIS),
        markdown_differences(trial, METHOD, DIFFERENCES),
        training(list(methods), NOTHING),
    ):
        print(f"\n{text}", flush=True)
    print(f"\n{save(learning_figure(returns_of(list(methods), NOTHING)), OUT, 'learning_from_nothing')}")


def returns_of(names: Sequence[str], of: Runs) -> dict[str, list[Any]]:
    """Of methods that were trained: returns of the episodes of each run."""
    returns: dict[str, list[Any]] = {}
    for name in names:
        # Returns are in the weights of a run's own reward: those of throughput alone are in another unit.
        counts = name in of and name != "throughput only"
        paths = [Path("runs") / f"{of[name][0]}-{seed}" / "last.ckpt" for seed in SEEDS] if counts else []
        if any(path.exists() for path in paths):
            returns[name] = [training_returns(path) for path in paths if path.exists()]
    return returns


def training(names: Sequence[str], of: Runs = RUNS) -> str:
    """Of the training runs: mean of the last 100 returns, their variance, episodes to 90% of the best method's, over seeds."""
    returns = returns_of(names, of)
    last = {name: np.array([row[-100:].mean() for row in rows]) for name, rows in returns.items()}
    goal = 0.9 * max((float(values.mean()) for values in last.values()), default=0.0)
    lines = ["| training | last returns | their variance | episodes to 90% of the best |\n|---|---|---|---|"]
    for name, rows in returns.items():
        # Each run has networks of its own: runs are the units.
        mean, spread = statistics.mean(last[name][:, None]), np.mean([row[-100:].var() for row in rows])
        needed = [episodes_to(row, goal) for row in rows]
        reached = [value for value in needed if value is not None]
        until = f"{np.mean(reached):.0f} ({len(reached)} of {len(rows)} runs)" if reached else "never"
        lines.append(f"| {name} | {mean.text()} | {spread:.3g} | {until} |")
    return "\n".join(lines)


def costs(methods: Mapping[str, Sequence[Policy[Schedule]]]) -> str:
    """Operations, time and exchange of a decision."""
    lines = ["| a decision | Mflop of matrix products | ms | kB exchanged |\n|---|---|---|---|"]
    env = IoTEnv("iot-noma", 1)
    for name, policies in methods.items():
        env.reset(seed=0)
        state = policies[0].initial_state(env.observe(policies[0].level))
        for _ in range(5):  # in the first slot nobody has been served yet
            action, state = policies[0].act(env.observe(policies[0].level), state, Generator().manual_seed(0))
            env.step(action)
        cost = decision_cost(policies[0], env.observe(policies[0].level), 20)
        lines.append(f"| {name} | {cost.flops / 1e6:.3g} | {cost.ms:.1f} | {cost.exchanged_kb:.3g} |")
    return "\n".join(lines)


def curves(networks: int = 8, slots: int = 100) -> None:
    """Figures 8 to 10: agents trained at 100 users, 20 subchannels and without disturbance, run as they are elsewhere."""
    methods = trained(DRAWN) | {name: [iot_policy(name)] for name in CLASSICAL[1:]}
    home = judged({"iot-noma": ("iot-noma", methods)}, networks, "curve-home", slots)["iot-noma"]
    for argument, (label, usual, numbers) in CURVES.items():
        cases = {f"{n:g}": (f"iot-noma:{argument}={n:g}", methods) for n in numbers if n != usual}
        trials = judged(cases, networks, f"curve-{argument}", slots) | {f"{usual:g}": home}
        print(save(curve_figure({float(n): t for n, t in trials.items()}, label, PANELS), OUT, f"curve_{argument}"))
        for number in sorted(trials, key=float):
            table = markdown(trials[number], PANELS)
            print(f"\n{label} {number}\n\n{table}", flush=True)


def oma(networks: int = 16) -> None:
    """The same agents and the strong classical policy with two users on a subchannel and with one."""
    methods = trained(()) | {name: [iot_policy(name)] for name in CLASSICAL[2:]}
    cases = {f"{s}, {u} users": (f"{s}:users={u}", methods) for u in (100, 200) for s in ("iot-noma", "iot-oma")}
    for case, trial in judged(cases, networks, "oma").items():
        print(f"\n{case}\n\n{markdown(trial, PANELS)}", flush=True)


Source = Literal["paper", "strong", "agents"]


class Parts(MaxWeight):
    """Association, clusters and powers, each of the paper's baseline, of the strong classical policy or of agents.

    Args:
        agents: the agents.
        association: max RSRP, PF, or theirs.
        clusters: dealt to the best users in turn, max-weight, or theirs.
        powers: sum-rate WMMSE, WMMSE by urgency, or theirs.
    """

    level: Level = "global"

    def __init__(self, agents: HybridMADDPG, association: Source, clusters: Source, powers: Source) -> None:
        super().__init__(
            every=10 if association == "strong" else sys.maxsize
        )  # the base class associates in slot 0 alone
        self.agents, self.association, self.clusters, self.powers = agents, association, clusters, powers

    @torch.inference_mode()
    def act(self, obs: HeteroData, state: Memory, generator: Generator | None) -> tuple[Schedule, Memory]:
        """Schedule of a slot."""
        self.views = self.agents.views(obs)
        self.states = self.agents.encode(self.views)
        if self.association == "agents":
            station = self.agents.choose(self.views, self.states).station
        elif self.association == "paper":
            station = max_rsrp(spectrum_of(obs))
        else:
            return super().act(obs, state, generator)
        memory = Memory(state.slot or 1, station, state.fading, state.correlation)
        return super().act(obs, memory, generator)

    def _schedule(self, view: Any, station: Any, gain: Any) -> Schedule:
        agents, views = self.agents, self.views
        sinr = priors.expected_sinr(views.spectrum, station)
        bid = agents.pair_bid(views, self.states, station, sinr)
        if self.clusters == "agents":
            user = agents.clusters(views, self.states, station, bid, sinr)
        elif self.clusters == "paper":
            user = deal(view, station, at_station(view, station, view.gain).mean(2))
        else:
            user, _ = self._fill(view, station, gain, at_station(view, station, view.candidate_interference_w()))
        choice = Discrete(station, user, self.states.station.new_zeros(()), bid, sinr)
        if self.powers == "agents":
            return Schedule(station, user, agents.shares(views, self.states, choice))
        if self.powers == "paper":
            gains = layer_gains(view.gain, user, view.noise_w, view.power_max_w)
            power = layered_wmmse(gains, (user >= 0).to(view.gain.dtype), equal_power(user).to(view.gain.dtype), 30)
            return Schedule(station, user, budgeted(power, view.cap))
        power, _ = self._powers(view, gain, user, equal_power(user).to(view.gain.dtype))
        return Schedule(station, user, budgeted(power, view.cap))


def gap(networks: int = 8) -> None:
    """Which part of the gap to WMMSE + max RSRP, and to the strong policy, is association, clusters and powers."""
    agents = members(METHOD)[:1] or [HybridMADDPG()]
    rivals: tuple[Source, ...] = ("paper", "strong")
    kinds: dict[str, Sequence[Policy[Schedule]]] = {"agents": agents}
    for rival in rivals:
        for place in range(3):
            one: list[Source] = ["agents"] * 3
            other: list[Source] = [rival] * 3
            one[place], other[place] = rival, "agents"
            for parts in (one, other):
                kinds[" + ".join(parts)] = [Parts(agents[0], *parts)]
        kinds[" + ".join([rival] * 3)] = [Parts(agents[0], rival, rival, rival)]
    trial = judged({"gap": ("iot-noma", kinds)}, networks, "gap")["gap"]
    print(
        "association + clusters + powers of the paper's baseline, of the strong policy (one filling) or of the agents\n"
    )
    print(markdown(trial, ("throughput_bps", "bit_per_j", "qos_violation", "handover_rate")))
    for rival in rivals:
        print(
            f"\n| gap of agents to {rival}, Mbit/s | given by the rival alone | taken from the rival alone |\n|---|---|---|"
        )
        for place, part in enumerate(("association", "clusters", "powers")):
            one, other = ["agents"] * 3, [rival] * 3
            one[place], other[place] = rival, "agents"
            lost = difference(trial, "agents", " + ".join(one), "throughput_bps").value / 1e6
            won = difference(trial, " + ".join(other), " + ".join([rival] * 3), "throughput_bps").value / 1e6
            print(f"| {part} | {lost:+.1f} | {won:+.1f} |")
