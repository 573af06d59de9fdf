"""Unrolled schedulers: what stations know, order, sizes, budgets, gradients."""

from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot.transmission import carried_bits, transmit
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import CHANNEL
from hetgraph.models import UnrolledScheduler, load, save
from hetgraph.models.iot.prices import prices_of_neighbours
from hetgraph.models.iot.views import serves
from hetgraph.radio import Schedule
from hetgraph.radio.spectrum import spectrum_of

DENSE = "iot-noma:users=20,small_cells=8,subchannels=4,load=4"
KINDS: dict[str, dict[str, Any]] = {
    "own": {},
    "mean": {"attention": False},
    "prices": {"prices": True},
    "one": {"rounds": 0},
    "filtered": {"filtered": True},
}


def scheduler(**options: Any) -> UnrolledScheduler:
    torch.manual_seed(1)
    return UnrolledScheduler(**{"hidden": 12, "width": 6} | options)


def network(policy: UnrolledScheduler, networks: int = 2, slots: int = 6, **options: Any) -> IoTEnv:
    """Networks after some slots, some of whose users have moved to other stations."""
    env = IoTEnv(DENSE, networks, seed=3, level=policy.level, **options)
    for slot in range(slots):
        action = policy.act(env.observe(policy.level), None, None)[0]
        turned = (action.station + (slot == slots - 1) * (torch.rand(action.station.shape) < 0.3)) % env.num_stations
        env.step(Schedule(torch.where(action.station >= 0, turned, -1), action.user, action.power))
    return env


@pytest.mark.parametrize("kind", KINDS)
def test_decisions_keep_their_bits_whatever_is_outside_the_view(kind: str) -> None:
    policy = scheduler(**KINDS[kind])
    graph = network(policy).observe(policy.level).clone()
    before, _ = policy.act(graph, None, None)
    b, n = before.user.shape[:2]
    serving, users = graph["ue"].serving_slot.reshape(b, -1), 0
    for station in range(b * n):
        other = canary(graph, policy.level, station, torch.Generator().manual_seed(station))
        after, _ = policy.act(other, None, None)
        place, mine = divmod(station, n), serving[station // n] == station % n
        assert torch.equal(after.user[place], before.user[place]) and torch.equal(
            after.power[place], before.power[place]
        )
        assert torch.equal(after.station[place[0], mine], before.station[place[0], mine])
        users += int(mine.sum())
        assert not torch.equal(after.power, before.power), "the canary changed nothing"
    assert users > 20 and bool((before.user >= 0).any())


def test_prices_come_from_neighbours_users_alone() -> None:
    policy = scheduler(prices=True)
    obs = network(policy).observe("neighbourhood").clone()
    view = spectrum_of(obs)
    price = prices_of_neighbours(obs, view)
    b, n, _, s = view.shape
    expected = torch.zeros(b, n, s)
    source, target = obs["bs", "neighbours", "bs"].edge_index
    power_w = obs["ue"].power_w.reshape(b, -1, s)
    for heard, station in zip(source.tolist(), target.tolist(), strict=True):
        k, m = divmod(station, n)
        for u in (view.station[k] == heard % n).nonzero().flatten().tolist():
            signal = view.gain[k, u, heard % n] * power_w[k, u]
            other = view.interference_w[k, u]
            weight = view.queue_bits[k, u] / view.head_slots[k, u].clamp_min(1) / view.offered_bps[k, u].clamp_min(1e3)
            expected[k, m] += (
                weight * signal / (other * (other + signal)) * view.gain[k, u, m] * view.power_max_w[k, m] / s
            )
    torch.testing.assert_close(price, (100 * expected).log1p() / 3)
    assert float(price.std()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_of_own_users_with_bits_within_the_budget(kind: str) -> None:
    policy = scheduler(**KINDS[kind])
    env = network(policy)
    obs = env.observe(policy.level)
    action = policy.act(obs, None, None)[0]
    on, ready = action.user >= 0, env.queue.bits > 0
    assert bool(on.any()) and bool((action.power.sum((2, 3)) <= 1).all()) and not bool(action.power[~on].any())
    own = serves(action.station, env.num_stations) & ready.unsqueeze(1)
    table = own.unsqueeze(2).expand(-1, -1, env.num_subchannels, -1)
    assert bool((table.gather(3, action.user.clamp_min(0)) | ~on).all())
    assert not bool(env.step(action).info["refused"].any())


def test_users_who_change_their_station_wait_for_a_slot() -> None:
    policy = scheduler()
    obs = network(policy).observe("local")
    action, serving = policy.act(obs, None, None)[0], obs["ue"].serving_slot.reshape(2, -1)
    moving = (action.station != serving) & (serving >= 0) & (action.station >= 0)
    scheduled = torch.zeros_like(moving)
    for b in range(2):
        scheduled[b, action.user[b][action.user[b] >= 0]] = True
    assert bool(moving.any()) and not bool((moving & scheduled).any())


def test_a_batch_is_its_networks_and_other_sizes_fit() -> None:
    policy = scheduler().double()
    both = network(policy, 2, dtype=torch.float64)
    whole = policy.act(both.observe("local"), None, None)[0]
    alone = [network_of(both.observe("local").clone(), i, policy) for i in range(2)]
    for i, one in enumerate(alone):
        torch.testing.assert_close(one.power[0], whole.power[i])
        assert torch.equal(one.user[0], whole.user[i])
    env = IoTEnv("iot-noma:users=31,small_cells=5,subchannels=7", 1)
    assert scheduler().act(env.observe("local"), None, None)[0].user.shape == (1, 6, 7, 2)


def network_of(graph: HeteroData, i: int, policy: UnrolledScheduler) -> Schedule:
    """Schedule of a network alone, which is moved to the front of a batch whose other network is silent."""
    order = torch.tensor([i, 1 - i])
    out = graph.clone()
    for store in ("bs", "ue"):
        for name, value in graph[store].items():
            if isinstance(value, torch.Tensor) and name not in ("batch", "ptr"):
                out[store][name] = value.unflatten(0, (2, -1))[order].flatten(0, 1)
    for name, value in graph[CHANNEL].items():
        if name not in ("edge_index", "slot"):
            out[CHANNEL][name] = value.unflatten(0, (2, -1))[order].flatten(0, 1)
    out["ue"].queue_bits = out["ue"].queue_bits * (out["ue"].batch == 0)
    return policy.act(out, None, None)[0]


def test_rates_are_those_of_the_slot_and_gradients_reach_all_weights() -> None:
    policy = scheduler(prices=True)
    env = network(policy)
    action = policy(env.observe(policy.level), noise=0.5)
    gain, budget = env.channels.gain, env.drawn.budget
    bits = carried_bits(action, gain, budget)
    room = transmit(Schedule(action.station, action.user, action.power.detach()), gain, budget).room_bits
    assert bool(((bits.detach() - room - 0.5).abs() <= 0.5 + 1e-5 * bits.detach()).all())
    torch.minimum(bits, env.queue.bits.float()).sum().backward()
    missing = [name for name, weight in policy.named_parameters() if weight.grad is None or not bool(weight.grad.any())]
    assert not missing


def test_zero_weights_change_the_schedule_and_options_are_checked_and_kept(tmp_path: Any) -> None:
    policy = scheduler(prices=True, rounds=2)
    obs = network(policy).observe(policy.level)
    loaded = load(save(policy, tmp_path / "best.ckpt"))
    assert loaded.level == "neighbourhood" and loaded.rounds == 2
    before = policy.act(obs, None, None)[0]
    assert torch.equal(loaded.act(obs, None, None)[0].power, before.power)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.zero_()
    assert not torch.equal(policy.act(obs, None, None)[0].power, before.power)
    with pytest.raises(ValueError, match="rounds: got -1, expected 0 or more"):
        scheduler(rounds=-1)


def test_filtered_interference_is_read_and_asked_for() -> None:
    policy = scheduler(filtered=True)
    obs = network(policy).observe(policy.level).clone()
    before = policy.act(obs, None, None)[0]
    obs["ue"].interference_mean_w = 3 * obs["ue"].interference_mean_w
    assert not torch.equal(policy.act(obs, None, None)[0].power, before.power)
    del obs["ue"].interference_mean_w
    with pytest.raises(ValueError, match=r"graph: got no ue\.interference_mean_w"):
        policy.act(obs, None, None)
