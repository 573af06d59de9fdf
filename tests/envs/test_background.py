"""Cells outside a network disturb its users in every environment, and nobody is served by them."""

import dataclasses
from typing import Any

import pytest
import torch

from hetgraph.envs import ArrivalEnv, HandoverEnv, IoTEnv, SnapshotEnv
from hetgraph.envs.arrivals.city import CityArrivals
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.handover.tables import TrajectoryTables
from hetgraph.envs.queues.cellular import CellularEnv
from hetgraph.graph import CHANNEL, Channel, Layout, Radio, Scenario, Tier, Users, check, preset
from hetgraph.graph.counters import Networks
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.walks import user_trajectories
from hetgraph.radio.handover import HandoverRule

NEAR = Tier("near", 3, placement="fixed", positions=((100.0, 100.0), (700.0, 300.0), (400.0, 600.0)))
FAR = Tier("far", 2, placement="fixed", positions=((1300.0, 300.0), (400.0, -700.0)))
OWN = Scenario("own", Layout(800, 700), (NEAR,), Users(12), Channel(2e9), Radio(num_rbs=3))
ENVIRONMENTS: dict[str, Any] = {
    "snapshot": lambda scenario: SnapshotEnv(scenario, 2, seed=1),
    "queues": lambda scenario: CellularEnv(scenario, 2, seed=1),
    "arrivals": lambda scenario: ArrivalEnv(scenario, 2, seed=1),
    "handover": lambda scenario: HandoverEnv(scenario, 2, seed=1),
    "iot": lambda scenario: IoTEnv(scenario, 2, seed=1),
}


def with_far(load: float, scenario: Scenario = OWN) -> Scenario:
    return dataclasses.replace(scenario, background=(dataclasses.replace(FAR, load=(load, load)),))


def disturbance_w(env: Any) -> torch.Tensor:
    """Noise and far interference over the band of each user of the first observation."""
    ue = env.observe("genie")["ue"]
    far = ue.far_interference_w.sum(1) if "far_interference_w" in ue else 0.0
    total: torch.Tensor = ue.noise_w.sum(1) + far
    return (total[ue.active] if "active" in ue else total).double()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_far_cells_are_noise_and_no_stations(name: str) -> None:
    quiet, half, full = (ENVIRONMENTS[name](with_far(load)) for load in (0.0, 0.5, 1.0))
    plain = ENVIRONMENTS[name](OWN)
    for env in (quiet, half, full):
        check(env.observe("genie"), level="genie")
        assert env.num_stations == plain.num_stations == 3
        assert env.observe("genie")[CHANNEL].gain.shape == plain.observe("genie")[CHANNEL].gain.shape
    low, middle, high = map(disturbance_w, (quiet, half, full))
    assert len(low) and (high > low).all()
    torch.testing.assert_close(middle - low, (high - low) / 2, rtol=1e-3, atol=1e-16)


def test_handover_has_the_rates_of_a_full_cell_that_nobody_asks_for() -> None:
    one = dataclasses.replace(OWN, radio=Radio(num_rbs=1))
    part, whole = with_far(1.0, one), dataclasses.replace(one, tiers=(NEAR, FAR))
    tables = [
        TrajectoryTables.of(
            user_trajectories(scenario, 2, steps=5, mobility=Waypoints(), seed=2),
            HandoverRule(),
            0.0,
            2,
            torch.full((2, 12), 1.5),
        )
        for scenario in (part, whole)
    ]
    efficiency, total = ([getattr(table, name) for table in tables] for name in ("efficiency", "total_w"))
    torch.testing.assert_close(efficiency[0].reshape(-1, 3), efficiency[1].reshape(-1, 5)[:, :3], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(total[0], total[1], rtol=1e-5, atol=0)


def test_iot_users_have_the_mean_over_their_way() -> None:
    env, plain = IoTEnv(with_far(0.7), 2, seed=3), IoTEnv(with_far(0.0), 2, seed=3)
    rise = env.observe("genie")["ue"].noise_w - plain.observe("genie")["ue"].noise_w
    assert (rise > 0).all() and torch.allclose(rise[:, :1].expand_as(rise), rise)
    torch.testing.assert_close(env.unpack(env.pack(), env.level)["ue"].noise_w, env.observe(env.level)["ue"].noise_w)
    torch.testing.assert_close(env.drawn.budget.noise_w.flatten(0, 1), env.observe("genie")["ue"].noise_w)


def test_a_city_of_arrivals_has_it_at_each_place() -> None:
    city = preset("grows-city")
    far = dataclasses.replace(FAR, positions=((-500.0, 0.0), (0.0, -500.0)), carrier="")
    sources = [arrivals(dataclasses.replace(city, background=background)) for background in ((), (far,))]
    assert all(isinstance(source, CityArrivals) for source in sources)
    quiet, loud = (dataclasses.replace(source, slots=5).draw(Networks(0, range(1))) for source in sources)
    assert (loud.signals.far_interference_w > quiet.signals.far_interference_w).float().mean() > 0.9
    assert loud.rate.sum() < quiet.rate.sum()
