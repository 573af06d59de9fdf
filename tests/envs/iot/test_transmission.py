"""What a slot transmits: the rates of the allocation, and no action breaks a budget, a cluster or the conservation of bits."""

from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot.resolve import scheduled
from hetgraph.envs.iot.transmission import transmit
from hetgraph.graph import Scenario, preset
from hetgraph.radio import Schedule, evaluate, feasible


def test_rates_are_those_of_the_allocation(
    small_scenario: Callable[..., Scenario], random_action: Callable[..., Schedule]
) -> None:
    """What the environment transmits is what `evaluate` says of the same allocation on the same graph."""
    env = IoTEnv(small_scenario(), 3, dtype=torch.float64, sic_residual=0.02, seed=1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        action = random_action(env, generator)
        graph = env.observe("genie").clone()
        before = env.queue.bits.clone()
        counted, _ = scheduled(action, torch.where(before > 0, action.station, -1), None)
        room = transmit(counted, env.channels.gain, env.drawn.budget).room_bits
        allocation = counted.allocation(env.drawn.budget.power_max_w)
        assert feasible(graph, allocation)
        found = evaluate(graph, allocation, "superposed", sic_residual=0.02)
        assert torch.equal((found.rate_bps.reshape(3, -1) * env.slot_s).long(), room) or torch.allclose(
            found.rate_bps.reshape(3, -1) * env.slot_s, room.double(), atol=1.01, rtol=0
        )
        assert torch.equal(before, env.queue.bits) and bool((room > 0).any())
        env.step(action)


@pytest.mark.parametrize("name", ["iot-noma", "iot-oma"])
def test_no_action_breaks_a_budget_a_cluster_or_the_conservation_of_bits(
    random_action: Callable[..., Schedule], name: str
) -> None:
    """10,000 network-slots of random and adversarial actions, both presets together."""
    invariants(random_action, name, 50)


@pytest.mark.all
@pytest.mark.parametrize("name", ["iot-noma", "iot-oma"])
def test_100000_actions_break_nothing(random_action: Callable[..., Schedule], name: str) -> None:
    invariants(random_action, name, 1000)  # 100 slots each


def invariants(random_action: Callable[..., Schedule], name: str, networks: int) -> None:
    scenario = preset(f"{name}:users=7,small_cells=2,subchannels=3,load=2")
    env = IoTEnv(scenario, networks, episode_slots=50, seed=2, sic_residual=0.01)
    generator, arrived = torch.Generator().manual_seed(3), None
    served = dropped = 0
    for slot in range(100):
        if slot % 50 == 0:
            served = dropped = torch.zeros_like(env.queue.bits)
            arrived = env.drawn.offered.bits.cumsum(0)
        step = env.step(random_action(env, generator, wild=slot % 2 == 0))
        served, dropped = served + step.info["served_bits"], dropped + step.info["dropped_bits"]
        assert bool(step.reward.isfinite().all())
        if step.truncated.any():
            kpis = step.info["episode"]
            rest = kpis["arrived_bits"] - kpis["served_bits"] - kpis["dropped_bits"]
            assert bool((rest >= 0).all()) and torch.equal(kpis["served_bits"], served.sum(1).double())
            continue
        assert arrived is not None and torch.equal(arrived[env.slot], served + dropped + env.queue.bits), (
            "to the last bit"
        )
        assert bool((env.queue.waiting >= 0).all())
        sent = env.sent
        assert bool((sent.power_w.sum(2) <= env.drawn.budget.power_max_w).all()) and bool((sent.power_w >= 0).all())
        on = sent.layer_power_w > 0
        station = torch.nn.functional.one_hot(env.station.clamp_min(0), 3)
        size = torch.einsum("bus,bun->bns", on.long(), station)
        assert int(size.max()) <= env.layers and not bool(on[env.station < 0].any())
        of_layers = torch.einsum("bus,bun->bns", sent.layer_power_w, station.float())
        assert torch.allclose(of_layers, sent.power_w, rtol=1e-5, atol=1e-9)
    assert int(size.max()) == env.layers and int(dropped.sum()) > 0
