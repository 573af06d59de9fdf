"""What power iterations hear and spill, in float32 at any scale, and on tensors and NumPy arrays alike."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import from_gain, preset
from hetgraph.radio import feasible
from hetgraph.solvers import fractional_programming, max_rsrp_association, wmmse, wmmse_alpha_fair
from hetgraph.solvers import kernel as kernel_module
from hetgraph.solvers.kernel import kernel_of


def network(noise_w: float, scale: float, blocks: int, dtype: torch.dtype) -> tuple[HeteroData, Tensor]:
    """Four stations, nine users."""
    g = torch.Generator().manual_seed(1)
    gain = torch.rand(4, 9, blocks, generator=g, dtype=torch.float64) ** 3 * scale
    serving = torch.randint(4, (9,), generator=g)
    return from_gain(gain.to(dtype), noise_w=noise_w, power_max_w=2.0), serving


@pytest.mark.parametrize("noise_w", [1e-30, 1e-20, 1e-10, 1.0])
@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("blocks", [1, 3])
def test_powers_are_finite_and_feasible_at_every_scale(noise_w: float, scale: float, blocks: int) -> None:
    graph, serving = network(noise_w, scale, blocks, torch.float32)
    found = {
        "fp": fractional_programming(graph, serving),
        "wmmse": wmmse(graph, serving),
        "per_rb": wmmse(graph, serving, budget="per_rb"),
        "per_link": wmmse(graph, serving, mode="per_link"),
        "fair": wmmse_alpha_fair(graph, serving)[0],
    }
    for name, allocation in found.items():
        assert bool(torch.isfinite(allocation.power_w).all()), name
        assert feasible(graph, allocation), name
        assert float(allocation.power_w.max()) > 0.01, name
    torch.testing.assert_close(found["fp"].power_w, found["wmmse"].power_w, rtol=0, atol=2e-3)
    exact, _ = network(noise_w, scale, blocks, torch.float64)
    torch.testing.assert_close(
        found["fp"].power_w.double(), fractional_programming(exact, serving).power_w, rtol=0, atol=5e-3
    )


@pytest.mark.parametrize("light", [False, True])
def test_interference_behind_a_signal_a_billion_times_stronger_is_exact(light: bool) -> None:
    g = torch.Generator().manual_seed(2)
    gain = torch.rand(5, 5, 2, generator=g, dtype=torch.float64) + 0.5
    own = torch.arange(5)
    gain[own, own] *= 1e9
    noise = 0.1
    kernel = kernel_of(from_gain(gain.float(), noise_w=noise, power_max_w=1.0), own, light=light)
    fraction = torch.rand(1, 2, 5, generator=g)
    got = kernel.own_gain * kernel.at_user(kernel.array(fraction)) / kernel.interference(kernel.array(fraction))
    power = fraction.double()[0].t()  # [n, R]
    received = gain.float().double() * power.unsqueeze(1)
    signal = received[own, own].clone()
    received[own, own] = 0
    torch.testing.assert_close(
        torch.as_tensor(got)[0].t().double(), signal / (received.sum(0) + noise), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("name", ["interference-k:pairs=9", "hex-19", "hetnet-3tier"])
@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("budget", ["total", "per_rb"])
def test_arrays_and_tensors_give_the_same_powers(
    name: str, networks: int, budget: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = preset(name).sample(networks, seed=3)
    serving = max_rsrp_association(graph)
    light = wmmse(graph, serving, iterations=8, budget=budget).power_w  # type: ignore[arg-type]
    fair = wmmse_alpha_fair(graph, serving, iterations=4, budget=budget)[0].power_w  # type: ignore[arg-type]
    monkeypatch.setattr(kernel_module, "_SMALL", 0)
    assert isinstance(kernel_of(graph, serving, light=True).gain, Tensor)
    limit = float(graph["bs"].power_max_w.max())
    for got, again in (
        (light, wmmse(graph, serving, iterations=8, budget=budget)),  # type: ignore[arg-type]
        (fair, wmmse_alpha_fair(graph, serving, iterations=4, budget=budget)[0]),  # type: ignore[arg-type]
    ):
        torch.testing.assert_close(got, again.power_w, rtol=1e-3, atol=1e-3 * limit)


def test_stations_without_weight_are_silent_and_others_do_not_notice() -> None:
    graph, serving = network(0.1, 3.0, 1, torch.float64)
    weights = (serving != 0).double()
    allocation = wmmse(graph, serving, weights=weights)
    assert float(allocation.power_w[0].abs().max()) == 0
    assert float(wmmse(graph, serving, weights=torch.zeros(9, dtype=torch.float64)).power_w.abs().max()) == 0
