"""Batched environments: resets, endings, seeds, what each level sees, schedulers."""

from typing import Any

import networkx as nx
import pytest
import torch
from torch import Generator
from torch_geometric.data import Batch

from hetgraph.envs import CellularEnv, ConflictEnv, Traffic, rollout
from hetgraph.envs.queues.conflict_rules import QCSMA, GreedyMaximal, LongestLocalQueue, RandomScheduler
from hetgraph.envs.queues.delays import Delays, PacketLog, nearest_rank
from hetgraph.envs.queues.traffic import Arrivals, poisson_cdf, thresholds_passed
from hetgraph.graph import CHANNEL, check
from hetgraph.graph.streams import stream
from hetgraph.radio import Allocation, policy, violations

SCHEDULERS = [GreedyMaximal(), GreedyMaximal(paper=True), LongestLocalQueue(), QCSMA(), RandomScheduler()]


def silence(env: Any) -> Allocation:
    rows = env.num_envs * env.num_devices
    power = torch.zeros(env.num_envs * env.num_stations, env.num_rbs)
    return Allocation(env.cells.serving, power, torch.zeros(rows, env.num_rbs))


def make(kind: str, envs: int, **options: Any) -> ConflictEnv | CellularEnv:
    if kind == "conflict":
        return ConflictEnv("conflict-8", envs, **{"load": 0.5, **options})
    return CellularEnv("hex-19:rings=1", envs, **{"load": 20.0, **options})


@pytest.mark.parametrize("kind", ["conflict", "cellular"])
def test_time_limits_truncate_and_overflows_terminate(kind: str) -> None:
    env = make(kind, 3, episode_slots=40, max_queue=6.0, discount=0.9, load=Traffic(0.5))
    env.reset(seed=1)
    both = {"truncated": 0, "terminated": 0}
    for _ in range(200):
        before = env.slot.clone()
        left = env.queue.clone()
        found = env.step(silence(env))
        done = found.terminated | found.truncated
        assert torch.equal(found.terminated, (left > 6).any(1))
        assert torch.equal(found.truncated, before + 1 >= 40)
        both["truncated"] += int(found.truncated.sum())
        both["terminated"] += int(found.terminated.sum())
        assert torch.equal(env.slot, torch.where(done, 0, before + 1))
        held = torch.zeros_like(found.reward).scatter_add_(1, env.cells.station, left)
        hears = env.cells.neighbours.float() + torch.eye(env.num_stations)
        expected = -(hears @ held.unsqueeze(2)).squeeze(2)
        scale = torch.where(found.terminated, 10.0, 1.0).unsqueeze(1)
        torch.testing.assert_close(found.reward, expected * scale, rtol=1e-5, atol=1e-5)
        if bool(done.any()):
            final = found.info["final_obs"]["ue"].queue_bits.reshape(3, -1) / env.packet_bits
            assert bool((final[done] >= left[done] - 1e-5).all()), "the last observation is that before the reset"
            assert torch.equal(env.queue[done], env.arrivals.count[done]), (
                "an ended network starts with one slot's arrivals"
            )
        else:
            assert "final_obs" not in found.info
    assert both["terminated"] > 5
    calm = make(kind, 2, episode_slots=10, load=0.0)
    calm.reset(seed=0)
    ends = [bool(calm.step(silence(calm)).truncated.all()) for _ in range(30)]
    assert [i for i, end in enumerate(ends) if end] == [9, 19, 29]


@pytest.mark.parametrize("kind", ["conflict", "cellular"])
def test_a_seed_gives_the_same_episode_and_a_state_goes_on_bit_equal(kind: str) -> None:
    env, policy = make(kind, 3), RandomScheduler()

    def play(slots: int, generator: Generator) -> list[torch.Tensor]:
        state, out = policy.initial_state(env.observe("local")), []
        for _ in range(slots):
            action, state = policy.act(env.observe("local"), state, generator)
            found = env.step(action)
            out += [found.reward.clone(), found.obs["ue"].queue_bits.clone()]
        return out

    env.reset(seed=4)
    first = play(20, Generator().manual_seed(1))
    env.reset(seed=4)
    again = play(10, generator := Generator().manual_seed(1))
    kept, place = env.state_dict(), generator.get_state()
    again += play(10, generator)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    env.load_state_dict(kept)
    generator.set_state(place)
    later = play(10, generator)
    assert all(torch.equal(a, b) for a, b in zip(first[20:], later, strict=True))
    env.reset(seed=5)
    other = play(20, Generator().manual_seed(1))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("policy", SCHEDULERS, ids=lambda p: p.name)
def test_schedules_are_feasible_and_one_device_per_station(policy: Any) -> None:
    env = ConflictEnv(num_envs=16, load=0.4)
    env.reset(seed=2)
    state, generator = policy.initial_state(env.observe(policy.level)), Generator().manual_seed(0)
    for _ in range(30):
        action, state = policy.act(env.observe(policy.level), state, generator)
        assert violations(env.observe("genie"), action) == []
        assert not env.step(action).info["refused"].any() or policy.name == "random"


def test_only_the_genie_sees_the_present() -> None:
    env, policy = CellularEnv("random-19", 2, load=20.0), RandomScheduler()
    obs, _ = env.reset(seed=1)
    state, generator = policy.initial_state(obs), Generator().manual_seed(0)
    for _ in range(3):
        now = env.observe("genie")[CHANNEL].gain.clone()
        own = now.reshape(2, 57, 19, 3).gather(2, env.cells.station.reshape(2, 57, 1, 1).expand(2, 57, 1, 3)).squeeze(2)
        env.step(policy.act(obs, state, generator)[0])
        assert torch.equal(env.observe("global")[CHANNEL].gain, now), "a slot later the others see it"
        assert torch.equal(env.observe("local")["ue"].own_gain.reshape(2, 57, 3), own)
        assert not torch.equal(env.observe("genie")[CHANNEL].gain, now)
    check(env.observe("genie"))


def test_a_restarted_network_does_not_show_its_present() -> None:
    env = CellularEnv("hex-19:rings=1", 3, load=Traffic(0.5), episode_slots=4)
    env.reset(seed=1)
    for _ in range(9):
        env.step(silence(env))
        assert not torch.equal(env._gains[0], env._gains[1])
        own = env._own_gain(env.gain, torch.empty_like(env._reports["own_gain"]))
        assert float((own - env._reports["own_gain"]).abs().min(2).values.min()) > 0


def test_arrivals_have_the_load_and_come_in_bursts() -> None:
    for traffic in (Traffic(0.4), Traffic(0.4, burst_slots=20, duty=0.2)):
        arrivals = Arrivals(traffic, 0, range(200), 10)
        drawn = torch.stack([arrivals.draw().clone() for _ in range(1000)])
        assert float(drawn.mean()) == pytest.approx(0.4, rel=0.03)
        lag = ((drawn[1:] - 0.4) * (drawn[:-1] - 0.4)).mean()
        assert float(lag) == pytest.approx(0.0, abs=0.01) if not traffic.burst_slots else float(lag) > 0.4
    poisson = torch.stack([Arrivals(Traffic(1.7), s, range(400), 100).draw().clone() for s in range(9)])
    assert float(poisson.var()) == pytest.approx(1.7, rel=0.03)


def test_thresholds_passed_are_those_of_a_binary_search() -> None:
    source = Generator().manual_seed(0)
    for rate in (0.01, 0.5, 7.0, 80.0):
        edges = torch.tensor(poisson_cdf(rate))
        value = torch.cat([torch.rand(4000, generator=source), edges[edges < 1], torch.tensor([0.0, 1 - 2.0**-24])])
        assert torch.equal(thresholds_passed(value, edges.tolist()).long(), torch.bucketize(value, edges, right=True))


def test_blocks_of_draws_are_the_streams_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Arrivals(Traffic(0.7), 5, range(70), 40)
    drawn = torch.stack([plain.draw().clone() for _ in range(300)])
    for network in (0, 69):  # the first chunk of networks and the last
        uniform = torch.rand(300, 40, generator=stream(5, network, "arrivals"))
        assert torch.equal(drawn[:, network], torch.bucketize(uniform, torch.tensor(plain.cdf), right=True).float())
    monkeypatch.setattr("hetgraph.envs.queues.draws.CHUNK_NUMBERS", 1)
    alone = Arrivals(Traffic(0.7), 5, range(70), 40)
    assert torch.equal(drawn, torch.stack([alone.draw().clone() for _ in range(300)]))


def test_one_layout_and_several_clear_the_same_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One matrix over pairs of device and block, one over devices, and a matrix for each network."""
    env = ConflictEnv("conflict-8", 5)
    fast, source = env._capacity, Generator().manual_seed(0)
    monkeypatch.setattr("hetgraph.envs.queues.conflict.MOST_PAIRS", 0)
    plain = ConflictEnv("conflict-8", 5)
    assert env._pairs is not None and plain._pairs is None
    active = (torch.rand(5 * env.num_devices, env.num_rbs, generator=source) < 0.3).float()
    power = torch.ones(5 * env.num_stations, env.num_rbs)
    room = plain._capacity(active, power)
    assert torch.equal(fast(active, power), room) and 0 < float(room.sum()) < float(active.sum())
    cost = torch.randint(0, 9, (5, env.num_devices), generator=source).float()
    reward = env._reward(cost)
    plain._weights, plain.disturbs = None, plain.disturbs.expand(5, -1, -1)
    assert torch.equal(plain._capacity(active, power), room)
    assert torch.equal(plain._reward(cost), reward)


def test_the_packet_log_splits_a_delay_into_waiting_and_transmission() -> None:
    log = PacketLog(whole=False)
    for came, left, head, room in ((2, 0, 1.0, 0.5), (0, 1, 0.5, 1.0), (1, 2, 0.5, 2.0), (1, 0, 1.0, 0.0)):
        log.arrived(torch.tensor([[float(came)]]))
        log.served(torch.tensor([[left]]), torch.tensor([[head]]), torch.tensor([[room]]))
    found = log.delays()
    assert found.arrival.tolist() == [0, 0, 2, 3]
    assert found.waiting.tolist() == [1, 2, 0, 1]
    assert found.transmission.tolist() == [0.5, 0.25, 0.75, 0.0]
    assert found.delivered.tolist() == [True, True, True, False]
    assert found.before(2).summary()["mean"] == pytest.approx((1.5 + 2.25) / 2)


def test_percentiles_are_nearest_ranks() -> None:
    """The smallest value that is no less than the named part of all values, by counting."""
    for n in (1, 2, 19, 20, 21, 31, 99, 100, 101, 200):
        ordered = torch.arange(1, n + 1, dtype=torch.float64)
        for percent in (1, 50, 95, 99, 100):
            expected = next(k for k in range(1, n + 1) if 100 * k >= percent * n)
            assert nearest_rank(ordered, percent) == expected
    none = torch.zeros(31)
    found = Delays(none, none, none, torch.randperm(31) + 1.0, none, none == 0).summary()
    assert (found["p95"], found["p99"], found["max"]) == (30, 31, 31)
    with pytest.raises(ValueError, match="percent: got 101 of 3 values, expected a whole number from 1 to 100"):
        nearest_rank(torch.ones(3), 101)
    with pytest.raises(ValueError, match=r"percent: got 95 of 0 values, .* at least one value"):
        nearest_rank(torch.ones(0), 95)


@pytest.mark.parametrize("kind", ["conflict", "cellular"])
def test_the_delay_reward_sums_to_all_delays(kind: str) -> None:
    """On networks whose stations have no neighbours the rewards of an episode are minus the delays of its packets."""
    env: Any
    if kind == "conflict":
        graph = nx.DiGraph([(0, 1), (1, 0)])  # two devices of one agent
        nx.set_node_attributes(graph, 0, "agent")
        env = ConflictEnv(graph, 3, load=0.4, reward="delay", record=True, episode_slots=300)
    else:
        env = CellularEnv("hex-19:rings=0", 3, load=60.0, reward="delay", record=True, dtype=torch.float64)
    found = policy("llq" if kind == "conflict" else "lqf_subband")
    env.reset(seed=2)
    obs = env.observe(found.level)
    state, generator = found.initial_state(obs), Generator().manual_seed(0)
    alone = ~env.cells.neighbours.any()
    total = torch.zeros((), dtype=torch.float64)
    for _ in range(200):
        step = env.step(found.act(env.observe(found.level), state, generator)[0])
        total += step.reward.double().sum()
    assert bool(alone) and float(-total) == pytest.approx(float(env.delays().total.sum()), rel=1e-6)


def test_greedy_maximal_scheduling_beats_the_weaker_one_as_it_should() -> None:
    env = ConflictEnv(num_envs=8, load=0.4, episode_slots=1500)
    trial = rollout(env, {scheduler.name: scheduler for scheduler in SCHEDULERS[:4]}, seed=1)
    mean = {name: float(values["mean_delay_slots"].mean()) for name, values in trial.values.items()}
    assert mean["gms"] == pytest.approx(1.11, rel=0.03)
    assert mean["gms_paper"] == pytest.approx(2.08, rel=0.06)
    assert mean["qcsma"] == pytest.approx(3.35, rel=0.1)
    assert mean["gms"] < mean["llq"]


def test_networkx_graphs_and_several_layouts() -> None:
    ring = nx.DiGraph()
    ring.add_nodes_from([(name, {"agent": name[0]}) for name in ("a1", "a2", "b1", "c1")])
    ring.add_edges_from([("a1", "b1"), ("b1", "c1")])
    env = ConflictEnv(ring, 2)
    assert env.cells.station[0].tolist() == [0, 0, 1, 2] and env.disturbs.sum() == 2
    assert env.cells.neighbours[0].tolist() == [[False, True, False], [True, False, True], [False, True, False]]
    many = CellularEnv("hex-19:rings=1", 4, layouts=2)
    assert torch.equal(many._large[0], many._large[2])
    assert not torch.equal(many._large[0], many._large[1])
    assert isinstance(many.observe("local"), Batch)


MISTAKES = [
    (lambda: ConflictEnv("conflict-9"), "preset: got 'conflict-9', expected one of"),
    (lambda: ConflictEnv(nx.path_graph(3)), "graph: got an undirected graph, expected a networkx.DiGraph"),
    (lambda: ConflictEnv(num_envs=0), "num_envs, first: got 0, 0, expected at least 1 and 0"),
    (lambda: ConflictEnv(load=-1.0), "load: got -1.0, expected a number of 0 or more"),
    (lambda: ConflictEnv(level="all"), "level: got 'all', expected one of local, neighbourhood, global, genie"),
    (lambda: ConflictEnv(discount=1.0), "discount: got 1.0, expected a number of 0 or more, below 1"),
    (lambda: CellularEnv("mars"), "preset: got 'mars', expected one of"),
    (lambda: CellularEnv(layouts=0), "layouts: got 0, expected at least 1, or None for one each"),
    (lambda: ConflictEnv(record=True, max_queue=9), "record: got max_queue=9, expected None"),
    (lambda: ConflictEnv().reset(options={"speed": 1}), "options: got speed, expected none"),
    (
        lambda: ConflictEnv().step(Allocation(torch.zeros(8).long(), torch.zeros(4, 3))),
        "action.airtime: got NoneType, expected a tensor of shape",
    ),
    (lambda: ConflictEnv().delays(), "delays: got an environment that recorded nothing"),
]


@pytest.mark.parametrize(("make_it", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_get_one_sentence(make_it: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_it()
    assert message in str(caught.value) and "\n" not in str(caught.value)
