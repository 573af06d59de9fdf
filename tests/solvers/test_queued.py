"""Queue-weighted power control of all links, against the solvers of single associations and against exhaustive search."""

import itertools

import pytest
import torch
from torch import Tensor

from hetgraph.envs import Cells, CellularEnv, cells_of
from hetgraph.graph import from_gain
from hetgraph.radio import policy, violations
from hetgraph.solvers import wmmse
from hetgraph.solvers.queued import fp_update, link_gains, queue_weighted, wmmse_update


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
    v = torch.ones(1, 1, users, dtype=torch.float64)
    for _ in range(7):
        v = update(v, scaled, scaled.diagonal(dim1=2, dim2=3), weight.reshape(1, 1, -1))
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
