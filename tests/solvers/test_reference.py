"""The reference against the exhaustive optimum, and the optimum against a dense grid that shares no code with it."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, from_gain, preset
from hetgraph.radio import Allocation, evaluate, violations
from hetgraph.solvers import (
    equal_power,
    exhaustive,
    gradient_ascent,
    max_rsrp_association,
    utility_reference,
    utility_teacher,
)
from hetgraph.solvers.copies import hashed

Record = Callable[[str, object], None]


def rayleigh(seed: int, stations: int, users: int, blocks: int, snr_db: float = 30.0) -> HeteroData:
    """Exponential gains of one mean: no station is nearer, so that cells are coupled strongly."""
    g = torch.Generator().manual_seed(seed)
    gain = torch.empty(stations, users, blocks, dtype=torch.float64).exponential_(generator=g)
    return from_gain(gain, noise_w=10 ** (-snr_db / 10), power_max_w=1.0, rb_bandwidth_hz=1e6)


def coupled_cells(cross: float = 0.8, snr_db: float = 40.0) -> HeteroData:
    """Two cells with a user each that the other cell's station reaches almost as well."""
    gain = torch.tensor([[[1.0], [cross]], [[cross], [1.0]]], dtype=torch.float64)
    return from_gain(gain, noise_w=10 ** (-snr_db / 10), power_max_w=1.0, rb_bandwidth_hz=180e3)


def utility(graph: HeteroData, allocation: Allocation) -> Tensor:
    assert violations(graph, allocation, tolerance=1e-9) == []
    return evaluate(graph, allocation).pf_utility


def max_rsrp(graph: HeteroData) -> Allocation:
    return Allocation(max_rsrp_association(graph), equal_power(graph))


def test_two_coupled_cells_in_which_the_teacher_sticks(record_property: Record) -> None:
    graph = coupled_cells()
    # By hand: one station alone serves both users, half of the time each, at full power.
    by_hand = sum(math.log(180e3 * math.log2(1 + g * 1e4) / 2) for g in (1.0, 0.8)) / 2
    teacher, best = (float(utility(graph, a)) for a in (utility_teacher(graph)[0], exhaustive(graph)))
    found = float(utility(graph, utility_reference(graph)))
    record_property("teacher, reference and optimum of two coupled cells, nats per user", (teacher, found, best))
    assert best == pytest.approx(by_hand, abs=1e-9)
    assert teacher < best - 1.5
    assert found == pytest.approx(best, abs=1e-7)


def test_takes_the_room_up_to_the_exhaustive_optimum(record_property: Record) -> None:
    share, sizes = [], ((2, 4, 1), (2, 5, 2), (3, 4, 1), (2, 4, 2), (3, 5, 1))
    for seed in range(10):
        graph = rayleigh(seed, *sizes[seed % 5], snr_db=(0.0, 20.0, 40.0)[seed % 3])
        solvers = (max_rsrp, lambda g: exhaustive(g, climbers=512), lambda g: utility_reference(g, starts=8, rounds=2))
        base, best, found = (float(utility(graph, solver(graph))) for solver in solvers)
        assert found <= best + 1e-6
        share.append(1 - (best - found) / max(best - base, 1e-9))
    record_property("least share of the room to the optimum", min(share))
    assert sum(s >= 0.999 for s in share) >= 9
    assert min(share) > 0.9


@pytest.mark.parametrize("snr_db", [10.0, 40.0])
def test_the_exhaustive_optimum_is_not_below_a_dense_grid(snr_db: float) -> None:
    graph = rayleigh(3, 2, 4, 1, snr_db)
    gain = graph[CHANNEL].gain.reshape(4, 2).tolist()
    noise, best = 10 ** (-snr_db / 10), -math.inf
    for p, q in itertools.product([i / 40 for i in range(41)], repeat=2):
        received = [[p * a, q * b] for a, b in gain]
        efficiency = [[math.log2(1 + s[n] / (noise + s[1 - n])) for n in (0, 1)] for s in received]
        for choice in itertools.product((0, 1), repeat=4):
            rate = [1e6 * efficiency[u][b] / choice.count(b) for u, b in enumerate(choice)]
            best = max(best, sum(math.log(max(r, 1.0)) for r in rate) / 4)
    found = float(utility(graph, exhaustive(graph)))
    assert best - 1e-12 <= found <= best + 0.05


def test_never_below_what_it_starts_from_and_the_same_in_a_batch() -> None:
    # Of two sizes, so that the batch has no common shape.
    graphs = [rayleigh(20, 3, 5, 2), rayleigh(21, 2, 6, 2, 10.0), rayleigh(22, 3, 5, 2, 0.0)]
    batch = Batch.from_data_list(graphs)
    together = utility(batch, utility_reference(batch, starts=2, rounds=2))
    for known in (max_rsrp(batch), utility_teacher(batch)[0], gradient_ascent(batch)):
        assert bool((together >= utility(batch, known) - 1e-12).all())
    alone = torch.cat([utility(g, utility_reference(g, starts=2, rounds=2)) for g in graphs])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_users_go_only_where_they_may() -> None:
    graph = rayleigh(30, 3, 5, 1)
    graph[CHANNEL].may_serve = torch.ones(15, dtype=torch.bool)
    graph[CHANNEL].may_serve[::3] = False
    allocation = utility_reference(graph, starts=1, rounds=1)
    assert not bool((allocation.serving == 0).any())
    assert float(utility(graph, allocation)) >= float(utility(graph, max_rsrp(graph)))


def test_passes_the_teacher_on_a_network_of_three_tiers() -> None:
    graph = preset("hetnet-3tier").scaled(users=0.1, stations=0.5).sample(1, seed=8)
    found = utility_reference(graph, starts=1, rounds=1)
    assert violations(graph, found) == []
    value, teacher = (float(evaluate(graph, a).pf_utility) for a in (found, utility_teacher(graph)[0]))
    assert value > teacher + 0.001


def test_drawn_numbers_are_uniform_and_belong_to_their_keys() -> None:
    start, place = torch.arange(60).unsqueeze(1), torch.arange(500)
    value = hashed(3, start, place)
    torch.testing.assert_close(value[7, 5:9], hashed(3, torch.tensor(7), torch.arange(5, 9)))
    for sample in (value.flatten(), value.diff(dim=0).flatten() % 1, value.diff(dim=1).flatten() % 1):
        count = torch.histc(sample, 20, 0, 1)
        # Chi-square with 19 degrees of freedom exceeds 43.8 once in a thousand times.
        assert float(((count - sample.numel() / 20) ** 2 / (sample.numel() / 20)).sum()) < 43.8
    assert not torch.equal(value, hashed(4, start, place))


def test_refuses_no_effort() -> None:
    with pytest.raises(ValueError, match=r"starts, rounds: got 0 and 6, expected at least one of each"):
        utility_reference(coupled_cells(), starts=0)
