"""The margin against needless handovers: against rates of single moves, at its limits, and how it is chosen."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import preset
from hetgraph.radio import Allocation, evaluate, feasible, one_shot
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.hetgnn import PAPER
from hetgraph.trainers.reproduce.hetgnn_dynamic import dynamic, walk
from hetgraph.trainers.reproduce.hetgnn_handovers import chosen_margin, played, with_margin


@functools.cache
def walked() -> list[HeteroData]:
    return list(walk(preset("hetnet-3tier").scaled(users=0.1), 2, 4, (10.0, 14.0)))


def proposals(rule: str = "max_rsrp") -> list[Allocation]:
    return [one_shot(rule)(graph) for graph in walked()]


@pytest.mark.parametrize("margin", [-0.3, 0.0, 0.2])
def test_who_moves_gains_the_margin_by_its_move_alone(margin: float) -> None:
    """Each move of the proposal is undone by itself: what it gains is the ratio of the user's two rates."""
    graph, proposed, before = walked()[1], proposals()[1], proposals("pf")[0]
    now = with_margin(graph, proposed, before.serving, margin)
    rate = evaluate(graph, proposed).rate_bps
    moves = (proposed.serving != before.serving).nonzero().flatten().tolist()
    stays = []
    for user in moves:
        serving = proposed.serving.clone()
        serving[user] = before.serving[user]
        kept = evaluate(graph, replace(proposed, serving=serving)).rate_bps[user]
        gain = float((rate[user] / kept).log())
        assert abs(gain - margin) > 1e-4, "the test needs gains that are told apart"
        stays.append(gain < margin)
        assert int(now.serving[user]) == int((before if stays[-1] else proposed).serving[user])
    others = torch.ones(len(proposed.serving), dtype=torch.bool)
    others[moves] = False
    assert torch.equal(now.serving[others], proposed.serving[others])
    assert torch.equal(now.power_w, proposed.power_w) and feasible(graph, now)
    assert any(stays) and not all(stays)


def test_limits_of_the_margin() -> None:
    graphs, proposed = walked(), proposals("pf")
    free, held = played(graphs, proposed), played(graphs, proposed, 1e9)
    assert played(graphs, proposed, -1e9) == free
    assert 0 < free[1] < 1 and held[1] == 0
    assert played(graphs, proposed, 0.1)[1] < free[1]
    assert played(graphs, proposed[:1] * 4)[1] == 0
    unserved = torch.full_like(proposed[0].serving, -1)
    assert torch.equal(with_margin(graphs[1], proposed[1], unserved, 1e9).serving, proposed[1].serving)


def test_networks_of_a_batch_are_decided_as_alone() -> None:
    scenario = preset("hetnet-3tier").scaled(users=0.1)
    batch, users, stations = scenario.sample(2, seed=1), 60, 21
    proposed = one_shot("max_rsrp")(batch)
    before = one_shot("pf")(batch).serving
    both = with_margin(batch, proposed, before, 0.1)
    for number in range(2):
        part, first = slice(users * number, users * (number + 1)), stations * number
        alone = Allocation(proposed.serving[part] - first, proposed.power_w[first : first + stations])
        one = with_margin(scenario.sample(1, seed=1, first=number), alone, before[part] - first, 0.1)
        assert torch.equal(one.serving, both.serving[part] - first)
    assert not torch.equal(both.serving, proposed.serving) and not torch.equal(both.serving, before)


def test_the_margin_of_fewest_handovers_that_misses_no_utility() -> None:
    scores = {0.0: (1.0, 0.3), 0.1: (1.1, 0.2), 0.2: (0.9, 0.1)}
    assert chosen_margin(scores, 0.95) == 0.1
    assert chosen_margin(scores, 0.8) == 0.2
    assert chosen_margin(scores, 2.0) == 0.1


def test_the_teacher_has_a_margin_of_its_own(tmp_path: Path) -> None:
    bench = Bench({run.name: run for run in PAPER.runs}, tmp_path, tmp_path, "dynamic", frozenset(), True)
    section = dynamic(bench)
    names = [row.name for row in section.tables[0].rows]
    assert names[2] == "pf_teacher" and names[3].startswith("pf_teacher, margin ")
    assert {"label-free-0", "velocity-0", "hetnet-0"} <= set(bench.missing)
