"""Sections of arriving users away from Table I: other numbers of stations, a city, single loads, and the constants."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hetgraph.envs import DiscreteArrivals, RolloutLookahead, optimum
from hetgraph.envs.arrivals.lookahead import play
from hetgraph.envs.arrivals.rules import BestRate, Rule, Strongest
from hetgraph.envs.arrivals.service import Users
from hetgraph.graph.counters import Networks
from hetgraph.trainers.arrivals.task import TASK
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.grows_printed import CHANCES, DEMANDS, REJECTIONS, UTILITIES
from hetgraph.trainers.reproduce.grows_references import ROLLOUT, discrete, joined, references
from hetgraph.trainers.reproduce.grows_tables import ADMISSION, BEST, MEASURES, RETURNS, RULES, B, judged, share
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table
from hetgraph.trainers.reproduce.tables import Measure, flat, trial_table

LOADS = ((0.5, 6.0), (1.0, 12.0), (1.0, 14.0))  # at which one agent for all takes least of the rollout's gain
SIZES = {"grows-3:stations=7": 400, "grows-3:stations=19": 100, "grows-3:stations=300": 40}
ENDS = ((0.5, 6.0), (1.0, 14.0))  # the lightest and the heaviest load
CORNERS = (ENDS[0], (0.5, 14.0), (1.0, 6.0), ENDS[1])
PIECE = "grows-city:stations=21"
CITY = (*MEASURES, Measure("utility", "ratio", ADMISSION, ".4f", ".4f"))


def tuned(chance: float, demand: float) -> str:
    """Run that is fine-tuned on a load."""
    return f"grows-load-{chance:g}-{demand:g}"


def loads(bench: Bench) -> Section:
    """Agents of all loads, fine-tuned on one."""
    episodes, tables, rows = bench.count(2000, 20), [], []
    for chance, demand in LOADS[: bench.count(3, 1)]:
        learned = bench.learned({"GROWS": "grows"}, BEST) | bench.learned(
            {"fine-tuned": tuned(chance, demand)}, "GROWS"
        )
        methods = rules(TASK, *RULES) | learned
        trial = judged(bench, "grows-3", methods, episodes, chance, demand)
        beside = joined(trial, ROLLOUT, references(bench, chance, demand, episodes))
        name = f"p = {chance:g}, demand {demand:g}"
        tables.append(trial_table(trial, methods, name, MEASURES))
        rows += [Row(f"{name}: {who}", learned[who].kind, {"share": share(beside, who)}) for who in learned]
    column = Column("share", "share of the rollout's gain over the best rule, %", ".1f", ".1f")
    return Section(
        (Table("share of the rollout's gain", [column], rows), *tables), networks=f"{episodes} episodes of each load"
    )


def sizes(bench: Bench) -> Section:
    """Agents of three stations on 7, 19 and 300 of the same kind, as they are."""
    tables = []
    methods = rules(TASK, *RULES) | bench.learned({"GROWS": "grows", RETURNS: "grows-returns"}, BEST)
    for scenario, count in list(SIZES.items())[: bench.count(3, 1)]:
        for chance, demand in ENDS:
            trial = judged(bench, scenario, methods, bench.count(count, 4), chance, demand)
            tables.append(trial_table(trial, methods, f"{scenario}, p = {chance:g}, demand {demand:g}", MEASURES))
    return Section(tuple(tables), networks=", ".join(f"{count} of {name}" for name, count in SIZES.items()))


def city(bench: Bench) -> Section:
    """Macro, micro and pico stations, a flash crowd, users who move: agents of three stations, fine-tuned, and of its pieces."""
    others = bench.learned({"GROWS of three stations": "grows"}, BEST)
    others |= bench.learned({"fine-tuned on pieces of 21 stations": "grows-city-tuned"}, "GROWS of three stations")
    methods = rules(TASK, *RULES, ADMISSION) | bench.learned(
        {"GROWS, from nothing on these pieces": "grows-city"}, BEST
    )
    places: list[tuple[str, int, Methods, Sequence[tuple[float, float]]]] = [
        (PIECE, bench.count(200, 2), methods | others, CORNERS),
        ("grows-city", bench.count(6, 1), methods, ENDS),
    ]
    tables = []
    for scenario, count, chosen, ends in places[: bench.count(2, 1)]:
        for chance, demand in ends:
            trial = judged(bench, scenario, chosen, count, chance, demand)
            tables.append(trial_table(trial, chosen, f"{scenario}, p = {chance:g}, demand {demand:g}", CITY))
    return Section(tuple(tables), networks=", ".join(f"{count} of {name}" for name, count, *_ in places))


def tiny(bench: Bench) -> Section:
    """Two stations and six slots: the share of the optimum of dynamic programming."""
    most, source = optimum(discrete("grows-tiny")), discrete("grows-tiny")
    methods = rules(TASK, "argmax", "least_loaded", BEST)
    methods |= {"rollout, 64 futures": Method([RolloutLookahead(source, BestRate(), 64)])}
    methods |= bench.learned({"GROWS": "grows-tiny"}, BEST)
    episodes = bench.count(20_000, 40)
    trial = judged(bench, "grows-tiny", methods, episodes)
    rows = []
    for name, method in methods.items():
        total = statistics.mean(flat(trial, name, "utility")).scaled(source.slots)
        rows.append(Row(name, method.kind, {"total": total, "share": total.scaled(100 / most.utility)}))
    columns = [
        Column("total", "utility of an episode", ".4f", ".4f"),
        Column("share", "share of the optimum, %", ".2f", ".2f"),
    ]
    title = f"dynamic programming over {most.states} states has {most.utility:.4f}, which no causal policy exceeds"
    return Section((Table(title, columns, rows),), networks=f"{episodes} episodes")


def calibration(bench: Bench) -> Section:
    """Constants of `grows-3`, fitted to the rejections of Table I: how far it is from both halves of the table."""
    episodes, source, rows, tables = bench.count(2000, 50), discrete("grows-3"), [], []
    for name, rule in ((B, Strongest(False)), ("argmax", Strongest())):
        rejections, utilities = residuals(source, rule, episodes)
        gaps = {"rejections": _rms(rejections, REJECTIONS["B"]), "utilities": _rms(utilities, UTILITIES["B"])}
        gaps["ratios"] = _rms(utilities / UTILITIES["B"], np.ones((5, 3)))
        rows.append(Row(name, "rule", gaps))
        cells = {f"{chance:g}": chance for chance in CHANCES}
        lines = [
            Row(f"demand {demand:g}", "", {key: float(rejections[i, j]) for j, key in enumerate(cells)},
                {key: float(REJECTIONS["B"][i, j]) for j, key in enumerate(cells)})
            for i, demand in enumerate(DEMANDS)
        ]  # fmt: skip
        tables.append(Table(f"rejections of {name}", [Column(key, f"p = {key}", ".2f") for key in cells], lines))
    heads = {"rejections": "rms of rejections", "utilities": "rms of utilities", "ratios": "rms of utilities, relative"}
    columns = [Column(key, text, ".3f") for key, text in heads.items()]
    text = f"rates {source.rates}, spread {source.spread}, bonus {source.bonus}"
    note = f"Constants: {text}. Utilities cannot be met with them as rejections are, so that Table I is compared by ratios."
    return Section(
        (Table("distance from the printed baseline", columns, rows), *tables),
        (note,),
        networks=f"{episodes} episodes of each load",
    )


def residuals(source: DiscreteArrivals, rule: Rule, episodes: int, seed: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Rejections and utilities of a rule at the 15 loads ``[5, 3]`` each."""
    chance = torch.tensor(CHANCES).repeat(5).repeat_interleave(episodes)
    mean = torch.tensor(DEMANDS).repeat_interleave(3 * episodes)
    table = source.draw(Networks(seed, range(15 * episodes)), probability=chance, mean=mean)
    rejected = torch.zeros(15 * episodes)

    def decide(slot: int, candidates: object) -> Tensor:
        place = rule.choose(candidates, None)  # type: ignore[arg-type]
        room = torch.nn.functional.pad(candidates.room, (0, 1))  # type: ignore[attr-defined]
        rejected.add_(table.comes[slot] & ~room.gather(1, place.unsqueeze(1)).squeeze(1))
        return place

    users = Users.none(15 * episodes, source.service)
    total, _ = play(users, table, source, decide, last=source.slots)
    shape = (len(DEMANDS), len(CHANCES), -1)
    return np.asarray(rejected.reshape(shape).mean(2)), np.asarray((total / source.slots).reshape(shape).mean(2))


def _rms(measured: np.ndarray, printed: np.ndarray) -> float:
    return float(np.sqrt(np.square(measured - printed).mean()))
