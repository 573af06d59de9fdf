"""Tables of delays: conflict graphs and cells with queues; names as in results.py.

Intervals are over training seeds and networks together, see :mod:`hetgraph.trainers.judge.statistics`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from results_snapshot import OUT, SEEDS, show

import hetgraph
from hetgraph.envs import ConflictEnv, rollout
from hetgraph.envs.queues.conflict_rules import QCSMA, GreedyMaximal, LongestLocalQueue
from hetgraph.envs.queues.delays import nearest_rank, tail_slots
from hetgraph.envs.queues.local_score import TUNED, LocalScore
from hetgraph.envs.queues.power_control import PowerControl
from hetgraph.envs.rollout import Trial
from hetgraph.radio import Policy, policy
from hetgraph.trainers import compare
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.trial import mean, ratio, table
from hetgraph.trainers.queues import task as queues


def conflict(slots: int = 5000, envs: int = 20) -> None:
    """Delays on the conflict graph, in slots: 20 episodes of 5,000 slots, packets that came before the last 200."""
    schedulers: dict[str, list[Policy]] = {
        s.name: [s] for s in (GreedyMaximal(), GreedyMaximal(paper=True), LongestLocalQueue(), QCSMA())
    }
    for kind in ("shared", "individual"):
        if Path(f"runs/conflict-{kind}-4/best.ckpt").exists():
            schedulers[f"MAPPO, {kind}"] = agents_of(f"conflict-{kind}")
    print(
        "| policy | load | mean | worst seed | worst episode | 99th pct. | max | longest queue |\n" + "|---" * 8 + "|"
    )
    for name, members in schedulers.items():
        for load in (0.3, 0.4, 0.5):
            rows, queues, table = [], [], []
            for policy_ in members:
                env = ConflictEnv(num_envs=envs, load=load, record=True, episode_slots=slots)
                rollout(env, {name: policy_}, seed=2_000_000)
                every = env.delays()
                queues.append(every.longest_queue())
                delays = every.before(slots - tail_slots(slots))
                each = [float(delays.of_network(i).total.mean()) for i in range(envs)]
                found = delays.summary()
                table.append(each)
                rows.append([found["mean"], max(each), found["p99"], found["max"]])
            mean, episode, p99, longest = np.array(rows).T
            cells = [show(statistics.mean(np.array(table)), ".4f"), f"{mean.max():.4f}", f"{episode.max():.4f}"]
            cells += [f"{p99.max():.0f}", f"{longest.max():.0f}", f"{max(queues):.0f}"]
            print(f"| {name} | {load} | {' | '.join(cells)} |", flush=True)


NETWORKS = {"random-19": (20.0, 25.0, 30.0), "hex-19": (15.0, 20.0, 25.0)}


def judged(scenario: str, load: float, policies: dict[str, list[Policy]], **more: int) -> Trial:
    """Trial of a load: delays of each network."""
    (trial,), _ = compare(queues.TASK, queues.Options(scenario, load=f"{load:g}", **more), policies)  # type: ignore[arg-type]
    return trial


def cells(layouts: int = 40, slots: int = 400, networks: Sequence[str] = tuple(NETWORKS)) -> None:
    """Delays in cells, ms, with what each policy knows; agents trained at heavy load only."""
    for network, loads in ((name, NETWORKS[name]) for name in networks):
        found = []
        for load in loads:
            policies = cell_policies(network, load) | trained("MAPPO", f"{network}-heavy")
            found.append(judged(network, load, policies, layouts=layouts, slots=slots))
            print_cells(found[-1], knowledge(policies))
        write_trials(queues.TASK, found, "lqf_subband", OUT / network)
        queues.TASK.figures(found, "lqf_subband", OUT / network)


def spread(layouts: int = 40, slots: int = 2000) -> None:
    """Longest queue first per subband on many layouts of the random network: how far layouts lie apart, ms."""
    print(
        "| load | mean of the median layout | 10th to 90th pct. of layouts | smallest | largest |\n|---|---|---|---|---|"
    )
    for load in NETWORKS["random-19"]:
        trial = judged("random-19", load, {"lqf": [policy("lqf_subband")]}, layouts=layouts, slots=slots)
        each = np.sort(table(trial, "lqf", "mean_delay_ms")[0])
        low, half, high = np.quantile(each, (0.1, 0.5, 0.9))
        print(f"| {load:g} | {half:.1f} | {low:.1f} to {high:.1f} | {each[0]:.1f} | {each[-1]:.1f} |", flush=True)


def larger(slots: int = 400) -> None:
    """Agents trained on 19 cells, on 61 and 127 of the same kind, without retraining."""
    for name, load in (
        ("hex-19:rings=4", 25.0),
        ("hex-19:rings=6", 25.0),
        ("random-19:stations=61", 20.0),
        ("random-19:stations=127", 20.0),
        ("random-19:stations=61", 30.0),
        ("random-19:stations=127", 30.0),
    ):
        network = name.split(":")[0]
        policies = {n: [policy(n)] for n in ("lqf_subband", "lqf_best", "max_weight_local")}
        policies |= {"local_score": [LocalScore(TUNED[network, load])]} | trained("MAPPO", f"{network}-heavy")
        print_cells(judged(name, load, policies, slots=slots, layouts=3, traffics=2), knowledge(policies))


UPPER = ("genie", "wmmse_genie")  # the better of the two is the upper reference
UNDECREMENTED = "wmmse_genie, share 0"  # all subbands with the queues of the slot's beginning


def cell_policies(network: str, load: float) -> dict[str, list[Policy]]:
    """What needs no training, with the local score tuned to this network and load; WMMSE and FP at three levels of knowledge."""
    names = ["lqf_subband", "lqf_best", "max_weight_local", "llq", "fair_itlinq", "genie"]
    names += [f"{method}_{level}" for method in ("wmmse", "fp") for level in ("genie", "global", "neighbourhood")]
    others: dict[str, list[Policy]] = {"local_score": [LocalScore(TUNED[network, load])]}
    return {name: [policy(name)] for name in names} | others | {UNDECREMENTED: [PowerControl("wmmse", share=0)]}


def knowledge(policies: dict[str, list[Policy]]) -> dict[str, str]:
    """Level of each policy."""
    return {name: members[0].level for name, members in policies.items()}


def agents_of(name: str) -> list[Policy]:
    """Best checkpoints of the training seeds that were run."""
    paths = [Path(f"runs/{name}-{seed}/best.ckpt") for seed in SEEDS]
    return [hetgraph.load(path) for path in paths if path.exists()]


def trained(label: str, name: str) -> dict[str, list[Policy]]:
    """A row of agents, none where no run of theirs is there."""
    found = agents_of(name)
    return {label: found} if found else {}


def pooled(trial: Trial, name: str, percent: int) -> float:
    """Percentile of the delays of all networks' packets together, mean over training seeds."""
    packets = [torch.cat([run.total for run in seed]).sort().values for seed in trial.details[name]]
    return float(np.mean([nearest_rank(ordered, percent) for ordered in packets]))


def print_cells(trial: Trial, levels: dict[str, str]) -> None:
    """Table of a trial, and paired ratios of the agents to what they are to beat and to the upper reference."""
    print(f"\n{trial.meta['title']} packets/s, {trial.meta['networks']} networks\n")
    columns = ("policy", "level", "mean, ms", "worst seed", "95th pct.", "99th pct.", "max", "waiting", "transmission")
    print(f"| {' | '.join(columns)} |\n" + "|---" * len(columns) + "|")
    for name in trial.values:
        worst = table(trial, name, "mean_delay_ms").mean(1).max()
        rest = [f"{pooled(trial, name, percent):.1f}" for percent in (95, 99, 100)]
        rest += [f"{mean(trial, name, part).value:.1f}" for part in ("waiting_ms", "transmission_ms")]
        cells = [name, levels[name], show(mean(trial, name, "mean_delay_ms"), ".2f"), f"{worst:.2f}", *rest]
        print(f"| {' | '.join(cells)} |", flush=True)
    if "MAPPO" not in trial.values:
        return
    over = {name: show(ratio(trial, "MAPPO", name, "mean_delay_ms"), ".3f") for name in trial.values if name != "MAPPO"}
    print("MAPPO over: " + ", ".join(f"{name} {text}" for name, text in over.items()))
    upper = [name for name in UPPER if name in trial.values]
    if upper:
        best = min(upper, key=lambda name: mean(trial, name, "mean_delay_ms").value)
        print(f"upper reference: {best}, MAPPO over it {over[best]}")
