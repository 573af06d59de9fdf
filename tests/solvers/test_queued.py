"""Queue-weighted power control of all links, against the solvers of single associations and against exhaustive search."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from hetgraph.envs import Cells, CellularEnv, cells_of
from hetgraph.envs.queues.power_control import PowerControl
from hetgraph.graph import from_gain
from hetgraph.radio import Allocation, policy, violations
from hetgraph.solvers import wmmse
from hetgraph.solvers.queued import fp_update, link_gains, neighbourhood_links, queue_weighted, wmmse_update


def network(load: float = 60.0, networks: int = 2) -> CellularEnv:
    env = CellularEnv("hex-19:rings=1", networks, load=load, seed=4, dtype=torch.float64)
    env.reset()
    return env


@pytest.mark.parametrize("update", [wmmse_update, fp_update])
def test_rounds_are_those_of_the_general_solver(update) -> None:  # type: ignore[no-untyped-def]
    """Every link as a pair of its own: the same iterates as WMMSE on an interference channel."""
    torch.manual_seed(0)
    users = 6
    gain = torch.rand(users, users, 1, dtype=torch.float64) + 3 * torch.eye(users).unsqueeze(2)
    weight = torch.rand(users, dtype=torch.float64)
    graph = from_gain(gain, noise_w=0.5, power_max_w=2.0)
    expected = wmmse(graph, torch.arange(users), weights=weight, iterations=7, budget="per_rb").power_w
    scaled = (gain.transpose(0, 1) * 2.0 / 0.5).permute(2, 0, 1).unsqueeze(0)  # row: user, column: link
    own = scaled.diagonal(dim1=2, dim2=3)
    cross = scaled - torch.diag_embed(own)
    v = torch.ones(1, 1, users, dtype=torch.float64)
    for _ in range(7):
        v = update(v, cross, own, weight.reshape(1, 1, -1))
    torch.testing.assert_close(2.0 * v.square().reshape(-1, 1), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["wmmse", "fp"])
def test_a_station_serves_one_waiting_device_per_subband(name: str) -> None:
    env = network()
    obs = env.observe("genie")
    allocation = policy(name)(obs)
    assert not violations(obs, allocation)
    assert allocation.airtime is not None
    served = allocation.airtime.reshape(env.num_envs, env.num_devices, -1) > 0
    assert bool(served.any()) and not bool((served & (env.queue == 0).unsqueeze(2)).any())


def test_it_is_near_the_best_of_all_schedules_on_a_small_network() -> None:
    """Seven stations and one subband: against every choice of a device at full power, or none."""
    shares = []
    for seed in range(6):
        env = CellularEnv("hex-19:rings=1", 1, load=80.0, seed=seed, layout_seed=seed, dtype=torch.float64)
        env.reset()
        obs = env.observe("genie")
        cells = cells_of(obs)
        gain, most = link_gains(obs, cells)
        found = queue_weighted(obs, wmmse_update)
        assert found.airtime is not None
        power = cells.at_device(found.power_w.reshape(1, 7, -1) / most) * found.airtime.reshape(1, -1, 3)
        best = weighted_rates(gain[0, 0], env.queue[0], every_choice(cells)).max()
        shares.append(float(weighted_rates(gain[0, 0], env.queue[0], power[0, :, :1].t()) / best))
    assert min(shares) > 0.85 and sum(shares) / 6 > 0.95


def every_choice(cells: Cells) -> Tensor:
    """Power fractions of all devices ``[4 ** 7, U]``; ranks that a station does not have count as none."""
    _, n, u, _ = cells.shape
    pick = torch.cartesian_prod(*[torch.arange(4)] * n)
    out = torch.zeros(len(pick), u, dtype=torch.float64)
    for station, rank in itertools.product(range(n), range(3)):
        if rank < cells.shape[3] and bool(cells.mask[0, station, rank]):
            out[:, cells.device[0, station, rank]] += (pick[:, station] == rank + 1).double()
    return out


def weighted_rates(gain: Tensor, queue: Tensor, power: Tensor) -> Tensor:
    signal = gain.diagonal() * power
    return (queue * (signal / (1 + power @ gain.t() - signal)).log1p()).sum(1)


def after_a_slot(name: str, networks: int = 1, load: float = 40.0) -> CellularEnv:
    env = CellularEnv(name, networks, load=load, seed=5, dtype=torch.float64)
    env.reset()
    for _ in range(3):
        full = policy("lqf_subband")
        obs = env.observe("local")
        env.step(full.act(obs, full.initial_state(obs), None)[0])
    return env


def decided(env: CellularEnv, scheduler: PowerControl) -> tuple[Allocation, Tensor, Tensor]:
    """Allocation, power of stations ``[B, N, R]``, airtime of devices ``[B, U, R]``."""
    obs = env.observe(scheduler.level)
    found, _ = scheduler.act(obs, scheduler.initial_state(obs), None)
    assert found.airtime is not None
    b, n, u = env.num_envs, env.num_stations, env.num_devices
    return found, found.power_w.reshape(b, n, -1), found.airtime.reshape(b, u, -1)


def test_a_queue_counts_without_what_earlier_blocks_clear() -> None:
    """One user and a packet of 0.4, 1.4 or 2.4 blocks: share 1 takes as many as it needs, share 0 all of them."""
    gain = torch.full((1, 1, 3), 1e-9, dtype=torch.float64)
    graph = from_gain(gain, noise_w=1e-12, power_max_w=3.0)
    graph["ue"].queue_bits = torch.ones(1, dtype=torch.float64)
    with pytest.raises(ValueError, match="slot_s: got a graph with queues and without it"):
        queue_weighted(graph, wmmse_update)
    graph.slot_s = torch.tensor([0.02])
    cleared = 0.02 * float(graph.rb_bandwidth_hz.flatten()[0]) * math.log2(1 + 1000)  # at most 30 dB count
    for packets, used in ((0.4, 1), (1.4, 2), (2.4, 3)):
        graph["ue"].queue_bits = torch.tensor([packets * cleared], dtype=torch.float64)
        counts = []
        for share in (1.0, 0.5, 0.0):
            airtime = queue_weighted(graph, wmmse_update, 10, share=share).airtime
            assert airtime is not None
            counts.append(int((airtime > 0).sum()))
        assert counts == [used, min(math.ceil(2 * packets), 3), 3]


def test_interference_is_exact_where_a_signal_drowns_it() -> None:
    """Interference of 1e-3 of the noise beside a signal of 1e8, in single precision: the total minus the signal would lose both."""
    own = torch.tensor([[1e8, 0.0]])
    cross = torch.tensor([[[0.0, 1e-3], [0.0, 0.0]]])
    single = wmmse_update(torch.tensor([[1e-2, 1.0]]), cross, own, torch.tensor([[1.0, 1.0]]))
    double = wmmse_update(torch.tensor([[1e-2, 1.0]]).double(), cross.double(), own.double(), torch.ones(1, 2).double())
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=0)
    signal = torch.tensor(1e8)
    assert float(signal + 1 - signal) != 1  # what the difference would give


@pytest.mark.parametrize("method", ["wmmse", "fp"])
@pytest.mark.parametrize("network", ["random-19", "hex-19"])
def test_a_station_knows_nothing_beyond_its_neighbourhood(method: str, network: str) -> None:
    """Gains, queues and reports beyond are replaced; the station's action keeps its bits, and somebody else's changes."""
    env = after_a_slot(network)
    scheduler = PowerControl(method, "neighbourhood", iterations=10)  # type: ignore[arg-type]
    _, power, airtime = decided(env, scheduler)
    hears = env.cells.neighbours[0] | torch.eye(env.num_stations, dtype=torch.bool)
    home, moved = env.cells.station[0], False
    state = env.state_dict()
    for station in range(env.num_stations):
        env.load_state_dict(state)
        near = hears[station]
        far_user = ~near[home]
        env.queue[:, far_user] = 5 * torch.rand(int(far_user.sum()), dtype=torch.float64)
        for gain in env._gains:
            unseen = ~(near[home].unsqueeze(1) & near)  # [U, N]
            gain[:, :, unseen] = 1e-6 * torch.rand_like(gain[:, :, unseen])
        for value in env._reports.values():
            value[:, far_user] = 7 * torch.rand_like(value[:, far_user])
        _, other_power, other_airtime = decided(env, scheduler)
        assert torch.equal(other_power[:, station], power[:, station])
        assert torch.equal(other_airtime[:, home == station], airtime[:, home == station])
        moved |= not torch.equal(other_power, power)
    assert moved


@pytest.mark.parametrize("method", ["wmmse", "fp"])
def test_where_all_are_neighbours_it_decides_as_with_all_gains(method: str) -> None:
    env = after_a_slot("hex-19:rings=1")
    obs = env.observe("global")
    cells = cells_of(obs)
    everybody = ~torch.eye(env.num_stations, dtype=torch.bool).unsqueeze(0)
    cells = Cells(cells.station, cells.rank, cells.device, cells.mask, everybody, cells.serving)
    update = {"wmmse": wmmse_update, "fp": fp_update}[method]
    one, other = (queue_weighted(obs, update, 30, reach=reach, cells=cells) for reach in ("network", "neighbourhood"))
    assert one.airtime is not None and other.airtime is not None and bool(one.airtime.any())
    assert torch.equal(one.airtime, other.airtime)
    torch.testing.assert_close(one.power_w, other.power_w, rtol=1e-6, atol=1e-9)


def test_what_is_beyond_counts_as_reported() -> None:
    """Gains are over noise plus what stations beyond the neighbourhood sent in the slot of the reports, station by station."""
    env = after_a_slot("hex-19")
    obs = env.observe("global")
    cells, n = env.cells, env.num_stations
    links = neighbourhood_links(obs, cells)
    gain = obs["bs", "channel", "ue"].gain.reshape(env.num_devices, n, -1)
    most = obs["bs"].rb_power_max_w
    sent = torch.zeros_like(most, dtype=torch.float64)
    sent.index_add_(0, cells.station[0], obs["ue"].power_w)
    assert 0 < int((sent > 0).sum()) < sent.numel()
    for station in range(n):
        near = {station, *cells.neighbours[0, station].nonzero().flatten().tolist()}
        users = [user for user in range(env.num_devices) if int(cells.station[0, user]) in near]
        assert links.device[station, : len(users)].tolist() == users
        for row, user in enumerate(users):
            floor = obs["ue"].noise_w[user] + sum(gain[user, k] * sent[k] for k in range(n) if k not in near)
            for column, other in enumerate(users):
                k = int(cells.station[0, other])
                found = links.gain[station, :, row, column]
                torch.testing.assert_close(found, gain[user, k] * most[k] / floor, rtol=1e-6, atol=0)
        decides = [int(cells.station[0, user]) == station for user in users]
        assert links.decides[station, : len(users)].tolist() == decides
        assert not links.decides[station, len(users) :].any() and not links.gain[station, :, len(users) :].any()


def test_bad_shares_and_knowledge_are_refused() -> None:
    obs = network().observe("genie")
    with pytest.raises(ValueError, match=r"share: got 1\.5, expected a number from 0 to 1"):
        queue_weighted(obs, wmmse_update, share=1.5)
    with pytest.raises(ValueError, match="share: got -1, expected a number from 0 to 1"):
        PowerControl("wmmse", "global", share=-1)
    with pytest.raises(ValueError, match="knowledge: got 'all', expected one of genie, global, neighbourhood"):
        PowerControl("wmmse", "all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="method: got 'sgd', expected one of wmmse, fp"):
        PowerControl("sgd")  # type: ignore[arg-type]
