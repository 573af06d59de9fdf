"""Expected multi-user rates against loops, the association by dual prices on them, and groups of users."""

import math

import pytest
import torch

from hetgraph.graph import CHANNEL, links_of, preset
from hetgraph.radio import evaluate
from hetgraph.radio.groups import layers_of
from hetgraph.solvers import groups_by_gain, max_rsrp_association, spatial_association, vector_wmmse_pf
from hetgraph.solvers.spatial_association import expected_rates


@pytest.mark.parametrize("equal", [True, False])
def test_expected_rates_equal_loops(equal: bool) -> None:
    graph = preset("hetnet-3tier:macro=1,micro=1,pico=2,mimo=true").scaled(users=0.02).sample(1, seed=1)
    links = links_of(graph)
    given = torch.rand(4, 12, generator=torch.Generator().manual_seed(0)) * (torch.arange(4) < 3).unsqueeze(1)
    found = links.flat(expected_rates(graph, links, None if equal else given))
    h = graph[CHANNEL].h.abs().square().mean(1).double().reshape(12, 4, 12)  # four antennas each
    even = (graph["bs"].power_max_w.double() / 12).unsqueeze(1).expand(-1, 12)
    power, noise = even if equal else given.double(), graph["ue"].noise_w.double()
    for user in range(12):
        for station in range(4):
            sinr = []
            for r in range(12):
                received = [float(h[user, n, r] * power[n, r]) for n in range(4)]
                sinr.append(received[station] / (sum(received) - received[station] + float(noise[user, r])))
            band = 20e6 / 12
            best = max(n * sum(band * math.log2(1 + (4 - n + 1) / n * x) for x in sinr) for n in range(1, 5))
            assert float(found[4 * user + station]) == pytest.approx(best, rel=1e-4)


def test_dual_prices_beat_the_strongest_station_in_proportional_fairness() -> None:
    graph = preset("hetnet-3tier:mimo=true").scaled(users=0.5).sample(1, seed=2)
    value = {}
    for name, rule in (("strongest", max_rsrp_association), ("prices", spatial_association)):
        serving = rule(graph)
        allocation, _ = vector_wmmse_pf(graph, serving, group=groups_by_gain(graph, serving), iterations=8)
        value[name] = evaluate(graph, allocation, "spatial").pf_utility
    assert bool((value["prices"] > value["strongest"] + 0.02).all())


def test_groups_keep_to_the_layers_and_differ_by_one_user_at_most() -> None:
    graph = preset("hetnet-3tier:mimo=true").scaled(users=0.2).sample(2, seed=3)
    links, serving = links_of(graph), max_rsrp_association(graph)
    serving[5] = -1
    group, layers = groups_by_gain(graph, serving), layers_of(graph, links)
    assert bool((group[5] == -1).all()) and layers.unique().tolist() == [4]
    for station in range(links.num_bs):
        users = (serving == station).nonzero().flatten()
        if len(users) == 0:
            continue
        for block in (0, 7):
            sizes = torch.bincount(group[users, block])
            assert len(sizes) == -(-len(users) // 4) and int(sizes.max()) <= 4 and int(sizes.max() - sizes.min()) <= 1
