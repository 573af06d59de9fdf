"""Requests that a network cannot grant: stations that are full or not allowed, layers twice, power above the budget."""

import dataclasses

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.graph import preset
from hetgraph.radio import Schedule

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


def test_refused_wishes_are_counted_and_resolved() -> None:
    scenario = preset(SMALL)
    tiers = tuple(dataclasses.replace(tier, max_users=2) for tier in scenario.tiers)
    env = IoTEnv(dataclasses.replace(scenario, tiers=tiers, traffic=dataclasses.replace(scenario.services, video=1.0)))
    station = torch.zeros(1, 6, dtype=torch.long)
    user = torch.full((1, 3, 3, 2), -1)
    power = torch.zeros(user.shape)
    step = env.step(Schedule(station, user, power))
    best = env.channels.wide_db_before[0, :, 0].topk(2).indices  # the gains that were known in the slot
    assert int(step.info["refused"]) == 4
    assert set((env.station[0] == 0).nonzero().flatten().tolist()) == set(best.tolist())
    mine, others = best.tolist(), [u for u in range(6) if u not in best.tolist()]
    user[0, 0, 0] = torch.tensor([mine[0], mine[0]])  # twice
    user[0, 0, 1, 0], user[0, 1, 0, 0] = others[0], mine[1]  # of no station, of another one
    power = torch.ones(user.shape)
    user[0, 0, 2, 0] = mine[1]
    step = env.step(Schedule(torch.where(env.station >= 0, env.station, -1), user, power))
    assert int(step.info["refused"]) == 3 + 1  # layers, and the budget of the first station
    assert float(env.sent.power_w[0, 0].sum()) == pytest.approx(float(env.drawn.budget.power_max_w[0, 0]), rel=1e-5)
    assert not bool(env.sent.power_w[0, 1].any())


def test_a_user_stays_where_another_station_may_not_serve_it() -> None:
    env = IoTEnv(preset("interference-k:pairs=4"))
    empty = torch.full((1, 4, 1, 1), -1), torch.zeros(1, 4, 1, 1)
    first = env.step(Schedule(torch.tensor([[0, 2, -1, 3]]), *empty))
    assert env.station.tolist() == [[0, -1, -1, 3]] and int(first.info["refused"]) == 1
    again = env.step(Schedule(torch.tensor([[1, 1, 0, -1]]), *empty))
    assert env.station.tolist() == [[0, 1, -1, -1]] and int(again.info["refused"]) == 2
