"""Sections of arriving users: Table I, Figure 4, and what the graph adds."""

from typing import Any

import numpy as np

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.trainers.arrivals.figures import arrival_figure
from hetgraph.trainers.arrivals.tabular import q_learning
from hetgraph.trainers.arrivals.task import TASK, Options
from hetgraph.trainers.common.networks import VALIDATION
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.plots import save
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import ratio
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.grows_printed import CHANCES, DEMANDS, REJECTIONS, UTILITIES
from hetgraph.trainers.reproduce.grows_references import CLAIRVOYANT, FUTURES, ROLLOUT, Q, joined, load_of, references
from hetgraph.trainers.reproduce.learning import Metric, curves, learning
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table, Value
from hetgraph.trainers.reproduce.tables import Measure, flat, trial_table

B, BEST, ADMISSION = "argmax_blocking", "best_rate", "best_rate_admission"
RULES = (B, "argmax", "least_loaded", BEST)
MEASURES = (
    Measure("utility", form=".4f", half=".4f"),
    Measure("utility", "ratio", B, ".4f", ".4f"),
    Measure("utility", "ratio", BEST, ".4f", ".4f"),
    Measure("rejections", form=".3f", half=".3f"),
    Measure("rejections", "difference", BEST, "+.3f", ".3f"),
    Measure("completions", form=".2f", half=".2f"),
)


def judged(
    bench: Bench,
    scenario: str,
    methods: Methods,
    episodes: int,
    chance: float | None = None,
    demand: float | None = None,
) -> Trial:
    """Trial of one load; the scenario's range of loads without any."""
    load = [None if value is None else f"{value:g}" for value in (chance, demand)]
    options = Options(scenario, layouts=episodes, probability=load[0], demand=load[1])
    return bench.judge(TASK, options, methods)[0]


def share(trial: Trial, who: str) -> Interval:
    """Part of the rollout's gain over the best rule of the load that agents take, in per cent."""
    best = max(RULES, key=lambda name: float(trial.values[name]["utility"].mean()))
    return statistics.share(*(flat(trial, name, "utility") for name in (who, best, ROLLOUT))).scaled(100.0)


def untrained(bench: Bench, run: str) -> Methods:
    """Agents with new weights."""
    members = bench.untrained(run)
    return {"untrained": Method(members, "untrained weights")} if members else {}


RETURNS, FLAT = "GROWS, whole returns", "DQN, no graph"
SUMMARY = (
    Column("GROWS", "GROWS's utility over B's", ".3f", ".3f"),
    Column(Q, "Q-learning's over B's", ".3f", ".3f"),
    Column("rejected_grows", "rejections, GROWS", ".2f", ".2f"),
    Column("rejected_q", "Q-learning", ".2f", ".2f"),
    Column("rejected_b", "B", ".2f", ".2f"),
    Column("utility_b", "B's utility", ".3f", ".3f"),
)
GAINS = {"GROWS": "GROWS", RETURNS: "whole returns", FLAT: "no graph", Q: "Q-learning"}  # rows of which gains are shown


def table_1(bench: Bench) -> Section:
    """Table I: 15 loads; methods and references on the same episodes of each."""
    episodes = bench.count(2000, 20)
    methods = rules(TASK, *RULES, ADMISSION, "random_station") | untrained(bench, "grows")
    methods |= bench.learned({"GROWS": "grows", RETURNS: "grows-returns", FLAT: "dqn-flat"}, "untrained")
    tables, rows, gains, trials = [], [], [], []
    for chance in CHANCES[:: bench.count(1, 2)]:
        for demand in DEMANDS[:: bench.count(1, 4)]:
            arrays = references(bench, chance, demand, episodes)
            trial = judged(bench, "grows-3", methods, episodes, chance, demand)
            for name in (Q, ROLLOUT, CLAIRVOYANT):
                trial = joined(trial, name, arrays)
            shown = methods | {Q: Method([], "learned from nothing")}
            title = f"p = {chance:g}, mean demand {demand:g}"
            tables.append(trial_table(trial, shown, title, MEASURES, timed=False))
            rows.append(_summary(trial, chance, demand))
            gains.append(_gains(trial, rows[-1].name))
            trials.append(trial)
    name = save(arrival_figure(trials, BEST), bench.figures, bench.figure("loads")).stem
    note = "B is the baseline, the strongest station, which rejects when it is full; printed values are Table I's."
    note += f" The rollout has best rate as its rule and {FUTURES} futures; the clairvoyant search knows what comes."
    note += f" {RETURNS}: in place of the Double DQN's bootstrap a choice is worth what follows it to the end of the episode, less"
    note += " what best rate has there on the same arrivals."
    columns = [Column(f"{who}_best", f"{text} over best rate", ".4f", ".4f") for who, text in GAINS.items()]
    columns += [Column(f"{who}_share", f"{text}, % of the rollout's gain", ".1f", ".1f") for who, text in GAINS.items()]
    summary = Table(f"Table I by ratios; {episodes} episodes of each load", SUMMARY, rows)
    shares = Table("gains over best rate, and their share of the rollout's over the best rule", columns, gains)
    return Section(
        (summary, shares, *tables),
        (note,),
        {name: "utility over best rate's, and rejections"},
        f"{episodes} episodes of each load",
    )


def _summary(trial: Trial, chance: float, demand: float) -> Row:
    """A load: ratios to the baseline beside the printed ones."""
    at = DEMANDS.index(demand), CHANCES.index(chance)
    printed = {name: float(values[at]) for name, values in UTILITIES.items()}
    rejected = {name: float(values[at]) for name, values in REJECTIONS.items()}
    mean = {name: statistics.mean(flat(trial, name, "rejections")) for name in (B, Q, "GROWS") if name in trial.values}
    values: dict[str, Value] = {
        "utility_b": statistics.mean(flat(trial, B, "utility")),
        Q: ratio(trial, Q, B, "utility"),
    }
    values |= {"rejected_b": mean[B], "rejected_q": mean[Q]}
    if "GROWS" in trial.values:
        values |= {"GROWS": ratio(trial, "GROWS", B, "utility"), "rejected_grows": mean["GROWS"]}
    paper: dict[str, float | str] = {
        name: round(printed[key] / printed["B"], 3) for name, key in (("GROWS", "GROWS"), (Q, "Q"))
    }
    paper |= {
        "rejected_grows": rejected["GROWS"],
        "rejected_q": rejected["Q"],
        "rejected_b": rejected["B"],
        "utility_b": printed["B"],
    }
    return Row(f"p = {chance:g}, demand {demand:g}", "", values, paper)


def _gains(trial: Trial, name: str) -> Row:
    """A load: what each learned method has over best rate, and of the rollout's gain."""
    values: dict[str, Value] = {}
    for who in (who for who in GAINS if who in trial.values):
        values |= {f"{who}_best": ratio(trial, who, BEST, "utility"), f"{who}_share": share(trial, who)}
    return Row(name, "", values)


def curve(bench: Bench, chance: float = 0.5, demand: float = 14.0) -> Section:
    """Figure 4: utility over the random rule's by episodes of training, on the validation's arrivals."""
    source, episodes = load_of(chance, demand), bench.count(1500, 8)
    env = ArrivalEnv(source, episodes)

    def scores(members: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(rollout(env, {"who": members}, seed=VALIDATION).values["who"]["utility"].double())

    base = scores([rules(TASK, "random_station")["random_station"].members[0]])
    levels = {name: scores(list(method.members)) for name, method in rules(TASK, B, "argmax", BEST).items()}
    counts = (2_500, 5_000, 10_000, 20_000, 35_000, 50_000)[: bench.count(6, 1)]
    seeds = range(bench.count(5, 1))
    q = np.stack(
        [np.stack([scores([q_learning(source, episodes=n, seed=s, progress=False)])[0] for s in seeds]) for n in counts]
    )
    scale = 1 / float(base.mean())
    paper_curves = curves(bench, "grows-paper", Metric("val/utility", "utility", scale=scale))

    def levels_and_tables(number: int, panel: Any) -> None:
        for place, (name, values) in enumerate(levels.items()):
            panel.axhline(scale * values.mean(), ls=("--", ":", "-.")[place], color=f"C{place + 2}", label=name)
        last = paper_curves[0][-1] if paper_curves is not None else 1.0
        panel.plot(
            np.array(counts) / counts[-1] * last, scale * q.mean((1, 2)), "s-", ms=3, color="black", label="Q-learning"
        )

    metric = Metric("val/utility", "utility over random", scale=scale)
    section = learning(bench, {"GROWS, the paper's": "grows-paper"}, (metric,), decorate=levels_and_tables)
    at_the_end = {"random_station": base, **levels, "Q-learning": q[-1]}
    rows = [
        Row(name, "learned from nothing" if name == "Q-learning" else "rule", {"ratio": statistics.ratio(values, base)})
        for name, values in at_the_end.items()
    ]
    if paper_curves is not None:
        ends = statistics.mean(paper_curves[1][:, -1:])
        rows.append(
            Row("GROWS, the paper's", "paper's own constants", {"ratio": ends}, {"ratio": "> 1.1 times argmax's"})
        )
    table = Table(
        "utility over that of random stations, at the end", [Column("ratio", "over random", ".4f", ".4f")], rows
    )
    note = (
        "Validation is the figure's: 300 episodes in the paper, more here. An epoch of `grows-paper` is 10,000 updates."
    )
    return Section((table, *section.tables), (note,), section.figures, f"{episodes} episodes of validation")


def graph(bench: Bench) -> Section:
    """Networks that differ in the graph alone, and those that see what the paper's see."""
    episodes = bench.count(2000, 20)
    methods = rules(TASK, *RULES)
    methods |= bench.learned(
        {
            "GROWS": "grows",
            RETURNS: "grows-returns",
            "graph of stations, without users in service": "grows-stations",
            "no messages between stations": "grows-no-graph",
            FLAT: "dqn-flat",
            "inputs of the paper alone": "grows-paper-inputs",
        },
        BEST,
    )
    trial = judged(bench, "grows-3", methods, episodes)
    differ = ("no messages between stations", "graph of stations, without users in service")
    more = tuple(Measure("utility", "difference", name, "+.4f", ".4f") for name in differ if name in methods)
    table = trial_table(trial, methods, "grows-3, all loads", (*MEASURES, *more))
    note = "The graph of stations and the network without messages differ in the taps of the filters and in nothing else. Inputs"
    note += " that the paper does not have: slots left, chance of an arrival, mean demand."
    return Section((table,), (note,), networks=f"{episodes} episodes of all loads")
