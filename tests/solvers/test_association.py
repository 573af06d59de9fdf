"""Associations against the exhaustive optimum, teachers that never descend, ascents, policies by name."""

import itertools

import pytest
import torch

from hetgraph.graph import CHANNEL, from_gain, links_of, preset
from hetgraph.radio import Allocation, evaluate, feasible, policy, policy_names
from hetgraph.solvers import (
    ascent_path,
    biased_association,
    dual_price_association,
    equal_power,
    gradient_ascent,
    max_rsrp_association,
    multi_start,
    rate_weighted_voting,
    sum_rate_teacher,
    utility_teacher,
)


def tiny(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(3, 6, 2, generator=g, dtype=torch.float64) ** 4 * 30, torch.tensor([4.0, 1.0, 0.5])


def test_dual_prices_reach_the_exhaustive_optimum() -> None:
    gaps = []
    for seed in range(12):
        gain, power = tiny(seed)
        graph = from_gain(gain, noise_w=0.1, power_max_w=power)
        found = dual_price_association(graph, equal_power(graph))

        def value(serving: torch.Tensor, graph=graph) -> float:  # type: ignore[no-untyped-def]
            return float(evaluate(graph, Allocation(serving, equal_power(graph))).rate_bps.log().sum())

        best = max(value(torch.tensor(s)) for s in itertools.product(range(3), repeat=6))
        assert value(found) <= best + 1e-9
        gaps.append(best - value(found))
    assert max(gaps) < 0.15
    assert sum(gap < 1e-9 for gap in gaps) >= 9


def test_prices_only_lead_to_stations_that_may_serve() -> None:
    gain, power = tiny(0)
    graph = from_gain(gain, noise_w=0.1, power_max_w=power)
    allowed = torch.ones(18, dtype=torch.bool)
    allowed[::3] = False
    allowed[3:6] = False
    graph[CHANNEL].may_serve = allowed
    for serving in (dual_price_association(graph, equal_power(graph)), max_rsrp_association(graph)):
        assert serving[1] == -1
        assert feasible(graph, Allocation(serving, equal_power(graph)))
        assert not bool((serving == 0).any())


def test_dual_prices_never_lose_what_they_start_from() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.2).sample(4, seed=3)
    power, start = equal_power(batch), max_rsrp_association(batch)
    found = dual_price_association(batch, power, start=start, iterations=1, polish=0)
    utility = [evaluate(batch, Allocation(s, power)).pf_utility for s in (start, found)]
    assert bool((utility[1] >= utility[0]).all())


def test_strongest_station_by_hand_and_bias() -> None:
    gain = torch.tensor([[[1.0], [0.1]], [[0.5], [0.3]]])  # two stations, two users
    graph = from_gain(gain, noise_w=1.0, power_max_w=torch.tensor([1.0, 1.0]))
    assert max_rsrp_association(graph).tolist() == [0, 1]
    graph = from_gain(gain, noise_w=1.0, power_max_w=torch.tensor([10.0, 1.0]))
    assert max_rsrp_association(graph).tolist() == [0, 0]
    assert biased_association(graph, 6.0).tolist() == [0, 1]
    assert biased_association(graph, torch.tensor([0.0, 30.0])).tolist() == [1, 1]


def test_voting_weighs_by_rate() -> None:
    gain = torch.tensor(
        [[[9.0, 0.1, 0.1]], [[0.01, 0.2, 0.2]]]
    )  # station 0 wins one strong block, station 1 two weak ones
    graph = from_gain(gain, noise_w=1.0, power_max_w=3.0)
    assert rate_weighted_voting(graph, torch.ones(2, 3)).tolist() == [0]


def test_teacher_never_descends_and_beats_every_simple_rule() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.2).sample(3, seed=4)
    allocation, trace = utility_teacher(batch, loops=8)
    assert bool((trace.utility.diff(dim=0) >= 0).all())
    assert feasible(batch, allocation)
    found = evaluate(batch, allocation).pf_utility
    for name in ("max_rsrp", "cre", "pf", "wmmse", "wmmse_pf"):
        assert bool((found > evaluate(batch, policy(name)(batch)).pf_utility).all()), name


def test_ascent_after_the_teacher_helps_in_each_network() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.2).sample(3, seed=4)
    before, after = (policy(name)(batch) for name in ("pf_teacher", "pf_teacher_ascent"))
    assert feasible(batch, after)
    assert bool((evaluate(batch, after).pf_utility > evaluate(batch, before).pf_utility).all())


def test_several_starts_keep_what_is_better_than_their_ends() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.1).sample(2, seed=4)
    good = utility_teacher(batch)[0]
    kept = multi_start(batch, starts=1, steps=0, include=[good])
    assert bool((evaluate(batch, kept).pf_utility >= evaluate(batch, good).pf_utility).all())
    with pytest.raises(ValueError, match="at least one start"):
        multi_start(batch, starts=0)


def test_sum_rate_teacher_is_not_below_equal_power() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.2).sample(3, seed=5)
    base = evaluate(batch, Allocation(max_rsrp_association(batch), equal_power(batch))).sum_rate_bps
    assert bool((evaluate(batch, sum_rate_teacher(batch)).sum_rate_bps >= base).all())


def test_ascent_climbs_and_a_batch_gives_the_answers_of_the_singles() -> None:
    scenario = preset("hetnet-3tier").scaled(users=0.2)
    batch = scenario.sample(3, seed=6)
    values = [evaluate(batch, a).pf_utility.mean() for a in ascent_path(batch, [0, 10, 60])]
    assert values[0] < values[1] < values[2]
    alone = scenario.sample(1, seed=6, first=1)
    first, second = gradient_ascent(batch, steps=5), gradient_ascent(alone, steps=5)
    torch.testing.assert_close(first.power_w[21:42], second.power_w, rtol=1e-3, atol=1e-5)
    best = multi_start(batch, starts=2, steps=60, include=[utility_teacher(batch, loops=4)[0]])
    assert bool((evaluate(batch, best).pf_utility >= values[2] - 0.05).all())


def test_every_registered_policy_is_feasible_on_batches() -> None:
    batch = preset("hetnet-3tier:mimo=true").scaled(users=0.05).sample(2, seed=7)  # precoders need channels of antennas
    names = policy_names()
    assert {"max_rsrp", "pf", "wmmse", "fp"} <= set(names)
    for name in names:
        allocation = policy(name)(batch)
        assert feasible(batch, allocation), name
        links = links_of(batch)
        assert torch.equal(links.bs_network[allocation.serving], links.ue_network), name


def test_precoders_refuse_graphs_without_channels_of_antennas() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.05).sample(1, seed=7)
    for name in ("mrt", "vector_wmmse", "vector_wmmse_pf"):
        with pytest.raises(ValueError, match=r"\.h: got nothing, expected channels of antennas"):
            policy(name)(batch)


def test_unknown_policy_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"policy: got .best., expected one of .*max_rsrp"):
        policy("best")
