"""Schedulers of cells: what they may see, what they promise, and how they are found by name."""

import pytest
import torch
from torch import Tensor

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv, rollout
from hetgraph.envs.queues.cell_rules import GreedyGenie, LongestQueueFirst
from hetgraph.envs.queues.cross_entropy import cross_entropy, network_means, tune_local_score
from hetgraph.envs.queues.local_score import PARAMETERS, START, LocalScore
from hetgraph.radio import OneShotPolicy, policy, policy_names, scheduler_names, violations

CONFLICT = ("gms", "gms_paper", "llq", "qcsma", "random")
CELLS = (
    "llq", "lqf_subband", "lqf_best", "max_weight_local", "local_score", "fair_itlinq", "fp", "wmmse", "genie", "random",
    "wmmse_genie", "wmmse_global", "wmmse_neighbourhood", "fp_genie", "fp_global", "fp_neighbourhood",
)  # fmt: skip


def make(kind: str, networks: int = 2) -> QueueEnv:
    if kind == "conflict":
        return ConflictEnv(num_envs=networks, load=0.5, seed=1)
    return CellularEnv("random-19", networks, load=30.0, seed=1)


def actions(env: QueueEnv, name: str) -> tuple[Tensor, Tensor]:
    found = policy(name)
    obs = env.observe(found.level)
    allocation, _ = found.act(obs, found.initial_state(obs), torch.Generator().manual_seed(0))
    return allocation.power_w.reshape(env.num_envs, env.num_stations, -1), allocation.airtime.reshape(
        env.num_envs, env.num_devices, -1
    )


@pytest.mark.parametrize(("kind", "name"), [("conflict", n) for n in CONFLICT] + [("cellular", n) for n in CELLS])
def test_every_schedule_is_feasible(kind: str, name: str) -> None:
    assert name in {*policy_names(), *scheduler_names()}
    env, found = make(kind), policy(name)
    env.reset()
    state, generator = found.initial_state(env.observe(found.level)), torch.Generator().manual_seed(0)
    for _ in range(5):
        allocation, state = found.act(env.observe(found.level), state, generator)
        assert not violations(env.observe("genie"), allocation)
        env.step(allocation)


@pytest.mark.parametrize("name", CELLS)
def test_only_the_genie_sees_current_gains(name: str) -> None:
    """A canary in the current gains changes the actions of those who may see them, and no others."""
    env = make("cellular")
    assert isinstance(env, CellularEnv)
    env.reset()
    before = actions(env, name)
    env.gain.mul_(torch.rand_like(env.gain) * 1000)
    unmoved = all(torch.equal(a, b) for a, b in zip(actions(env, name), before, strict=True))
    assert unmoved == (policy(name).level != "genie")


@pytest.mark.parametrize(("kind", "name"), [("conflict", "llq")] + [("cellular", n) for n in CELLS])
def test_a_canary_in_far_cells_changes_no_local_action(kind: str, name: str) -> None:
    """Neither queues nor reports of stations beyond the level's reach matter; those within it do to somebody."""
    level = policy(name).level
    if level not in ("local", "neighbourhood"):
        pytest.skip("sees the whole network")
    env = make(kind, 1)
    env.reset()
    for _ in range(3):
        env.step(
            policy("random").act(env.observe("local"), policy("random").initial_state(env.observe("local")), None)[0]
        )
    near = torch.eye(env.num_stations, dtype=torch.bool)
    if level == "neighbourhood":
        near |= env.cells.neighbours[0]
    station = int(near.sum(1).argmin())
    own = env.cells.station[0] == station
    if bool(near[station].all()):
        pytest.skip("everybody is near")
    power, airtime = actions(env, name)
    foreign = ~near[station][env.cells.station[0]]
    env.queue[:, foreign] += 7
    for value in getattr(env, "_reports", {}).values():
        value[:, foreign] *= 3
    after = actions(env, name)
    assert torch.equal(after[0][:, station], power[:, station])
    assert torch.equal(after[1][:, own], airtime[:, own])


def test_a_score_of_the_queue_alone_is_longest_queue_first() -> None:
    weights = dict.fromkeys(PARAMETERS, 0.0) | {"queue": 1.0, "share": 1.0, "offset": 20.0, "cap_db": 300.0}
    env = make("cellular")
    env.reset()
    order = torch.randperm(env.queue.numel(), generator=torch.Generator().manual_seed(0))
    env.queue.copy_(0.1 + order.reshape(env.queue.shape))  # no ties
    obs = env.observe("neighbourhood")
    # The rate only decides between subbands: the longest queue comes first and takes the best one that is free.
    longest = LongestQueueFirst("best")
    score = LocalScore([{**weights, "rate": 1e-4}[name] for name in PARAMETERS])
    one, two = (p.act(obs, p.initial_state(obs), None)[0] for p in (longest, score))
    assert one.airtime is not None and two.airtime is not None and torch.equal(one.airtime, two.airtime)


def test_a_score_caps_powers_and_stays_silent() -> None:
    env = make("cellular")
    env.reset()
    obs = env.observe("neighbourhood")
    start = dict(zip(PARAMETERS, START, strict=True))
    silent = LocalScore([{**start, "offset": -1e9}[name] for name in PARAMETERS])
    assert not silent.act(obs, silent.initial_state(obs), None)[0].power_w.any()
    loud, capped = (LocalScore([{**start, "cap_db": cap}[n] for n in PARAMETERS]) for cap in (300.0, 10.0))
    powers = [p.act(obs, p.initial_state(obs), None)[0].power_w for p in (loud, capped)]
    assert bool((powers[1] <= powers[0]).all()) and float(powers[1].sum()) < float(powers[0].sum())


def test_cross_entropy_finds_a_minimum() -> None:
    target = torch.tensor([1.0, -2.0, 0.5])
    found = cross_entropy(
        lambda x: (x - target).square().sum(1),
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        population=60,
        elites=10,
        generations=25,
        generator=torch.Generator().manual_seed(0),
    )
    torch.testing.assert_close(found, target, atol=0.05, rtol=0)


def test_tuning_shortens_delays() -> None:
    tuned = tune_local_score("random-19", 25.0, layouts=2, slots=60, population=12, elites=3, generations=4)
    env = CellularEnv("random-19", 8, load=25.0, layout_seed=77, record=True, episode_slots=150)
    means = []
    for weights in ((1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 30.0), tuned.weights):
        rollout(env, {"score": LocalScore(weights)}, seed=3)
        delays = env.delays()
        means.append(float(network_means(delays.total, delays.network, 8).log().mean()))
    assert means[1] < means[0]


def test_names_that_do_not_fit_are_refused() -> None:
    env = make("cellular")
    with pytest.raises(ValueError, match="policy gms: got a graph without conflict edges"):
        policy("gms").initial_state(env.observe("global"))
    with pytest.raises(ValueError, match="policy: got an environment without channels"):
        found = policy("lqf_subband")
        obs = make("conflict").observe("local")
        found.act(obs, found.initial_state(obs), None)
    with pytest.raises(ValueError, match="share: got 2, expected a number from 0 to 1"):
        GreedyGenie(2)
    with pytest.raises(ValueError, match="LocalScore: got 2 weights, expected 9"):
        LocalScore((1.0, 2.0))
    assert isinstance(policy("max_rsrp"), OneShotPolicy)
