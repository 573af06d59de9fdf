"""Environments against a plain-Python simulator that follows every packet of one network."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from scipy.special import j0

from hetgraph.envs import CellularEnv, ConflictEnv, Traffic
from hetgraph.envs.queues.conflict_rules import RandomScheduler
from hetgraph.graph import CHANNEL, CONFLICTS

SLOTS = 2000


@dataclass
class Packet:
    device: int
    arrival: int
    left: float  # bits or packets that are still to be sent
    delay: float | None = None


@dataclass
class Queues:
    """First-in-first-out queues, packet by packet."""

    devices: int
    size: float
    waiting: list[list[Packet]] = field(default_factory=list)
    reports: list[Packet] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = [[] for _ in range(self.devices)]

    def arrive(self, slot: int, counts: list[float]) -> None:
        for device, count in enumerate(counts):
            for _ in range(int(count)):
                packet = Packet(device, slot, self.size)
                self.waiting[device].append(packet)
                self.reports.append(packet)

    def serve(self, slot: int, room: list[float], *, whole: bool) -> None:
        for device, total in enumerate(room):
            spent = 0.0
            while self.waiting[device] and spent < total:
                packet = self.waiting[device][0]
                part = min(packet.left, total - spent)
                spent += part
                packet.left -= part
                if packet.left > 1e-9 * self.size:
                    break
                packet.delay = slot - packet.arrival + (1.0 if whole else spent / total)
                self.waiting[device].pop(0)

    def lengths(self) -> list[float]:
        return [sum(p.left for p in queue) / self.size for queue in self.waiting]


def compare(env: ConflictEnv | CellularEnv, queues: Queues, last_slot: int) -> None:
    delays = env.delays()
    order = sorted(queues.reports, key=lambda p: (p.device, p.arrival))
    assert len(order) == len(delays.total), "every packet is in the books"
    for place, packet in enumerate(order):
        assert int(delays.device[place]) == packet.device and int(delays.arrival[place]) == packet.arrival
        assert bool(delays.delivered[place]) == (packet.delay is not None)
        expected = packet.delay if packet.delay is not None else last_slot - packet.arrival
        assert float(delays.total[place]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("traffic", [Traffic(0.3), Traffic(0.25, burst_slots=10)])
def test_conflict_graph_packet_by_packet(traffic: Traffic) -> None:
    env = ConflictEnv(num_envs=2, load=traffic, record=True, episode_slots=SLOTS + 1)
    obs, _ = env.reset(seed=3)
    edges = obs[CONFLICTS].edge_index
    pairs = [(int(i), int(j)) for i, j in edges.T if int(i) < 8]
    policy, generator = RandomScheduler(), torch.Generator().manual_seed(1)
    state, queues, collisions = policy.initial_state(obs), Queues(8, 1.0), 0
    queues.arrive(0, env.arrivals.count[0].tolist())
    for slot in range(SLOTS):
        action, state = policy.act(obs, state, generator)
        active = action.airtime.reshape(2, 8, 3)[0] > 0  # type: ignore[union-attr]
        room = [0.0] * 8
        for r in range(3):
            on = [bool(active[u, r]) and bool(queues.waiting[u]) for u in range(8)]
            for u in range(8):
                clear = not any(on[i] for i, j in pairs if j == u)
                room[u] += on[u] and clear
                collisions += on[u] and not clear
        queues.serve(slot, room, whole=True)
        left = queues.lengths()
        held = [left[2 * k] + left[2 * k + 1] for k in range(4)]
        found = env.step(action)
        expected = [-(held[k] + held[(k + 1) % 4] + held[(k - 1) % 4]) for k in range(4)]
        assert found.reward[0].tolist() == expected
        queues.arrive(slot + 1, env.arrivals.count[0].tolist())
        assert env.queue[0].tolist() == queues.lengths()
    assert collisions > 500
    queues.reports = [p for p in queues.reports if p.arrival < SLOTS]
    one = env.delays().of_network(0)
    order = sorted(queues.reports, key=lambda p: (p.device, p.arrival))
    assert [int(a) for a in one.arrival] == [p.arrival for p in order]
    expected_delay = [p.delay if p.delay is not None else SLOTS - p.arrival for p in order]
    assert one.total.tolist() == expected_delay


def test_cellular_network_packet_by_packet() -> None:
    env = CellularEnv("random-19", 1, load=15.0, record=True, episode_slots=SLOTS + 1, dtype=torch.float64)
    obs, _ = env.reset(seed=5)
    graph = env.observe("genie")
    users, stations, blocks = 57, 19, 3
    own = [int(s) for s in env.cells.station[0]]
    size, policy, generator = 0.5e6, RandomScheduler(), torch.Generator().manual_seed(2)
    state, queues = policy.initial_state(obs), Queues(users, size)
    queues.arrive(0, env.arrivals.count[0].tolist())
    noise, slot_s = float(graph["ue"].noise_w[0, 0]), float(graph.slot_s[0])  # as they are in float32
    assert noise == pytest.approx(10 ** ((-114 - 30) / 10), rel=1e-6) and slot_s == pytest.approx(0.02)
    for slot in range(SLOTS):
        action, state = policy.act(obs, state, generator)
        active, power = action.airtime > 0, action.power_w.tolist()  # type: ignore[operator]
        gain = env.observe("genie")[CHANNEL].gain.reshape(users, stations, blocks).tolist()
        room, measured = [0.0] * users, []
        for r in range(blocks):
            sends = [0.0] * stations
            for u in range(users):
                if bool(active[u, r]) and queues.waiting[u]:
                    sends[own[u]] = power[own[u]][r]
            for u in range(users):
                other = noise + sum(gain[u][b][r] * sends[b] for b in range(stations) if b != own[u])
                measured.append((u, r, gain[u][own[u]][r], other))
                if bool(active[u, r]) and queues.waiting[u]:
                    ratio = min(gain[u][own[u]][r] * sends[own[u]] / other, 1000.0)
                    room[u] += 10e6 * slot_s * math.log2(1 + ratio)
        queues.serve(slot, room, whole=False)
        env.step(action)
        if slot % 100 == 0:
            for u, r, own_gain, other in measured[::7]:
                assert float(graph["ue"].own_gain[u, r]) == pytest.approx(own_gain, rel=1e-9)
                assert float(graph["ue"].interference_w[u, r]) == pytest.approx(other, rel=1e-6)
        queues.arrive(slot + 1, env.arrivals.count[0].tolist())
        assert env.queue[0].tolist() == pytest.approx(queues.lengths(), abs=1e-6)
    queues.reports = [p for p in queues.reports if p.arrival < SLOTS]
    compare(env, queues, SLOTS)


def test_fading_is_gauss_markov_with_jakes_correlation_and_unit_power() -> None:
    env = CellularEnv("hex-19", 4, load=0.0)
    env.reset(seed=1)
    first = env._h.clone()
    idle, policy = torch.Generator().manual_seed(0), RandomScheduler()
    state = policy.initial_state(env.observe("local"))
    env.step(policy.act(env.observe("local"), state, idle)[0])
    again = env._h
    assert float((first**2).sum(0).mean()) == pytest.approx(1, abs=0.03)
    assert float((again**2).sum(0).mean()) == pytest.approx(1, abs=0.03)
    assert float((first * again).sum(0).mean()) == pytest.approx(j0(2 * math.pi * 10 * 0.02), abs=0.03)
