"""Schedules of users on subchannels: contests, clusters and budgets."""

import torch

from hetgraph.radio import budgeted, clusters, contest


def test_wishes_of_stations_become_a_schedule() -> None:
    bid = torch.tensor([[[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]])
    wanted = torch.tensor([[[True, True, False], [True, True, False]]])
    station = contest(bid, wanted)
    assert station.tolist() == [[1, 0, -1]]
    value = torch.tensor([[[4.0], [3.0], [2.0], [1.0]]])
    station_of = torch.tensor([[0, 1, 0, 0]])
    assert clusters(value, station_of, 3, 2).squeeze().tolist() == [[0, 2], [1, -1], [-1, -1]]
    assert clusters(value, station_of, 3, 2, torch.tensor([[False, True, True, True]])).squeeze().tolist()[0] == [2, 3]
    power = budgeted(torch.tensor([[[[0.9, 0.6], [0.5, -1.0]]]]), torch.full((1, 1, 2), 0.75))
    assert torch.allclose(power, torch.tensor([[[[0.36, 0.24], [0.4, 0.0]]]]), atol=1e-6)
