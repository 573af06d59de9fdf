"""Precoders of given powers per antenna, and powers per antenna of given precoders."""

import pytest
import torch

from hetgraph.datasets.labels import add_labels, sent_shares
from hetgraph.graph import CHANNEL, MOUNTED_ON, links_of, preset
from hetgraph.models import HetGNN
from hetgraph.radio import evaluate, policy, violations
from hetgraph.solvers import equal_power, max_rsrp_association
from hetgraph.solvers.antenna_powers import in_phase


def test_antennas_send_their_shares_in_phase_with_the_user() -> None:
    graph = preset("mimo-7:antennas=4,users=2,num_rbs=2").sample(2, seed=1)
    serving = max_rsrp_association(graph)
    share = torch.rand(56, generator=torch.Generator().manual_seed(0)) + 0.1
    share = (share.reshape(14, 4) / share.reshape(14, 4).sum(1, keepdim=True)).flatten()
    allocation = in_phase(graph, serving, equal_power(graph), share)
    assert violations(graph, allocation) == []
    assert allocation.precoder is not None
    links = links_of(graph)
    h = links.pick(graph[CHANNEL].h, links.slot_of(serving))
    turned = allocation.precoder * h.conj()  # in phase: real and positive
    torch.testing.assert_close(turned.imag, torch.zeros_like(turned.imag), atol=1e-7, rtol=0)
    assert bool((turned.real >= -1e-9).all())
    power = allocation.precoder.abs().square()
    torch.testing.assert_close(
        power / power.sum(1, keepdim=True), share.reshape(14, 4)[serving].unsqueeze(2).expand_as(power)
    )
    used = torch.bincount(serving, minlength=14) > 0
    torch.testing.assert_close(sent_shares(graph, allocation).reshape(14, 4)[used], share.reshape(14, 4)[used])


def test_shares_sent_equal_loops_over_streams_in_turns() -> None:
    graph = preset("mimo-7:antennas=4,users=3,num_rbs=2").sample(1, seed=2)
    graph.layers = torch.tensor([2])
    allocation = policy("slnr")(graph)
    assert allocation.precoder is not None
    power = torch.zeros(7, 4)
    for block in range(2):
        for station in range(7):
            mine = (allocation.serving == station).nonzero().squeeze(1).tolist()
            turns = len({int(allocation.groups[user, block]) for user in mine})
            for user in mine:
                power[station] += allocation.precoder[user, :, block].abs().square() / turns
    share = sent_shares(graph, allocation).reshape(7, 4)
    for station in range(7):
        total = power[station].sum()
        expected = power[station] / total if total > 0 else torch.full((4,), 0.25)
        torch.testing.assert_close(share[station], expected, rtol=1e-4, atol=1e-6)
    owner = graph[MOUNTED_ON].edge_index[1]
    torch.testing.assert_close(torch.zeros(7).index_add(0, owner, share.flatten()), torch.ones(7))


def test_a_teacher_that_precodes_labels_rates_and_powers_of_antennas() -> None:
    graph = preset("mimo-7:antennas=4,users=2").sample(1, seed=3)
    allocation = add_labels(graph, policy("vector_wmmse"))
    rate = evaluate(graph, allocation, "spatial").rate_bps
    assert torch.equal(graph["ue"].teacher_rate_bps, rate)
    assert torch.equal(graph["antenna"].teacher_share, sent_shares(graph, allocation))


@pytest.mark.parametrize("options", [{}, {"rounds": 0, "association": "edge", "encoder": "sage"}])
def test_the_antenna_head_of_hetgnn_is_the_power_of_each_antenna(options: dict[str, object]) -> None:
    graph = preset("mimo-7:antennas=4,users=3").sample(1, seed=4)
    torch.manual_seed(0)
    model = HetGNN(**options)  # type: ignore[arg-type]
    assert model.antenna_head is not None
    with torch.no_grad():
        model.antenna_head[-1].weight.mul_(50)  # type: ignore[union-attr,operator]
    allocation = model.allocate(graph)
    assert violations(graph, allocation) == []
    share = sent_shares(graph, allocation).reshape(7, 4)
    assert float((share - 0.25).abs().max()) > 0.05
    graph["antenna"].boresight = graph["antenna"].boresight + torch.rand(
        28, 2, generator=torch.Generator().manual_seed(1)
    )
    assert not torch.allclose(sent_shares(graph, model.allocate(graph)).reshape(7, 4), share)
