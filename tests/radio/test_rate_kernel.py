"""The one kernel of SINR and rates: all layouts against one loop in plain Python, and no second formula in the tree."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, from_gain
from hetgraph.graph.links import links_of
from hetgraph.radio import Allocation, edge_sinr, noma_rates, rates_bps, shannon, signal_and_interference, sinr
from hetgraph.radio.interference import interference_on_blocks
from hetgraph.radio.rates import spectral_efficiency

ROOT = Path(__file__).parents[2]
STATIONS, USERS, BLOCKS, NOISE_W = 4, 7, 3, 0.05
CAP = 1000.0  # an SINR of 30 dB


def oracle(gain: Tensor, layer_w: Tensor, own: list[int], user: int, block: int, most: float = math.inf) -> float:
    """Rate of a user's layer, bit/s/Hz: other stations' layers disturb, and of its own those of users that hear it better.

    Args:
        gain: linear power gain ``[U, N, R]``.
        layer_w: power that each user's station spends on it ``[U, R]``, W.
        own: station of each user.
        user: whose rate.
        block: on which resource block.
        most: largest SINR.
    """

    def other(k: int) -> float:
        heard = [float(gain[k, own[j], block]) * float(layer_w[j, block]) for j in range(len(own)) if own[j] != own[k]]
        return math.fsum(heard) + NOISE_W

    def quality(k: int) -> float:
        return float(gain[k, own[k], block]) / other(k)

    mine = float(gain[user, own[user], block])
    above = [float(layer_w[j, block]) for j in range(len(own)) if own[j] == own[user] and quality(j) > quality(user)]
    ratio = mine * float(layer_w[user, block]) / (other(user) + mine * math.fsum(above))
    return math.log1p(min(ratio, most)) / math.log(2)


def network(own: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Gains ``[U, N, R]``, one's own strong or weak, and powers of layers ``[U, R]``."""
    g = torch.Generator().manual_seed(seed)
    gain = torch.rand(len(own), STATIONS, BLOCKS, generator=g, dtype=torch.float64) + 0.01
    for user, station in enumerate(own):
        gain[user, station] *= 10.0 ** (user % 5)
    return gain, torch.rand(len(own), BLOCKS, generator=g, dtype=torch.float64) + 0.1


def graph_of(gain: Tensor, layout: str) -> HeteroData:
    """All candidates, three for each user, or two of the first user and three of the others; what is left out is without gain."""
    graph = from_gain(gain.transpose(0, 1), noise_w=NOISE_W, power_max_w=10.0)
    if layout != "dense":
        kept = graph[CHANNEL].gain.abs().sum(1) > 0
        for name in ("gain", "slot"):
            graph[CHANNEL][name] = graph[CHANNEL][name][kept]
        graph[CHANNEL].edge_index = graph[CHANNEL].edge_index[:, kept]
        count = torch.bincount(graph[CHANNEL].edge_index[1])
        first = count.cumsum(0) - count
        graph[CHANNEL].slot = torch.arange(int(count.sum())) - torch.repeat_interleave(first, count)
    return graph


@pytest.mark.parametrize("layout", ["dense", "constant", "ragged"])
@pytest.mark.parametrize("superposed", [False, True])
def test_edge_lists_against_the_loop(layout: str, superposed: bool) -> None:
    own = [0, 1, 2, 3, 0, 1, 2] if superposed else [0, 1, 2, 3]
    gain, layer = network(own)
    if layout != "dense":  # the station after the own one is no candidate, nor the next one of the first user
        for user, station in enumerate(own):
            gain[user, (station + 1) % STATIONS] = 0
        if layout == "ragged":
            gain[0, 2] = 0
    graph, serving = graph_of(gain, layout), torch.tensor(own)
    links = links_of(graph)
    assert links.dense == (layout == "dense") and (links.degree is None) == (layout == "ragged")
    power = torch.zeros(STATIONS, BLOCKS, dtype=torch.float64).index_add(0, serving, layer)
    expected = torch.tensor(
        [[oracle(gain, layer, own, u, r) for r in range(BLOCKS)] for u in range(len(own))], dtype=torch.float64
    )
    if superposed:
        graph.rb_bandwidth_hz = torch.ones_like(graph.rb_bandwidth_hz)
        found = rates_bps(graph, Allocation(serving, power, layer_power_w=layer), "superposed")
        torch.testing.assert_close(found, expected.sum(1), rtol=1e-12, atol=0)
        return
    torch.testing.assert_close(shannon(sinr(graph, Allocation(serving, power))), expected, rtol=1e-12, atol=0)
    of_edges = links.flat(shannon(edge_sinr(graph, power)))
    torch.testing.assert_close(links.pick(of_edges, links.slot_of(serving)), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("most", [None, 50.0])
def test_dense_tables_against_the_loop(most: float | None) -> None:
    """Two networks as ``[B, R, U, N]`` and, blocks last, as ``[B, U, N, R]``; every station serves one user."""
    owners = [[2, 0, 3, 1], [1, 3, 0, 2]]
    gains, layers = zip(*(network(own, seed) for seed, own in enumerate(owners)), strict=True)
    gain, own = torch.stack(gains), torch.tensor(owners)  # [B, U, N, R], [B, U]
    power = torch.stack(layers).gather(1, own.argsort(1).unsqueeze(2).expand(-1, -1, BLOCKS))  # [B, N, R]
    cap, noise = math.inf if most is None else most, torch.tensor(NOISE_W, dtype=torch.float64)
    expected = torch.tensor(
        [
            [[oracle(gains[b], layers[b], owners[b], u, r, cap) for r in range(BLOCKS)] for u in range(STATIONS)]
            for b in range(2)
        ],
        dtype=torch.float64,
    )
    assert most is None or float(expected.max()) == pytest.approx(math.log2(1 + most)), "the cap has to bind somewhere"
    blocks = own.unsqueeze(1).expand(-1, BLOCKS, -1)
    for exact in (True, False):
        signal, interference = signal_and_interference(
            gain.permute(0, 3, 1, 2), power.transpose(1, 2), blocks, noise, exact=exact
        )
        for nats, scale in ((False, 1.0), (True, math.log(2))):
            found = spectral_efficiency(signal, interference, most=most, nats=nats).transpose(1, 2)
            torch.testing.assert_close(found, scale * expected, rtol=1e-11, atol=0)
    other = interference_on_blocks(gain * power.unsqueeze(1), own, noise)
    own_gain = gain.gather(2, own.reshape(2, -1, 1, 1).expand(-1, -1, 1, BLOCKS)).squeeze(2)
    found = spectral_efficiency(own_gain * torch.stack(layers), other, most=most)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_superposed_layers_against_the_loop() -> None:
    own = [0] * USERS
    gain, layer = network(own)
    expected = [[oracle(gain, layer, own, u, r) for u in range(USERS)] for r in range(BLOCKS)]
    other = torch.full((BLOCKS, USERS), NOISE_W, dtype=torch.float64)
    found = noma_rates(gain[:, 0].t(), layer.t(), other)  # [R, U]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_total_minus_own_is_near_enough_under_the_cap_and_only_there() -> None:
    g = torch.Generator().manual_seed(3)
    gain = torch.rand(400, 12, 19, generator=g) + 0.1
    own, power = torch.randint(19, (400, 12), generator=g), torch.rand(400, 19, generator=g) + 0.5
    strength = 10 ** (8 * torch.rand(400, 12, 1, generator=g))  # the own station's, up to 80 dB
    gain = gain.scatter(2, own.unsqueeze(2), strength * gain.gather(2, own.unsqueeze(2)))
    noise = torch.full((400, 1), 1e-6)
    exact = signal_and_interference(gain.double(), power.double(), own, noise.double())
    for most, low, high in ((CAP, 0.0, 1e-3), (None, 0.5, 50.0)):
        rate = spectral_efficiency(*exact, most=most, nats=True)
        near = spectral_efficiency(*signal_and_interference(gain, power, own, noise, exact=False), most=most, nats=True)
        assert low <= float((near.double() - rate).abs().max()) <= high
        right = spectral_efficiency(*signal_and_interference(gain, power, own, noise), most=most, nats=True)
        torch.testing.assert_close(right.double(), rate, rtol=1e-6, atol=0)


@pytest.mark.parametrize("most", [None, 5.0])
def test_gradients_and_arguments_survive_the_kernel(most: float | None) -> None:
    """What is done in place is done to the kernel's own tensors, and not at all where a gradient is asked."""
    signal = torch.tensor([0.5, 4.0, 90.0], dtype=torch.float64)
    interference = torch.tensor([1.0, 0.4, 3.0], dtype=torch.float64)
    before = (signal.clone(), interference.clone())
    plain = spectral_efficiency(signal, interference, most=most)
    assert torch.equal(signal, before[0]) and torch.equal(interference, before[1])
    assert torch.equal(shannon(signal, most=most), spectral_efficiency(signal, torch.ones(3).double(), most=most))
    assert torch.equal(signal, before[0])
    leaves = (signal.requires_grad_(), interference.requires_grad_())
    assert torch.equal(spectral_efficiency(*leaves, most=most), plain)
    assert torch.autograd.gradcheck(lambda s, i: spectral_efficiency(s, i, most=most), leaves)
    gain = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    power = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    own = torch.tensor([[0, 1, 3], [2, 2, 0]])
    for exact in (True, False):
        assert torch.autograd.gradcheck(
            lambda g, p, exact=exact: signal_and_interference(g, p, own, torch.tensor(0.1).double(), exact=exact),
            (gain, power),
        )


# Files in which log2, LOG2E or the logarithm of one plus a ratio of powers stands, and why each is no second rate formula.
ALLOWED = {
    "hetgraph/radio/rates.py": "the kernel",
    "hetgraph/radio/relaxed.py": "bits per nat: the sum over blocks is converted, not each block; and derivatives of the kernel",
    "hetgraph/radio/auction.py": "bits per nat of what is needed",
    "hetgraph/solvers/wmmse.py": "weights of rates per nat; iterates on NumPy arrays, too, which the kernel does not take",
    "hetgraph/solvers/queued.py": "bits per nat of a block",
    "hetgraph/solvers/exhaustive.py": "the yardstick of all solvers is written anew, so that it shares no error with them",
    "hetgraph/envs/iot/max_weight.py": "bits per nat of a subchannel",
    "hetgraph/models/iot/priors.py": "bits per nat of a subchannel; what interference takes from others is no rate of a link",
    "hetgraph/models/mappo_inputs.py": "packets per nat of a block",
    "hetgraph/graph/efficiency_places.py": "the inverse: the SNR of a given spectral efficiency",
}
LOGARITHM = re.compile(r"\blog2_?\(|\bLOG2E\b|math\.log\(2(\.0)?\)|np\.log\(2(\.0)?\)")
RATIO = r"(sinr|snr|signal|received|own_gain|/ ?\(?(other|others|noise|interference|heard|floor))"
OF_A_RATIO = re.compile(rf"log1p_?\([^()]*{RATIO}|{RATIO}[^=]*\)?\.log1p_?\(", re.IGNORECASE)


def formulas(text: str) -> list[int]:
    """Lines of code, comments and docstrings apart, that take such a logarithm."""
    code = re.sub(r'r?""".*?"""', lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)
    lines = [line.split("  #")[0] for line in code.splitlines()]
    return [n for n, line in enumerate(lines, 1) if LOGARITHM.search(line) or OF_A_RATIO.search(line)]


def test_no_second_rate_formula_in_the_tree() -> None:
    """Every environment, solver and model takes its rates from the kernel; the exceptions are named, and each is needed."""
    found = {}
    for folder in ("hetgraph", "datasets", "trainers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            lines = formulas(path.read_text())
            if lines:
                found[str(path.relative_to(ROOT))] = lines
    extra = {name: lines for name, lines in found.items() if name not in ALLOWED}
    assert not extra, (
        f"rates: got formulas of their own in {extra}, expected spectral_efficiency of hetgraph.radio.rates"
    )
    gone = sorted(name for name in ALLOWED if name not in found and (ROOT / name).exists())
    assert not gone, f"ALLOWED: got {gone} without such a formula, expected only files that need the exception"


@pytest.mark.parametrize(
    "line",
    [
        "rate = torch.log2(1 + sinr)",
        "rate = (gain * power / other).clamp_max(1000).log1p() / math.log(2) * band",
        "rate = (signal / other).log1p()",
        "rate = torch.log1p(received / interference)",
        "rate = sinr.log1p() * LOG2E",
        "nats = noma_sinr(own, power, heard).log1p()",
    ],
)
def test_the_search_knows_the_formulas_that_once_stood_there(line: str) -> None:
    assert formulas(f'"""log2(1 + SINR)."""\n{line}  # text\n') == [2]
    assert not formulas('"""log2(1 + SINR)."""\nutility = (rate / unit).log1p()  # log2(1 + SINR)\n')
