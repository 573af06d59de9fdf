"""IoT networks: a slow oracle in plain Python, what no action can break, streams, resuming, the classical policies."""

import copy
import dataclasses
import itertools
import math
import pickle
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import IoTEnv, IoTWeights
from hetgraph.envs.iot import channels
from hetgraph.envs.iot.deadlines import Deadlines
from hetgraph.envs.iot.resolve import scheduled
from hetgraph.envs.iot.rules import min_path_loss
from hetgraph.envs.iot.transmission import transmit
from hetgraph.envs.rollout import rollout
from hetgraph.graph import (
    CHANNEL,
    NEIGHBOURS,
    Channel,
    Given,
    Mobility,
    Packets,
    Scenario,
    Users,
    Waypoints,
    check,
    from_gain,
    known_edges,
    preset,
    scenario_from_csv,
)
from hetgraph.graph.schema import Level
from hetgraph.models import HybridMADDPG
from hetgraph.radio import Schedule, budgeted, clusters, contest, evaluate, feasible, iot_names, iot_policy
from hetgraph.radio.spectrum import spectrum_of

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


def small(**changes: Any) -> Any:
    """A few users with short deadlines and windows, so that bits are late and windows end."""
    base = preset(SMALL)
    services = dataclasses.replace(base.services, video_deadline_s=0.02, burst_deadline_s=0.05, window_s=0.07)
    return dataclasses.replace(base, traffic=dataclasses.replace(services, **changes))


def anything(env: IoTEnv, generator: torch.Generator, *, wild: bool = False) -> Schedule:
    """A random action; a wild one has users of other stations, users twice, and far more power than the budget."""
    b, n, u, s, layers = env.num_envs, env.num_stations, env.num_users, env.num_subchannels, env.layers
    station = torch.randint(-1, n, (b, u), generator=generator)
    if wild:
        user = torch.randint(-1, u, (b, n, s, layers), generator=generator)
        power = (2 * torch.rand(user.shape, generator=generator) - 0.5).clamp(0, 1)
    else:
        user = clusters(torch.rand(b, u, s, generator=generator), station, n, layers)
        power = torch.rand(user.shape, generator=generator) / (s * layers)
    return Schedule(station, user, power.to(env.dtype))


class Oracle:
    """Network 0 of an environment, user by user; it takes the gains and the arrivals and nothing else."""

    def __init__(self, env: IoTEnv) -> None:
        self.env, self.users = env, range(env.num_users)
        self.bits = env.drawn.offered.bits[:, 0].tolist()
        self.deadline = env.drawn.offered.deadline_slots[0].tolist()
        self.queue: list[list[list[int]]] = [[] for _ in self.users]  # of [slots left, bits]
        self.home = [-1] * env.num_users
        self.served_sums: list[int] = []
        self.returned = 0.0
        self.t, self.sums = 0, dict.fromkeys(("served", "dropped", "energy", "moves", "kept", "promises", "busy"), 0.0)
        self.of_user = [[0, 0] for _ in self.users]
        self.window = [[0, 0] for _ in self.users]
        mean = [r * env.slot_s for r in env.drawn.offered.mean_bps[0].tolist()]
        self.smooth = [[m, m] for m in mean]
        self.arrive()

    def arrive(self) -> None:
        for u in self.users:
            self.queue[u].append([self.deadline[u], self.bits[self.t][u]])

    def waiting(self, u: int) -> int:
        return sum(bits for _, bits in self.queue[u])

    def powers(self, action: Schedule) -> dict[tuple[int, int], list[tuple[int, float]]]:
        """Layers that count: (station, subchannel) -> (user, W)."""
        env, station = self.env, action.station[0].tolist()
        found: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for n in range(env.num_stations):
            wish: list[tuple[int, int, float]] = []
            for s in range(env.num_subchannels):
                reports = set()
                for u, p in zip(action.user[0, n, s].tolist(), action.power[0, n, s].tolist(), strict=True):
                    if u >= 0 and station[u] == n and self.waiting(u) > 0 and p > 0 and u not in reports:
                        reports.add(u)
                        wish.append((s, u, p))
            total = max(sum(p for _, _, p in wish), 1.0)
            for s, u, p in wish:
                found.setdefault((n, s), []).append((u, p / total * float(env.drawn.budget.power_max_w[0, n])))
        return found

    def step(self, action: Schedule, gain: list[Any]) -> tuple[list[int], list[int], float, dict[tuple[int, int], Any]]:
        env, found = self.env, self.powers(action)
        total = {key: sum(p for _, p in layers) for key, layers in found.items()}
        rate = [0.0] * env.num_users
        for (n, s), layers in found.items():
            heard = {}
            for u, _ in layers:
                others = [m for m in range(env.num_stations) if m != n]
                heard[u] = float(env.drawn.budget.noise_w[0, u, s]) + sum(
                    gain[u][m][s] * total.get((m, s), 0.0) for m in others
                )
            for u, p in layers:
                inside = 0.0
                for v, q in layers:
                    if v != u:
                        stronger = gain[v][n][s] / heard[v] > gain[u][n][s] / heard[u]
                        inside += q * (1.0 if stronger else env.sic_residual)
                g = gain[u][n][s]
                rate[u] += env.sizes.subchannel_hz * math.log2(1 + g * p / (heard[u] + g * inside))
        served, dropped, moves = [], [], 0
        for u in self.users:
            room, sent = int(rate[u] * env.slot_s), 0
            for item in self.queue[u]:
                part = min(item[1], room - sent)
                item[1] -= part
                sent += part
            late = sum(bits for left, bits in self.queue[u] if left == 1)
            self.queue[u] = [[left - 1, bits] for left, bits in self.queue[u] if left > 1]
            served.append(sent)
            dropped.append(late)
            new = int(action.station[0, u])
            moves += new >= 0 and self.home[u] >= 0 and new != self.home[u]
            self.home[u] = new if new >= 0 else self.home[u]
        self.served_sums.append(sum(served))
        reward = self.book(served, dropped, moves, total)
        self.returned += reward
        self.t += 1
        if self.t % env.window == 0 or self.t == env.episode_slots:
            settled = [w for w in self.window if sum(w) > 0]
            self.sums["promises"] += len(settled)
            self.sums["kept"] += sum(w[0] >= env.scenario.services.reliability * sum(w) for w in settled)
            self.window = [[0, 0] for _ in self.users]
        self.arrive()
        return served, dropped, reward, found

    def book(self, served: list[int], dropped: list[int], moves: int, total: dict[tuple[int, int], float]) -> float:
        """Sums of the episode, and the slot's reward by eq. 10."""
        env, w, count = self.env, self.env.weights, self.env.num_users
        shares = []
        for u in self.users:
            for held in (self.of_user[u], self.window[u]):
                held[0] += served[u]
                held[1] += dropped[u]
            keep = 1 - 1 / env.fairness_slots
            old = self.smooth[u]
            now = (served[u], served[u] + dropped[u])
            self.smooth[u] = [keep * a + (1 - keep) * b for a, b in zip(old, now, strict=True)]
            shares.append(self.smooth[u][0] / max(self.smooth[u][1], 1e-9))
        fair = sum(shares) ** 2 / (count * sum(x * x for x in shares)) if any(shares) else 1.0
        energy = 0.0
        for n in range(env.num_stations):
            sent = sum(p for (m, _), p in total.items() if m == n)
            efficiency, circuit = (
                float(env.drawn.stations[k][0, n]) for k in ("amplifier_efficiency", "circuit_power_w")
            )
            energy += (sent / efficiency + circuit) * env.slot_s
        for name, value in (("served", sum(served)), ("dropped", sum(dropped)), ("energy", energy), ("moves", moves)):
            self.sums[name] += value
        self.sums["busy"] += sum(p > 1e-6 * float(env.drawn.budget.power_max_w[0, n]) for (n, _), p in total.items())
        bits_s_hz = sum(served) / env.slot_s / env.scenario.radio.bandwidth_hz / env.num_stations
        return w.throughput * bits_s_hz - w.fairness * (1 - fair) - w.handover * moves / count

    def kpis(self) -> dict[str, float]:
        env, s = self.env, self.sums
        time = self.t * env.slot_s
        share = [a / (a + b) for a, b in self.of_user if a + b]
        pairs = env.num_stations * env.num_subchannels
        return {
            "throughput_bps": s["served"] / time,
            "throughput_std_bps": statistics.pstdev(self.served_sums) / env.slot_s,
            "return": self.returned,
            "bit_per_j": s["served"] / s["energy"],
            "qos_violation": 1 - s["kept"] / s["promises"],
            "jain": sum(share) ** 2 / (len(share) * sum(x * x for x in share)),
            "handover_rate": s["moves"] / (self.t * env.num_users),
            "utilisation": s["busy"] / (self.t * pairs),
            "loss": s["dropped"] / (s["served"] + s["dropped"]),
        }


@pytest.mark.parametrize(("wild", "residual"), [(False, 0.0), (True, 0.05)])
def test_many_slots_against_a_slow_oracle(wild: bool, residual: float) -> None:
    weights = IoTWeights(2.0, 0.7, 0.3)
    env = IoTEnv(small(), 2, episode_slots=60, dtype=torch.float64, sic_residual=residual, weights=weights, seed=3)
    oracle, generator = Oracle(env), torch.Generator().manual_seed(0)
    late = 0
    for slot in range(60):
        assert env.queue.bits[0].tolist() == [oracle.waiting(u) for u in oracle.users]
        action = anything(env, generator, wild=wild)
        gain = env.channels.gain[0].tolist()
        step = env.step(action)
        served, dropped, reward, layers = oracle.step(action, gain)
        assert step.info["served_bits"][0].tolist() == pytest.approx(served, abs=1)
        assert served == step.info["served_bits"][0].tolist() and dropped == step.info["dropped_bits"][0].tolist()
        assert step.reward[0].tolist() == pytest.approx([reward] * 3, rel=1e-9)
        assert float(step.info["team_reward"][0]) == pytest.approx(reward, rel=1e-9)
        late += sum(dropped)
        if slot < 59:
            power = torch.zeros(env.num_users, env.num_subchannels, dtype=torch.float64)
            for (_, s), found in layers.items():
                for u, p in found:
                    power[u, s] = p
            assert torch.allclose(env.sent.layer_power_w[0], power, rtol=1e-9, atol=0)
    assert late > 0
    for name, value in oracle.kpis().items():
        assert float(step.info["episode"][name][0]) == pytest.approx(value, rel=1e-9), name


def test_rates_are_those_of_the_allocation() -> None:
    """What the environment transmits is what `evaluate` says of the same allocation on the same graph."""
    env = IoTEnv(small(), 3, dtype=torch.float64, sic_residual=0.02, seed=1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        action = anything(env, generator)
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
def test_no_action_breaks_a_budget_a_cluster_or_the_conservation_of_bits(name: str) -> None:
    """10,000 network-slots of random and adversarial actions, both presets together."""
    invariants(name, 50)


@pytest.mark.all
@pytest.mark.parametrize("name", ["iot-noma", "iot-oma"])
def test_100000_actions_break_nothing(name: str) -> None:
    invariants(name, 1000)  # 100 slots each


def invariants(name: str, networks: int) -> None:
    scenario = preset(f"{name}:users=7,small_cells=2,subchannels=3,load=2")
    env = IoTEnv(scenario, networks, episode_slots=50, seed=2, sic_residual=0.01)
    generator, arrived = torch.Generator().manual_seed(3), None
    served = dropped = 0
    for slot in range(100):
        if slot % 50 == 0:
            served = dropped = torch.zeros_like(env.queue.bits)
            arrived = env.drawn.offered.bits.cumsum(0)
        step = env.step(anything(env, generator, wild=slot % 2 == 0))
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


def run(env: IoTEnv, slots: int, network: int, seed: int = 0) -> list[Tensor]:
    """Rewards and gains of one network under random actions that depend on its number and the slot alone."""
    found = []
    for slot in range(slots):
        actions = []
        for i in env.networks:
            one = torch.Generator().manual_seed(1000 * i + slot + seed)
            station = torch.randint(0, env.num_stations, (1, env.num_users), generator=one)
            bid = torch.rand(1, env.num_users, env.num_subchannels, generator=one)
            actions.append((station, bid))
        station, bid = (torch.cat(part) for part in zip(*actions, strict=True))
        user = clusters(bid, station, env.num_stations, env.layers)
        step = env.step(Schedule(station, user, torch.full(user.shape, 1 / (env.num_subchannels * env.layers))))
        row = network - env.first
        obs = spectrum_of(step.obs)
        found += [step.reward[row], obs.gain[row], obs.queue_bits[row], obs.interference_w[row], obs.rsrp_dbm[row]]
        found += [step.obs["ue"].pos.reshape(env.num_envs, env.num_users, -1)[row]]
        found += [step.obs["bs", "channel", "ue"].interference_w.reshape(env.num_envs, -1)[row]]
        found = [value.clone() for value in found]
    return found


def test_a_network_is_the_same_alone_and_among_others() -> None:
    together, alone = IoTEnv(small(), 5, episode_slots=8), IoTEnv(small(), 1, first=3, episode_slots=8)
    for a, b in zip(run(together, 20, 3), run(alone, 20, 3), strict=True):
        assert torch.equal(a, b)


def test_same_seed_same_bits_and_policies_meet_the_same_channels_and_arrivals() -> None:
    first, second, other = (IoTEnv(small(), 2, episode_slots=8, seed=s) for s in (4, 4, 5))
    bits = [run(env, 12, 1) for env in (first, second, other)]
    assert all(torch.equal(a, b) for a, b in zip(bits[0], bits[1], strict=True))
    assert not torch.equal(bits[0][1], bits[2][1])
    first.reset(seed=4)
    second.reset(seed=4)
    for k in range(10):
        first.step(anything(first, torch.Generator().manual_seed(k)))
        second.step(anything(second, torch.Generator().manual_seed(99 + k), wild=True))
        assert torch.equal(first.channels.gain, second.channels.gain)
        assert torch.equal(first.drawn.offered.bits, second.drawn.offered.bits)


def test_resuming_goes_on_bit_by_bit() -> None:
    env = IoTEnv(small(), 2, episode_slots=9, seed=6)
    run(env, 13, 0)
    state = env.state_dict()
    expected = run(env, 14, 1, seed=50)
    again = IoTEnv(small(), 2, episode_slots=9, seed=0)
    again.load_state_dict(state)
    for a, b in zip(run(again, 14, 1, seed=50), expected, strict=True):
        assert torch.equal(a, b)
    pairs = zip(env.indicators().values(), again.indicators().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_observations_are_graphs_of_the_slot_before() -> None:
    env = IoTEnv(small(), 2, episode_slots=5, mean_users=3.0)
    obs, _ = env.reset(seed=1)
    assert 0 < int(env.active.sum()) < 12
    for slot in range(7):
        check(obs, "global")
        gain = env.channels.gain.clone()
        step = env.step(anything(env, torch.Generator().manual_seed(slot)))
        if slot != 4:
            assert torch.equal(spectrum_of(step.obs).gain, gain), "what was transmitted on is what is seen now"
            assert torch.equal(spectrum_of(env.observe("genie")).gain, env.channels.gain)
        else:
            check(step.info["final_obs"])
            assert torch.equal(spectrum_of(step.info["final_obs"]).gain, gain) and bool(step.truncated.all())
            assert float(step.obs.slots_left[0]) == 5 and not bool(step.terminated.any())
        assert not bool((env.station[~env.active] >= 0).any())
        obs = step.obs
    assert env.observe("global")[NEIGHBOURS].edge_index.shape[1] == 2 * 3 * 2
    near = env.observe("global")[NEIGHBOURS].edge_index
    assert torch.equal(near[0] // 3, near[1] // 3), "neighbours are of the same network"


def test_interference_of_a_candidate() -> None:
    env = IoTEnv(small(), 2, dtype=torch.float64)
    env.step(anything(env, torch.Generator().manual_seed(0)))
    view = spectrum_of(env.observe("global"))
    found = view.candidate_interference_w()
    for b, u, n, s in itertools.product(range(2), range(6), range(3), range(3)):
        others = [m for m in range(3) if m != n]
        expected = float(env.drawn.budget.noise_w[b, u, s]) + sum(
            float(view.gain[b, u, m, s] * view.power_w[b, m, s]) for m in others
        )
        assert float(found[b, u, n, s]) == pytest.approx(expected, rel=1e-6)


def test_sharing_weights_and_layouts() -> None:
    team, own = (IoTEnv(small(), 2, sharing=s, seed=2) for s in ("team", "own"))
    for k in range(5):
        a, b = (env.step(anything(env, torch.Generator().manual_seed(k))) for env in (team, own))
        assert torch.allclose(a.reward.mean(1), b.reward.mean(1), atol=1e-6)
        assert torch.allclose(b.reward.mean(1), b.info["team_reward"], atol=1e-6) and b.reward.std() > 0
    fixed = IoTEnv(small(), 2, layout_seed=7)
    place, users = fixed.observe("local")["bs"].pos.clone(), fixed.channels.large_db.clone()
    fixed.reset()
    assert torch.equal(place[:3], place[3:]) and torch.equal(place, fixed.observe("local")["bs"].pos)
    assert not torch.equal(users, fixed.channels.large_db)


def test_fading_has_mean_one_and_jakes_correlation() -> None:
    scenario = preset("iot-noma:users=40,small_cells=3,subchannels=50")
    env = IoTEnv(scenario, 4)
    fading = env.channels.h.square().sum(1)
    assert float(fading.mean()) == pytest.approx(1, abs=0.01)
    before = env.channels.h.clone()
    env.channels.advance()
    product = (env.channels.h * before).sum(1).mean((2, 3))  # [B, U]
    assert torch.allclose(product, env.channels.rho.reshape(4, 40), atol=0.3)
    assert float((product - env.channels.rho.reshape(4, 40)).mean().abs()) < 0.02


def test_rician_fading_has_mean_one_and_its_deviation() -> None:
    """The variance of a Rician power gain of mean one is (2 K + 1) / (K + 1)^2."""
    channel = Channel(fading="rician", rician_k_db=3.0, shadowing="none", los="always")
    scenario = dataclasses.replace(preset("iot-noma:users=40,small_cells=3,subchannels=50"), channel=channel)
    env = IoTEnv(scenario, 4)
    wide = 10 ** (env.channels.wide_db / 10)
    fading, k = env.channels.gain / wide.unsqueeze(3), 10**0.3
    assert float(fading.mean()) == pytest.approx(1, abs=0.02)
    assert float(fading.var()) == pytest.approx((2 * k + 1) / (k + 1) ** 2, rel=0.05)


def test_numbers_of_a_block_of_slots_are_those_of_a_network_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks end in different slots than episodes; what is left of one is kept with the state."""
    monkeypatch.setattr(channels, "BLOCK_SLOTS", 5)
    together, alone = IoTEnv(small(), 3, episode_slots=8), IoTEnv(small(), 1, first=2, episode_slots=8)
    assert together.channels.block == 5
    for a, b in zip(run(together, 12, 2), run(alone, 12, 2), strict=True):
        assert torch.equal(a, b)
    again = copy.deepcopy(alone)
    state = alone.state_dict()
    again.load_state_dict(state)
    for a, b in zip(run(alone, 9, 2, seed=7), run(again, 9, 2, seed=7), strict=True):
        assert torch.equal(a, b)
    assert state["channels"]["numbers"]


def test_users_stand_walk_and_ride_within_the_area() -> None:
    env = IoTEnv("iot-noma:users=100", 3, episode_slots=400)
    ways = env.drawn.positions[..., :2]
    moved = (ways[:, 1:] - ways[:, :-1]).norm(dim=3)
    speed = moved / env.scenario.mobility.step_s
    assert bool((ways >= 0).all()) and bool((ways <= 500).all())
    assert float((speed.amax(1) < 1e-3).float().mean()) == pytest.approx(0.4, abs=0.1)
    assert float((speed.median(1).values > 4).float().mean()) == pytest.approx(0.2, abs=0.1)
    assert float(speed.max()) <= 15.01


def test_queues_are_first_in_first_out() -> None:
    queue = Deadlines(1, 1, 4, torch.device("cpu"))
    deadline = torch.tensor([[3]])
    for bits in (5, 7):
        queue.add(torch.tensor([[bits]]), deadline)
        queue.expire()
    assert int(queue.head_slots) == 1 and int(queue.bits) == 12
    assert int(queue.serve(torch.tensor([[3]]))) == 3 and int(queue.expire()) == 2
    assert int(queue.bits) == 7 and int(queue.serve(torch.tensor([[100]]))) == 7 and int(queue.head_slots) == 0


def test_wishes_of_stations_become_a_schedule() -> None:
    bid = torch.tensor([[[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]])
    wanted = torch.tensor([[[True, True, False], [True, True, False]]])
    station = contest(bid, wanted)
    assert station.tolist() == [[1, 0, -1]]
    worth = torch.tensor([[[4.0], [3.0], [2.0], [1.0]]])
    of = torch.tensor([[0, 1, 0, 0]])
    assert clusters(worth, of, 3, 2).squeeze().tolist() == [[0, 2], [1, -1], [-1, -1]]
    assert clusters(worth, of, 3, 2, torch.tensor([[False, True, True, True]])).squeeze().tolist()[0] == [2, 3]
    power = budgeted(torch.tensor([[[[0.9, 0.6], [0.5, -1.0]]]]), torch.full((1, 1, 2), 0.75))
    assert torch.allclose(power, torch.tensor([[[[0.36, 0.24], [0.4, 0.0]]]]), atol=1e-6)


@pytest.mark.parametrize("name", ["iot-noma", "iot-oma"])
def test_the_strong_policy_is_strong_and_all_see_the_same_arrivals(name: str) -> None:
    env = IoTEnv(f"{name}:users=14,small_cells=2,subchannels=4,load=2", 2, episode_slots=25)
    assert set(iot_names()) >= {"random", "proportional_fair", "wmmse_max_rsrp", "wmmse_pf", "wmmse_path_loss"}
    found = rollout(env, {n: iot_policy(n) for n in iot_names()}, seed=5).values
    assert len({float(f["arrived_bits"].sum()) for f in found.values()}) == 1
    best, near = found.pop("wmmse_pf"), found.pop("wmmse_path_loss")
    # Where little is sent the same bits cost less energy over shorter ways; here most stations are busy.
    assert float(near["bit_per_j"].mean()) > float(found["wmmse_max_rsrp"]["bit_per_j"].mean())
    assert float(near["throughput_bps"].mean()) > 0.9 * float(best["throughput_bps"].mean())
    assert float(best["throughput_bps"].mean()) > 1.1 * float(found["wmmse_max_rsrp"]["throughput_bps"].mean())
    for other in found.values():
        # Where there is more than can be served, who is served first changes the sum of bits little.
        assert float(best["throughput_bps"].mean()) > 0.97 * float(other["throughput_bps"].mean())
        assert float(best["bit_per_j"].mean()) > float(other["bit_per_j"].mean())
        assert float(best["qos_violation"].mean()) <= float(other["qos_violation"].mean())


def test_least_path_loss_by_hand() -> None:
    """A station of 10 times the power is received 3 dB better over 7 dB more loss; who is there stays for less than 2 dB."""
    env = IoTEnv(SMALL, 1)
    view = spectrum_of(env.observe("global"))
    n = view.shape[1]
    power = torch.ones(1, n)
    power[:, 0] = 10
    loss = torch.full((1, 3, n), -120.0)
    loss[0, :, 0] = torch.tensor([-87.0, -87.0, -80.0])
    loss[0, :, 1] = torch.tensor([-80.0, -85.5, -81.5])
    now = torch.tensor([[0, 0, 1]])
    reports = dataclasses.replace(
        view, rsrp_dbm=loss + 10 * power.log10() + 30, power_max_w=power, station=now, active=now >= 0
    )
    assert min_path_loss(reports).tolist() == [[1, 0, 1]]
    assert min_path_loss(reports, 0.0).tolist() == [[1, 1, 0]]
    assert min_path_loss(dataclasses.replace(reports, active=torch.tensor([[True, False, True]]))).tolist() == [
        [1, -1, 1]
    ]


SOURCES: dict[str, Any] = {
    "iot": lambda: SMALL,
    "hetnet": lambda: dataclasses.replace(preset("hetnet-3tier"), users=Users(count=30)),
    "yaml": lambda: Scenario.from_yaml(preset("uma-5bs:users=20").to_yaml()),
    "cells": lambda: preset("random-19"),
    "pairs": lambda: preset("interference-k:pairs=6"),
    "waypoints": lambda: dataclasses.replace(preset("uma-5bs:users=20"), mobility=Mobility(waypoints=Waypoints())),
    "gains": lambda: from_gain(
        10 ** (-9 - 2 * torch.rand(3, 5, 4)), noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=1e6
    ),
    "batch": lambda: preset("iot-noma:users=6,small_cells=2,subchannels=3").sample(2, seed=1),
    "neighbours": lambda: preset("hex-19").sample(2, seed=1),
}
LEVELS: tuple[Level, ...] = ("local", "neighbourhood", "global", "genie")


def covered(source: str, level: Level) -> None:
    """Contract graphs with one structure at every level, unknown values zero, in a few slots of random actions."""
    env = IoTEnv(SOURCES[source](), level=level, episode_slots=3, mean_users=5.0)
    generator, structure = torch.Generator().manual_seed(0), env.observe("genie")[CHANNEL].edge_index.clone()
    for _ in range(5):
        graph = env.observe(level)
        check(graph, level)
        edges = graph[CHANNEL]
        assert (
            torch.equal(edges.edge_index, structure)
            and int(graph["antenna"].batch.bincount().min()) >= env.num_stations
        )
        assert torch.equal(edges.known, known_edges(graph, level)) and bool(edges.known.all()) == (
            level in ("global", "genie") or bool(env.active.all())
        )
        for name in ("gain", "rsrp_dbm", "interference_w"):
            assert not bool(edges[name][~edges.known].any())
        assert bool(edges.gain[edges.known].any()) == bool(edges.known.any())
        step = env.step(env.action.sample(generator))
        assert bool(step.reward.isfinite().all()) and step.info["refused"].shape == (env.num_envs,)
        assert "x" not in step.obs["bs"] and "edge_attr" not in step.obs[CHANNEL]


@pytest.mark.parametrize(
    ("source", "level"),
    [
        ("iot", "local"),
        ("hetnet", "neighbourhood"),
        ("yaml", "global"),
        ("gains", "genie"),
        ("batch", "local"),
        ("cells", "global"),
    ],
)
def test_scenarios_and_graphs_at_their_levels(source: str, level: Level) -> None:
    covered(source, level)


@pytest.mark.all
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_at_every_level(source: str, level: Level) -> None:
    covered(source, level)


def test_a_csv_of_sectors_makes_an_environment_whose_gains_follow_the_stations(tmp_path: Path) -> None:
    text = "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas,tilt_deg\n"
    for name, shift in (("here", 0.0), ("there", 0.002)):
        cells = [
            (50 + 0.004 * (i // 2) + shift * (i == 0), 8 + 0.006 * (i % 2), b) for i in range(4) for b in (30, 150, 270)
        ]
        rows = [f"{lat},{lon},25,macro,43,{bearing},1,4" for lat, lon, bearing in cells]
        (tmp_path / f"{name}.csv").write_text(text + "\n".join(rows) + "\n")
    gains = []
    for name in ("here", "there"):
        scenario = scenario_from_csv(tmp_path / f"{name}.csv")
        scenario = dataclasses.replace(scenario, users=dataclasses.replace(scenario.users, count=20))
        env = IoTEnv(scenario, 1, layout_seed=0)
        graph = env.observe("global")
        check(graph)
        assert env.num_stations == 12 and graph["bs"].site.unique().numel() == 4
        gains.append(graph[CHANNEL].gain.reshape(20, 12, -1).clone())
    assert not torch.allclose(gains[0][:, :3], gains[1][:, :3])


def test_files_of_gains_are_networks_in_turn(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    gains = [10 ** (-9 - 2 * torch.rand(3, 5, 4, generator=generator)) for _ in range(3)]
    for number, gain in enumerate(gains):
        np.savez(tmp_path / f"{number}.npz", gain=gain.numpy(), noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=1e6)
    scenario = Scenario(source=Given("gain", str(tmp_path)), channel=Channel(fading="none"))
    env, alone = IoTEnv(scenario, 4), IoTEnv(scenario, 1, first=2)
    check(env.observe("global"))
    for network, gain in enumerate([*gains, gains[0]]):
        torch.testing.assert_close(env.channels.gain[network], gain.transpose(0, 1), rtol=1e-5, atol=0)
    assert torch.equal(alone.channels.gain[0], env.channels.gain[2])


def test_traffic_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scenario\.traffic: got Packets, expected Services or none"):
        IoTEnv(dataclasses.replace(preset("uma-5bs:users=9"), traffic=Packets()))


def test_gains_of_a_graph_are_means_over_time() -> None:
    gain = 10 ** (-9 - 2 * torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0)))
    env = IoTEnv(from_gain(gain, noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=1e6), 300, episode_slots=500)
    mean = torch.zeros(5, 3, 4)
    for _ in range(40):
        env.channels.advance()
        mean += env.channels.gain.mean(0) / 40
    torch.testing.assert_close(mean, gain.transpose(0, 1), rtol=0.3, atol=0)
    assert not torch.equal(env.channels.gain[0], env.channels.gain[1])


def test_graphs_that_do_not_fit_are_refused() -> None:
    few = dataclasses.replace(
        preset("hetnet-3tier"), radio=dataclasses.replace(preset("hetnet-3tier").radio, candidates=3)
    )
    with pytest.raises(ValueError, match="expected every station a candidate"):
        IoTEnv(few.sample(1))
    bands = from_gain(
        torch.full((2, 3, 2), 1e-9), noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=torch.tensor([1.0, 2.0])
    )
    with pytest.raises(ValueError, match="rb_bandwidth_hz: got resource blocks of several bandwidths"):
        IoTEnv(bands)
    with pytest.raises(ValueError, match="scenario: got int"):
        IoTEnv(3)  # type: ignore[arg-type]
    walk = dataclasses.replace(preset(SMALL), channel=Channel(shadowing="independent"))
    with pytest.raises(ValueError, match=r"scenario\.channel: got shadowing=independent"):
        IoTEnv(walk)


@pytest.mark.parametrize(
    ("source", "level"), [("iot", "global"), ("iot", "genie"), ("cells", "local"), ("batch", "global")]
)
def test_packed_rows_make_the_observation_again(source: str, level: Level) -> None:
    env, generator = IoTEnv(SOURCES[source](), level=level, mean_users=4.0, seed=3), torch.Generator().manual_seed(0)
    for _ in range(4):
        env.step(env.action.sample(generator))
    reports, rows = env.observe(level), env.pack()
    for _ in range(3):
        env.step(env.action.sample(generator))
    env.reset()  # other layouts
    again = env.unpack(rows, level)
    check(again, level)
    reports = IoTEnv(SOURCES[source](), level=level, mean_users=4.0, seed=3)
    generator.manual_seed(0)
    for _ in range(4):
        reports.step(reports.action.sample(generator))
    same_graphs(reports.observe(level), again)
    twice = {name: torch.cat([value, value]) for name, value in rows.items()}
    assert env.unpack(twice, level).num_graphs == 2 * env.num_envs
    other: Level = "global" if level == "genie" else "genie"
    with pytest.raises(ValueError, match=f"level: got '{other}' for rows of level"):
        env.unpack(rows, other)


def same_graphs(one: HeteroData, other: HeteroData) -> None:
    """All attributes, of the same names; real ones within half precision, powers and gains in dB."""
    assert one.node_types == other.node_types and set(one.edge_types) == set(other.edge_types)
    for a, b in zip(
        one.stores, (other._global_store, *other.node_stores, *map(other.__getitem__, one.edge_types)), strict=True
    ):
        assert set(a.keys()) == set(b.keys())
        for name in a:
            if not isinstance(a[name], Tensor) or not a[name].is_floating_point():
                assert torch.equal(a[name], b[name]) if isinstance(a[name], Tensor) else a[name] == b[name]
                continue
            near = (
                {"rtol": 0.02, "atol": 1e-30} if name.endswith("_w") or name == "gain" else {"rtol": 1e-3, "atol": 1e-3}
            )
            torch.testing.assert_close(a[name], b[name], **near)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_go_on_with_the_same_bits(make: Any) -> None:
    env = IoTEnv(small(), 2, episode_slots=9, seed=6)
    run(env, 13, 0)
    again = make(env)
    for a, b in zip(run(env, 14, 1, seed=50), run(again, 14, 1, seed=50), strict=True):
        assert torch.equal(a, b)


def test_masks_say_which_choices_are_of_use() -> None:
    env = IoTEnv(preset("random-19"), 2, mean_users=30.0, seed=1)
    masks = env.masks()
    station, user = masks["station_mask"], masks["user_mask"]
    assert station.shape == (2, 57, 20) and user.shape == (2, 1, 1, 1, 58)
    assert bool(station[..., 0].all()) and bool(user[..., 0].all())
    assert torch.equal(
        station[..., 1:].sum(2), env.active.long()
    )  # each user may be served by the nearest station alone
    assert torch.equal(user[:, 0, 0, 0, 1:], env.queue.bits > 0)


def test_refused_wishes_are_counted_and_resolved() -> None:
    scenario = preset(SMALL)
    tiers = tuple(dataclasses.replace(tier, max_users=2) for tier in scenario.tiers)
    env = IoTEnv(dataclasses.replace(scenario, tiers=tiers, traffic=dataclasses.replace(scenario.services, video=1.0)))
    station = torch.zeros(1, 6, dtype=torch.long)
    user = torch.full((1, 3, 3, 2), -1)
    power = torch.zeros(user.shape)
    step = env.step(Schedule(station, user, power))
    best = env.channels.wide_db_before[0, :, 0].topk(2).indices  # the gains that were known in the slot
    assert int(step.info["refused"]) == 4
    assert set((env.station[0] == 0).nonzero().flatten().tolist()) == set(best.tolist())
    mine, others = best.tolist(), [u for u in range(6) if u not in best.tolist()]
    user[0, 0, 0] = torch.tensor([mine[0], mine[0]])  # twice
    user[0, 0, 1, 0], user[0, 1, 0, 0] = others[0], mine[1]  # of no station, of another one
    power = torch.ones(user.shape)
    user[0, 0, 2, 0] = mine[1]
    step = env.step(Schedule(torch.where(env.station >= 0, env.station, -1), user, power))
    assert int(step.info["refused"]) == 3 + 1  # layers, and the budget of the first station
    assert float(env.sent.power_w[0, 0].sum()) == pytest.approx(float(env.drawn.budget.power_max_w[0, 0]), rel=1e-5)
    assert not bool(env.sent.power_w[0, 1].any())


def test_a_user_stays_where_another_station_may_not_serve_it() -> None:
    env = IoTEnv(preset("interference-k:pairs=4"))
    empty = torch.full((1, 4, 1, 1), -1), torch.zeros(1, 4, 1, 1)
    first = env.step(Schedule(torch.tensor([[0, 2, -1, 3]]), *empty))
    assert env.station.tolist() == [[0, -1, -1, 3]] and int(first.info["refused"]) == 1
    again = env.step(Schedule(torch.tensor([[1, 1, 0, -1]]), *empty))
    assert env.station.tolist() == [[0, 1, -1, -1]] and int(again.info["refused"]) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_envs": 0}, "num_envs: got 0"),
        ({"scenario": "iot-xx"}, "preset: got 'iot-xx'"),
        ({"scenario": "iot-noma:users=0"}, "users.count"),
        ({"episode_slots": 0}, "episode_slots: got 0"),
        ({"sic_residual": 2.0}, "sic_residual: got 2.0"),
        ({"level": "all"}, "level: got 'all'"),
        ({"sharing": "none"}, "sharing: got 'none'"),
        ({"mean_users": 0.0}, "mean_users: got 0.0"),
        ({"scenario": small(bursts_per_s=300.0)}, "services.bursts_per_s"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        IoTEnv(**({"scenario": SMALL} | change))


@pytest.mark.parametrize("name", [*iot_names(), "agents"])
def test_decisions_of_a_network_do_not_depend_on_others(name: str) -> None:
    """All policies of these networks are ``global``: they see their own network, and nothing of the next one."""
    policy = HybridMADDPG(8) if name == "agents" else iot_policy(name)
    assert policy.level == "global"
    env = IoTEnv(small(), 4, seed=2)
    for k in range(3):
        env.step(anything(env, torch.Generator().manual_seed(k)))
    rows = env.pack()
    other = {key: torch.cat([value[:1], value[2:3]]) for key, value in rows.items()}
    actions = []
    for chosen in ({key: value[:2] for key, value in rows.items()}, other):
        obs = env.unpack(chosen, "global")
        action, _ = policy.act(obs, policy.initial_state(obs), torch.Generator().manual_seed(0))
        actions.append(action)
    for part in ("station", "user", "power"):
        one, two = (getattr(action, part) for action in actions)
        assert torch.equal(one[0], two[0]) if part != "power" else torch.allclose(one[0], two[0], rtol=1e-4, atol=1e-6)
    assert not torch.equal(actions[0].user[1], actions[1].user[1])


def leaves(state: dict[str, Any]) -> list[Tensor]:
    """Tensors and numbers of a state."""
    parts = [leaves(v) if isinstance(v, dict) else [torch.as_tensor(v)] for v in state.values()]
    return list(itertools.chain.from_iterable(parts))


def test_bad_actions_are_refused() -> None:
    env = IoTEnv(SMALL)
    good = anything(env, torch.Generator().manual_seed(0))
    nan = torch.full_like(good.power, torch.nan)
    for change, words in (
        ({"station": good.station[:, :2]}, "action.station: got torch.int64"),
        ({"station": good.station.float()}, "expected integers"),
        ({"station": good.station + 9}, r"expected -1\.\.2"),
        ({"user": good.user - 9}, r"expected -1\.\.5"),
        ({"power": nan}, "action.power: got values from nan"),
        ({"power": good.power - 1}, r"action.power: got values from -0.* expected 0.0\.\.1.0"),
        ({"power": good.power + torch.inf}, "action.power: got values from inf"),
        ({"power": good.power.long()}, "expected real numbers"),
        ({"power": None}, "action.power: got NoneType"),
        ({"user": good.user[..., :1]}, "action.user: got torch.int64"),
    ):
        before = leaves(env.state_dict())
        with pytest.raises(ValueError, match=words):
            env.step(dataclasses.replace(good, **change))
        assert all(torch.equal(a, b) for a, b in zip(before, leaves(env.state_dict()), strict=True))
    with pytest.raises(ValueError, match="options: got x"):
        env.reset(options={"x": 1})
    with pytest.raises(ValueError, match="level: got 'x'"):
        env.observe("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected one of"):
        iot_policy("x")
    with pytest.raises(ValueError, match="expected an observation of IoTEnv"):
        spectrum_of(preset(SMALL).sample(1))
