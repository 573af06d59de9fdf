"""Sections of handovers with traffic: cells' offsets beside tuned rules, parts of the method, other sizes and traffic."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverTrafficEnv, rollout
from hetgraph.envs.handover.traffic_lookahead import OffsetLookahead
from hetgraph.envs.handover.traffic_named import a3 as tuned_a3
from hetgraph.envs.handover.traffic_named import best_expected_rate, dual_price
from hetgraph.envs.handover.traffic_named import mlb as tuned_mlb
from hetgraph.envs.handover.tuning import tune
from hetgraph.envs.rollout import Trial
from hetgraph.models.offset_qmix import CHANGE_DB
from hetgraph.radio.handover import HandoverAction
from hetgraph.trainers.common.networks import TEST, VALIDATION, networks_of
from hetgraph.trainers.handover.traffic_task import SCENARIO, TASK, Options, at_load
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.progress import late_counter
from hetgraph.trainers.judge.statistics import mean
from hetgraph.trainers.judge.trial import table
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table
from hetgraph.trainers.reproduce.tables import Measure, trial_table
from hetgraph.trainers.reproduce.trainings import D, M, options

LOADS = (2.5, 2.8, 3.1)  # Mbit/s a user
RULES = ("a3", "cre", "mlb", "best_expected_rate", "dual_price", "max_weight")
BEST = "mlb"  # of the rules that know no more than a neighbourhood
AGENTS = "QMIX of offsets"
WHOLE = "the whole method"
OWN_REWARD, NO_MESSAGES = "independent, own reward", "no messages"
CHANGES = {
    WHOLE: (),
    "messages of neighbours alone": options(M, hops=1),
    NO_MESSAGES: options(M, hops=0),
    "VDN": options(M, mixing="vdn"),
    "independent, the team's reward": options(M, mixing="independent"),
    OWN_REWARD: options(M, mixing="independent", local=True),
    "without a rule beside": options(D, control=""),
    "one step to the bootstrap": options(D, n_step=1),
    "no double estimate": options(M, double=False),
}
SHORT = 3  # epochs of these
LONG = {
    WHOLE: "qmix-traffic-first",
    OWN_REWARD: "qmix-traffic-long-own-reward",
    NO_MESSAGES: "qmix-traffic-long-no-messages",
}  # as long as main rows
SIZES = (
    "handover-traffic:cells=50",
    "handover-traffic:cells=100",
    "handover-traffic:video=0.6",
    "handover-traffic:crowd=1",
)
OWN = os.environ.get("OWN_NETWORK", "own")  # folder with sites.csv and users.csv of somebody's network
OWN_LOAD = 2.0  # Mbit/s a user
HERE = {  # what is done with agents on somebody's network
    AGENTS: "qmix-traffic",
    f"{AGENTS}, fine-tuned, decisions tuned here": "qmix-traffic-there-tuned",
}
HANDOVERS = "handovers_per_min"


def change(name: str) -> str:
    """Run of a change of the method."""
    return f"qmix-traffic-{name.replace(',', '').replace(chr(39), '').replace(' ', '-')}"


def measures(base: str) -> tuple[Measure, ...]:
    """Indicators, over those of a row."""
    return (
        Measure("mean_delay_s", form=".3f", half=".3f"),
        Measure("mean_delay_s", "ratio", base, ".3f", ".3f"),
        Measure("unsatisfied", form=".2f", half=".2f"),
        Measure("unsatisfied", "ratio", base, ".3f", ".3f"),
        *(
            Measure(kpi, "ratio", base, ".3f", ".3f")
            for kpi in ("p95_delay_s", "handovers_per_min", "ping_pongs_per_min")
        ),
        Measure("failures_per_min", form=".3f", half=".3f"),
        *(Measure(kpi, "ratio", base, ".4f", ".4f") for kpi in ("throughput_bps", "asc", "anu", "jain")),
        Measure("load_imbalance", form=".3f"),
    )


class AtBest:
    """Agents that change an offset by the best change alone."""

    def __init__(self, agents: Any) -> None:
        self.agents, self.level, self.name = agents, agents.level, "best change"

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Offsets after the best changes."""
        change_db = CHANGE_DB * (self.agents(obs).best() - 1)
        return self.agents.action(obs["bs"].offset_db.view(change_db.shape) + change_db), state


def traffic(bench: Bench) -> Section:
    """Agents from nothing, and rules tuned on validation networks under one limit of handovers."""
    layouts, tables, notes = bench.count(100, 2), [], []
    methods = rules(TASK, *RULES) | _untrained(bench) | bench.learned({AGENTS: "qmix-traffic"}, "untrained")
    for load in LOADS[: bench.count(3, 1)]:
        (trial,) = bench.judge(TASK, _options(bench, layouts, load=f"{load:g}"), methods, BEST)
        tables.append(trial_table(trial, methods, f"{load:g} Mbit/s a user", measures(BEST)))
        if AGENTS in methods:
            notes.append(_seed_by_seed(trial, f"{load:g} Mbit/s"))
    note = (
        "Rules are the best of 200 draws of their numbers on four validation networks with at most 6.8 handovers a user and minute"
        " (`max_weight` by hand); dual prices and max-weight know the whole network. Agents were trained at 2.8 Mbit/s alone:"
        " values are means of three trainings', softness and margin of decisions the best of 40 draws on 40 validation"
        " networks at the highest load, where limits bind."
    )
    networks = f"{layouts} networks of handover-traffic for each load, a minute each"
    return Section(tuple(tables), (note, *notes), networks=networks)


def _seed_by_seed(trial: Trial, where: str) -> str:
    """Mean delay of each training seed over the best rule's, with intervals over networks."""
    method, rule = (table(trial, name, "mean_delay_s") for name in (AGENTS, BEST))
    ratios = [statistics.ratio(method[seed : seed + 1], rule) for seed in range(len(method))]
    text = ", ".join(f"{one.value:.4f} ±{(one.high - one.low) / 2:.3f}" for one in ratios)
    return f"{where}, mean delay over {BEST}'s of each training seed: {text}."


def _untrained(bench: Bench) -> Methods:
    members = bench.untrained("qmix-traffic")
    return {"untrained": Method(members, "untrained weights")} if members else {}


def _options(bench: Bench, layouts: int, **more: Any) -> Options:
    return Options(layouts=layouts, slots=bench.count(60, 4), **more)


def room(bench: Bench) -> Section:
    """What offsets could reach: a search that knows the future of each network."""
    layouts = bench.count(12, 1)
    env = HandoverTrafficEnv("handover-traffic", layouts, steps=bench.count(60, 2), seed=TEST)
    methods = {name: Method([one]) for name, one in (("a3", tuned_a3), (BEST, tuned_mlb))}
    methods["clairvoyant offsets"] = Method([OffsetLookahead(env)])
    methods |= bench.learned({AGENTS: "qmix-traffic"}, "untrained")
    trial = bench.episode(env, methods, TEST)
    return Section((trial_table(trial, methods, "2.8 Mbit/s a user", measures(BEST)),), networks=f"{layouts} networks")


class RulesBeside:
    """Agents that decide, and offsets of rules that are asked on the same observations.

    Attributes:
        apart_db: differences of the offsets decided, of each rule and each second ``[B, N]``.
    """

    def __init__(self, agents: Any, rules: Methods) -> None:
        self.agents, self.level, self.name = agents, agents.level, "rules beside"
        self.rules = {name: method.members[0] for name, method in rules.items()}
        self.apart_db: dict[str, list[Tensor]] = {name: [] for name in rules}

    def initial_state(self, obs: HeteroData) -> dict[str, Any]:
        """The rules'."""
        return {name: rule.initial_state(obs) for name, rule in self.rules.items()}

    def act(self, obs: HeteroData, state: dict[str, Any], generator: Generator | None) -> tuple[HandoverAction, Any]:
        """The agents' decision."""
        action, _ = self.agents.act(obs, None, generator)
        for name, rule in self.rules.items():
            other, state[name] = rule.act(obs, state[name], None)
            self.apart_db[name].append((action.offset_db - other.offset_db).abs())
        return action, state


def decisions(bench: Bench) -> Section:
    """How far the agents' decisions are from what each rule that sets offsets decides on the same observations."""
    layouts = bench.count(12, 1)
    env = HandoverTrafficEnv("handover-traffic", layouts, steps=bench.count(60, 2), seed=TEST)
    pairs = [RulesBeside(one, rules(TASK, "a3", "cre", BEST)) for one in bench.members("qmix-traffic")]
    columns = (
        Column("apart", "mean difference of offsets, dB", ".2f", ".2f"),
        Column("other", "over 0.5 dB apart, %", ".1f", ".1f"),
    )
    rows = []
    if pairs:
        rollout(env, {AGENTS: pairs}, seed=TEST)
    for name in pairs[0].rules if pairs else ():
        apart = torch.stack([torch.stack(one.apart_db[name], 1) for one in pairs]).double()  # [S, K, seconds, N]
        shares = 100 * (apart > 0.5).double().mean((2, 3))
        values = {"apart": mean(apart.mean((2, 3)).numpy()), "other": mean(shares.numpy())}
        rows.append(Row(name, "rule", values))
    note = (
        "Agents decide; rules are asked on the same observations. The other rules name users' cells and set no offsets."
    )
    table = Table("Offsets that the agents decide, beside those of rules, 2.8 Mbit/s a user", columns, tuple(rows))
    return Section((table,), (note,), networks=f"{layouts} networks of handover-traffic")


def own(bench: Bench) -> Section:
    """Agents fine-tuned on somebody's network beside rules tuned there, on channel draws that neither has met."""
    layouts, notes = bench.count(40, 2), []
    options = replace(own_options(), layouts=layouts, slots=bench.count(60, 4))
    world = at_load(networks_of(options, SCENARIO), OWN_LOAD)
    methods: dict[str, Method] = {"mlb, as shipped": Method([tuned_mlb])}
    most: dict[str, float] = {}
    for rule in (tuned_a3, tuned_mlb, best_expected_rate, dual_price):
        env = HandoverTrafficEnv(world, 2, steps=bench.count(60, 2), seed=VALIDATION)
        draws = bench.count(200, 3)
        with late_counter(f"{rule.name}: its numbers", draws) as done:
            found = tune(rule, draws, env, most=most, done=done).rule
        if not most:  # of tuned A3; no other rule may have more than a twentieth above it
            kpis = rollout(env, {rule.name: [found]}, seed=VALIDATION).values[rule.name]
            most = {HANDOVERS: 1.05 * float(kpis[HANDOVERS].mean())}
        methods[f"{rule.name}, tuned here"] = Method([found])
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in found.parameters.table().items())
        notes.append(f"{rule.name}: {numbers}.")
    methods |= bench.learned(HERE)
    base = "mlb, tuned here"
    (trial,) = bench.judge(TASK, options, methods, base)
    note = f"Rules are the best of 200 draws on two channel draws; handovers at most {most[HANDOVERS]:.3g} a user and minute."
    table = trial_table(trial, methods, f"{OWN_LOAD:g} Mbit/s a user", measures(base))
    return Section((table,), (note, *notes), networks=f"{layouts} channel draws on the sites and users of {OWN}")


def own_options() -> Options:
    """Options of the files."""
    return Options(sites=f"{OWN}/sites.csv", users=f"{OWN}/users.csv", load=f"{OWN_LOAD:g}")


def parts(bench: Bench) -> Section:
    """Agents without parts of the method, or with others, all trained for a quarter of the time."""
    note = f"All were trained for {SHORT} epochs, a quarter of the training of the rows above."
    return _compared(bench, {name: change(name) for name in CHANGES}, bench.count(40, 2), note)


def long(bench: Bench) -> Section:
    """Agents without parts of the method, or with others, trained as long as main rows; one training each, decisions not tuned."""
    note = "One training each, as long as those of the main rows; the numbers of decisions are the configuration's."
    return _compared(bench, LONG, bench.count(100, 2), note)


def _compared(bench: Bench, names: Mapping[str, str], layouts: int, note: str) -> Section:
    """Variants of the method beside the whole one."""
    methods = rules(TASK, BEST) | bench.learned(names)
    if WHOLE in methods:
        members = [AtBest(one) for one in methods[WHOLE].members]
        methods["the best change alone, in place of the expected one"] = replace(methods[WHOLE], members=members)
    (trial,) = bench.judge(TASK, _options(bench, layouts), methods, BEST)
    base = WHOLE if WHOLE in methods else BEST
    beside = Measure("mean_delay_s", "ratio", base, ".3f", ".3f")
    table = trial_table(trial, methods, "2.8 Mbit/s a user", (*measures(BEST), *((beside,) if base == WHOLE else ())))
    return Section((table,), (note,), networks=f"{layouts} networks of handover-traffic")


def sizes(bench: Bench) -> Section:
    """Agents of 25 cells on 50 and 100, and on other traffic, as they are."""
    tables: list[Any] = []
    layouts = bench.count(40, 1)
    methods = rules(TASK, "a3", BEST) | bench.learned({AGENTS: "qmix-traffic"})
    for scenario in _first(SIZES, bench):
        (trial,) = bench.judge(TASK, _options(bench, layouts, scenario=scenario), methods, BEST)
        tables.append(trial_table(trial, methods, scenario, measures(BEST)))
    return Section(tuple(tables), networks=f"{layouts} networks each")


def _first(names: Sequence[str], bench: Bench) -> Sequence[str]:
    return names[: bench.count(len(names), 1)]
