"""Fair-ITLinQ: the rule of admission, its margins, its order of priority, and its gain between device-to-device links."""

import math

import pytest
import torch
from torch import Generator, Tensor

from hetgraph.envs import CellularEnv, rollout
from hetgraph.envs.queues.itlinq import DEFAULT, HEXAGONAL_LAYOUT, RANDOM_LAYOUT, FairITLinQ, Margins, admit, tolerable
from hetgraph.solvers.queued import link_gains


def schedule(env: CellularEnv, scheduler: FairITLinQ, seed: int = 2) -> Tensor:
    """Active links ``[B, R, U]``."""
    obs = env.observe("global")
    allocation, _ = scheduler.act(obs, scheduler.initial_state(obs), torch.Generator().manual_seed(seed))
    assert allocation.airtime is not None
    return allocation.airtime.reshape(env.num_envs, env.num_devices, -1).permute(0, 2, 1) > 0


@pytest.fixture
def env() -> CellularEnv:
    env = CellularEnv("random-19", 2, load=30.0, seed=1)
    env.reset()
    return env


@pytest.mark.parametrize("margins", [DEFAULT, RANDOM_LAYOUT, HEXAGONAL_LAYOUT, Margins(1.0, 0.5, 1.0, 0.5)])
@pytest.mark.parametrize("priority", ["queue", "random"])
def test_active_links_stay_within_their_margins(env: CellularEnv, margins: Margins, priority: str) -> None:
    gain, _ = link_gains(env.observe("global"), env.cells)
    active = schedule(env, FairITLinQ(margins, priority))  # type: ignore[arg-type]
    bound = margins.of(gain.diagonal(dim1=2, dim2=3))
    worst = torch.maximum(bound.unsqueeze(3), bound.unsqueeze(2))  # the later of two links kept its own margin
    pairs = active.unsqueeze(3) & active.unsqueeze(2) & ~torch.eye(env.num_devices, dtype=torch.bool)
    assert bool((gain <= worst)[pairs].all())
    left_out = (env.queue > 0).unsqueeze(1) & ~active
    assert bool(active.any()) and bool(left_out.any())


def test_admission_agrees_with_the_rule_link_by_link() -> None:
    """SNR and INRs of pairs in plain loops: a link looks at its own margin, at its receiver and at its transmitter."""
    generator = torch.Generator().manual_seed(3)
    margins = Margins(2.0, 0.6, 0.5, 0.4, threshold=100.0)
    gain = 10 ** (4 * torch.rand(3, 2, 12, 12, generator=generator))
    order = torch.stack([torch.randperm(12, generator=generator) for _ in range(3)])
    ready = torch.rand(3, 12, generator=generator) < 0.8
    active = admit(tolerable(gain, margins), order, ready)
    for network in range(3):
        for block in range(2):
            inr, chosen = gain[network, block], list[int]()
            for link in order[network].tolist():
                snr = float(inr[link, link])
                strong = snr > margins.threshold
                margin = 2.0 * snr**0.6 if strong else 0.5 * snr**0.4
                heard = max((float(inr[link, other]) for other in chosen), default=0.0)
                caused = max((float(inr[other, link]) for other in chosen), default=0.0)
                if ready[network, link] and max(heard, caused) <= margin:
                    chosen.append(link)
            assert active[network, block].nonzero().flatten().tolist() == sorted(chosen)
    assert 0 < int(active.sum()) < 2 * int(ready.sum())


def test_longest_queue_is_always_served(env: CellularEnv) -> None:
    env.queue.copy_(1.0 + torch.arange(env.queue.numel()).flip(0).reshape(env.queue.shape))  # no ties
    first = env.queue.argmax(1)
    by_queue, by_chance = schedule(env, FairITLinQ()), schedule(env, FairITLinQ(priority="random"))
    rows = torch.arange(env.num_envs)
    assert bool(by_queue[rows, :, first].all())
    assert not torch.equal(by_queue, by_chance)
    assert torch.equal(by_queue, schedule(env, FairITLinQ(), seed=9))  # chance decides ties alone
    env.queue.fill_(1.0)
    assert not torch.equal(schedule(env, FairITLinQ()), schedule(env, FairITLinQ(), seed=9))


def test_order_by_queue_shortens_delays() -> None:
    env = CellularEnv("random-19", 2, load=25.0, seed=1, episode_slots=120)
    policies = {p: FairITLinQ(priority=p) for p in ("queue", "random")}  # type: ignore[arg-type]
    mean = {
        name: float(values["mean_delay_ms"].mean()) for name, values in rollout(env, policies, seed=1).values.items()
    }
    assert mean["queue"] < 0.8 * mean["random"]


def test_unknown_priority_is_refused() -> None:
    with pytest.raises(ValueError, match="priority: got 'fifo', expected 'queue' or 'random'"):
        FairITLinQ(priority="fifo")  # type: ignore[arg-type]


def links(count: int, reach_m: float, generator: Generator) -> Tensor:
    """INRs of links up to ``reach_m`` long in a square kilometre (row: receiver): ITU-R P.1411 line of sight, 10 dB shadowing."""
    transmitter = 1000 * torch.rand(count, 2, generator=generator, dtype=torch.float64)
    length, angle = torch.rand(2, count, 1, generator=generator, dtype=torch.float64) * torch.tensor(
        [[[reach_m]], [[2 * math.pi]]]
    )
    receiver = transmitter + length * torch.cat([angle.cos(), angle.sin()], 1)
    wavelength, height = 0.125, 1.5
    breakpoint_m = 4 * height**2 / wavelength
    decades = (torch.cdist(receiver, transmitter).clamp_min(1) / breakpoint_m).log10()
    loss = 6 - 20 * math.log10(wavelength**2 / (8 * math.pi * height**2)) + decades * torch.where(decades < 0, 20, 40)
    loss = loss + 10 * torch.randn(count, count, generator=generator, dtype=torch.float64)
    noise_dbm = -184 + 10 * math.log10(5e6) + 7
    return torch.pow(10.0, (20 - 2 * 2.5 - loss - noise_dbm) / 10)


def sum_rate(inr: Tensor, active: Tensor) -> float:
    signal = inr.diagonal()
    interference = inr @ active.double() - signal * active
    return float((signal / (1 + interference)).log1p()[active].sum()) / math.log(2)


def flashlinq(inr: Tensor, order: Tensor, sir: float = 10**0.9) -> Tensor:
    """FlashLinQ (Wu et al. 2013): links yield below 9 dB of SIR at their receiver or at a receiver that joined before."""
    active, signal = torch.zeros(len(inr), dtype=torch.bool), inr.diagonal()
    for link in order.tolist():
        bears = sir * inr[link][active].sum() <= signal[link]
        active[link] = bears & (sir * inr[:, link][active] <= signal[active]).all()
    return active


@pytest.mark.parametrize("count", [256, 1024])
def test_device_to_device_links_gain_over_flashlinq_and_over_no_scheduling(count: int) -> None:
    """Naderializadeh and Avestimehr's setting, M of 25 dB, exponent 0.7: the gain exists, and grows with the number of links."""
    plain, generator = Margins(10**2.5, 0.7, 10**2.5, 0.7), torch.Generator().manual_seed(5)
    rates = torch.zeros(3)
    for _ in range(4):
        inr, order = links(count, 80.0, generator), torch.randperm(count, generator=generator)
        everyone = torch.ones(1, count, dtype=torch.bool)
        itlinq = admit(tolerable(inr[None, None], plain), order[None], everyone)[0, 0]
        rates += torch.tensor([sum_rate(inr, a) for a in (itlinq, flashlinq(inr, order), everyone[0])])
    over_flashlinq, over_none = (float(rates[0] / r) for r in rates[1:])
    least = {256: (1.05, 1.2), 1024: (1.2, 1.6)}[count]
    assert over_flashlinq > least[0] and over_none > least[1]
