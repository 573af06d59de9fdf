"""Moves: a local optimum, never worse than one move at a time by more than chance, many at once where they do not interact."""

import itertools

import pytest
import torch
from torch import Tensor

from hetgraph.graph import Scenario, Tier, Users, from_gain, links_of
from hetgraph.graph.links import Links
from hetgraph.graph.scenario_parts import Radio
from hetgraph.graph.tracing import traced
from hetgraph.solvers import equal_power, full_band_rates
from hetgraph.solvers.moves import choices_of, improve_by_moves


def utility(log_rate: Tensor, slot: Tensor, stations: int) -> float:
    """Sum of log(c / n) of one complete graph, by its definition."""
    load = torch.bincount(slot, minlength=stations).double()
    return float((log_rate[torch.arange(len(slot)), slot] - load[slot].log()).sum())


def complete(seed: int, stations: int, users: int) -> tuple[Tensor, Links]:
    """Log rates ``[1, u, n]`` and the index structure of a complete graph."""
    g = torch.Generator().manual_seed(seed)
    gain = torch.rand(stations, users, 1, generator=g, dtype=torch.float64)
    links = links_of(from_gain(gain, noise_w=0.1, power_max_w=1.0))
    return torch.randn(1, users, stations, generator=g, dtype=torch.float64), links


def one_at_a_time(log_rate: Tensor, slot: Tensor, stations: int) -> Tensor:
    """The best single move, again and again, by trying all."""
    slot = slot.clone()
    while True:
        best, value = None, utility(log_rate, slot, stations)
        for user, target in itertools.product(range(len(slot)), range(stations)):
            tried = slot.clone()
            tried[user] = target
            if utility(log_rate, tried, stations) > value + 1e-12:
                best, value = tried, utility(log_rate, tried, stations)
        if best is None:
            return slot
        slot = best


def test_no_single_move_is_left_and_optima_are_met_as_often_as_one_at_a_time() -> None:
    hits, alone = 0, 0
    for seed in range(30):
        log_rate, links = complete(seed, 3, 6)
        start = torch.randint(3, (6,), generator=torch.Generator().manual_seed(seed))
        table = log_rate[0]
        found = improve_by_moves(log_rate, start, links, 100)
        assert utility(table, found, 3) >= utility(table, start, 3)
        assert utility(table, one_at_a_time(table, found, 3), 3) <= utility(table, found, 3) + 1e-9
        best = max(utility(table, torch.tensor(s), 3) for s in itertools.product(range(3), repeat=6))
        hits += utility(table, found, 3) > best - 1e-9
        alone += utility(table, one_at_a_time(table, start, 3), 3) > best - 1e-9
    assert hits >= alone


def test_a_pass_gains_what_its_moves_gain_one_by_one() -> None:
    log_rate, links = complete(5, 12, 60)
    slot = torch.randint(12, (60,), generator=torch.Generator().manual_seed(5))
    table, most = log_rate[0], 0
    while True:
        after = improve_by_moves(log_rate, slot, links, 1)
        movers = (after != slot).nonzero().flatten()
        if not len(movers):
            break
        gains = []
        for user in movers:
            alone = slot.clone()
            alone[user] = after[user]
            gains.append(utility(table, alone, 12) - utility(table, slot, 12))
        assert min(gains) > 0
        assert utility(table, after, 12) - utility(table, slot, 12) == pytest.approx(sum(gains), abs=1e-9)
        most, slot = max(most, len(movers)), after
    assert most >= 3


def test_absent_users_neither_count_nor_move() -> None:
    log_rate, links = complete(6, 3, 8)
    slot, active = torch.zeros(8, dtype=torch.long), torch.arange(8) % 2 == 0
    found = improve_by_moves(log_rate, slot, links, 100, active=active)
    assert bool((found[~active] == 0).all())
    smaller, fewer = log_rate[:, active], complete(6, 3, 4)[1]
    torch.testing.assert_close(found[active], improve_by_moves(smaller, slot[:4], fewer, 100))


def test_tables_of_sparse_graphs_hold_the_edges() -> None:
    scenario = Scenario(
        name="sparse",
        tiers=(Tier("macro", 7, 40.0, placement="hex", spacing_m=500.0),),
        users=Users(20),
        radio=Radio(candidates=3),
    )
    graph = scenario.sample(2, seed=1)
    links = links_of(graph)
    assert links.degree == 3
    rate = full_band_rates(graph, equal_power(graph), links).log()
    choices = choices_of(rate, links)
    slot = links.argmax_slot(rate)
    top, best = choices.best(choices.value)
    assert torch.equal(best, slot)
    assert torch.equal(choices.station_of(slot), links.station_of(slot))
    assert torch.equal(choices.pick(slot), top)
    torch.testing.assert_close(choices.total(choices.value.exp()), links.sum_to_bs(rate.exp()))


@pytest.mark.parametrize("seed", range(10))
def test_programs_make_the_same_moves(seed: int) -> None:
    log_rate, links = complete(seed, 4, 10)
    start = torch.randint(4, (10,), generator=torch.Generator().manual_seed(seed))
    active = torch.arange(10) != seed
    for who in (None, active):
        wanted = improve_by_moves(log_rate, start, links, 100, active=who)
        with traced():
            assert torch.equal(improve_by_moves(log_rate, start, links, 100, active=who), wanted)
