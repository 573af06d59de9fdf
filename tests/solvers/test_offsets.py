"""Individual offsets against an exhaustive search over all steps, and against associations that offsets made."""

import itertools

import pytest
import torch
from torch import Tensor

from hetgraph.graph import preset
from hetgraph.solvers import biased_association, max_rsrp_association
from hetgraph.solvers.offsets import MOST_CELLS, STEPS_DB, Reports, individual_offsets


def reports_of(rsrp_db: Tensor, serving: Tensor) -> Reports:
    return Reports.of(torch.arange(rsrp_db.shape[1]).expand(rsrp_db.shape), rsrp_db, serving)


def agreeing(rsrp_db: Tensor, serving: Tensor, offset_db: Tensor) -> int:
    return sum(int((row + offset_db).argmax()) == int(cell) for row, cell in zip(rsrp_db, serving, strict=True))


def test_the_steps_are_those_of_the_standard() -> None:
    """TS 36.331, Q-OffsetRange: 31 values, two apart beyond 6 dB."""
    assert len(STEPS_DB) == 31 and STEPS_DB[0] == -24 and STEPS_DB[-1] == 24 and sorted(set(STEPS_DB)) == [*STEPS_DB]
    assert {b - a for a, b in itertools.pairwise(STEPS_DB)} == {1, 2}
    assert [each for each in STEPS_DB if abs(each) <= 8] == [-8, *range(-6, 7), 8]


def test_as_many_users_agree_as_exhaustive_search_can_make_agree() -> None:
    """Three cells, all 31 x 31 x 31 offsets; decisions are noise, so that no offsets reproduce them all."""
    grid = torch.tensor(list(itertools.product(STEPS_DB, repeat=3)), dtype=torch.double)
    lost = 0
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        rsrp_db = 12 * torch.randn(9, 3, dtype=torch.double, generator=generator)
        serving = torch.randint(3, (9,), generator=generator)
        best = int(((rsrp_db + grid.unsqueeze(1)).argmax(2) == serving).sum(1).max())
        found = individual_offsets(reports_of(rsrp_db, serving), 3)
        got = agreeing(rsrp_db, serving, found.offset_db)
        assert found.agreement == pytest.approx(got / 9)
        assert set(found.offset_db.tolist()) <= set(STEPS_DB)
        lost += best - got
        assert got >= best - 1
    assert lost <= 3  # of 12 x 9 users: moves of single cells end in a local optimum now and then


def test_offsets_that_made_an_association_are_found_again_up_to_what_it_tells() -> None:
    generator = torch.Generator().manual_seed(5)
    graph = preset("hetnet-3tier").sample(1, seed=3)
    cells = graph["bs"].num_nodes
    offset_db = torch.tensor(STEPS_DB)[torch.randint(10, 21, (cells,), generator=generator)].double()
    serving = biased_association(graph, offset_db)
    plain = float((max_rsrp_association(graph) == serving).double().mean())
    found = individual_offsets(Reports.of_graph(graph, serving), cells)
    assert found.agreement >= 0.995 and plain < 0.9
    assert found.agreement == pytest.approx(
        float((biased_association(graph, found.offset_db) == serving).double().mean())
    )


def test_cells_need_no_offsets_where_users_are_at_their_strongest() -> None:
    graph = preset("uma-5bs").sample(1, seed=1)
    found = individual_offsets(Reports.of_graph(graph, max_rsrp_association(graph)), graph["bs"].num_nodes)
    assert found.agreement == 1.0 and not found.offset_db.any()


def test_draws_count_together() -> None:
    """One draw wants cell 1 raised for both users, two draws want the second user to stay: the majority is followed."""
    rsrp_db = torch.tensor([[0.0, -3.0], [0.0, -5.0]])
    parts = [reports_of(rsrp_db, torch.tensor(serving)) for serving in ([1, 1], [1, 0], [1, 0])]
    found = individual_offsets(Reports.join(parts), 2)
    assert 3 < float(found.offset_db[1] - found.offset_db[0]) < 5 and found.agreement == pytest.approx(5 / 6)


def test_silent_cells_and_users_whom_nobody_serves() -> None:
    rsrp_db = torch.tensor([[0.0, -3.0, -9.0], [0.0, -1.0, -2.0], [5.0, 0.0, -1.0]])
    reports = reports_of(rsrp_db, torch.tensor([1, -1, 1]))
    assert len(reports.cell) == 2 and reports.cell[:, 0].tolist() == [1, 1]
    found = individual_offsets(reports, 3, torch.tensor([True, False, False]))
    assert found.offset_db.tolist() == [-torch.inf, 0.0, 0.0] and found.agreement == 1.0
    nobody = individual_offsets(reports_of(rsrp_db, torch.tensor([-1, -1, -1])), 3)
    assert not nobody.offset_db.any() and nobody.agreement != nobody.agreement


def test_reports_keep_the_serving_cell_and_the_strongest_others() -> None:
    rsrp_db = -torch.arange(40.0).expand(2, 40)
    reports = reports_of(rsrp_db, torch.tensor([0, 39]))
    assert reports.cell.tolist() == [[*range(MOST_CELLS)], [39, *range(MOST_CELLS - 1)]]
    assert reports.rsrp_db[1].tolist() == [-39.0, *(-each for each in range(MOST_CELLS - 1))]


def test_stations_that_may_not_serve_are_not_reported() -> None:
    graph = preset("conflict-8").sample(1, seed=0)
    channel = graph["bs", "channel", "ue"]
    assert "may_serve" in channel
    serving = max_rsrp_association(graph)
    reports = Reports.of_graph(graph, serving)
    assert torch.equal(
        (reports.cell >= 0).sum(1), channel.may_serve.view(len(serving), -1).sum(1).clamp_max(MOST_CELLS)
    )
