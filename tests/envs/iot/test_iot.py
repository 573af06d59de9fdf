"""IoT networks: a slow oracle in plain Python, what no action can break, streams, resuming, the classical policies."""

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv, IoTWeights, run_iot
from hetgraph.envs.iot.deadlines import Deadlines
from hetgraph.envs.iot.rules import min_path_loss
from hetgraph.graph import NEIGHBOURS, check, preset
from hetgraph.radio import Schedule, budgeted, clusters, contest, evaluate, feasible, iot_names, iot_policy
from hetgraph.radio.spectrum import spectrum_of

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


def small(**changes: Any) -> Any:
    """A few users with short deadlines and windows, so that bits are late and windows end."""
    base = preset(SMALL)
    services = dataclasses.replace(base.services, video_deadline_s=0.02, burst_deadline_s=0.05, window_s=0.07)
    return dataclasses.replace(base, traffic=dataclasses.replace(services, **changes))


def anything(env: IoTEnv, generator: torch.Generator, *, wild: bool = False) -> Schedule:
    """A random action; a wild one has users of other stations, users twice, and far too much power."""
    b, n, u, s, layers = env.num_envs, env.num_stations, env.num_users, env.num_subchannels, env.layers
    station = torch.randint(-1, n, (b, u), generator=generator)
    if wild:
        user = torch.randint(-1, u, (b, n, s, layers), generator=generator)
        power = 10 * torch.rand(user.shape, generator=generator) ** 4 - 1
        power[power > 8] = torch.inf
    else:
        user = clusters(torch.rand(b, u, s, generator=generator), station, n, layers)
        power = torch.rand(user.shape, generator=generator) / (s * layers)
    return Schedule(station, user, power.to(env.dtype))


class Oracle:
    """Network 0 of an environment, user by user; it takes the gains and the arrivals and nothing else."""

    def __init__(self, env: IoTEnv) -> None:
        self.env, self.users = env, range(env.num_users)
        self.bits = env.offered.bits[:, 0].tolist()
        self.deadline = env.offered.deadline_slots[0].tolist()
        self.queue: list[list[list[int]]] = [[] for _ in self.users]  # of [slots left, bits]
        self.home = [-1] * env.num_users
        self.t, self.sums = 0, dict.fromkeys(("served", "dropped", "energy", "moves", "kept", "promises", "busy"), 0.0)
        self.of_user = [[0, 0] for _ in self.users]
        self.window = [[0, 0] for _ in self.users]
        mean = [r * env.slot_s for r in env.offered.mean_bps[0].tolist()]
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
                seen = set()
                for u, p in zip(action.user[0, n, s].tolist(), action.power[0, n, s].tolist(), strict=True):
                    if u >= 0 and station[u] == n and self.waiting(u) > 0 and p > 0 and u not in seen:
                        seen.add(u)
                        wish.append((s, u, min(p, 1.0)))
            total = max(sum(p for _, _, p in wish), 1.0)
            for s, u, p in wish:
                found.setdefault((n, s), []).append((u, p / total * float(env.power_max_w[0, n])))
        return found

    def step(self, action: Schedule, gain: list[Any]) -> tuple[list[int], list[int], float, dict[tuple[int, int], Any]]:
        env, found = self.env, self.powers(action)
        total = {key: sum(p for _, p in layers) for key, layers in found.items()}
        rate = [0.0] * env.num_users
        for (n, s), layers in found.items():
            heard = {}
            for u, _ in layers:
                others = [m for m in range(env.num_stations) if m != n]
                heard[u] = env.noise_w + sum(gain[u][m][s] * total.get((m, s), 0.0) for m in others)
            for u, p in layers:
                inside = 0.0
                for v, q in layers:
                    if v != u:
                        stronger = gain[v][n][s] / heard[v] > gain[u][n][s] / heard[u]
                        inside += q * (1.0 if stronger else env.sic_residual)
                g = gain[u][n][s]
                rate[u] += env.subchannel_hz * math.log2(1 + g * p / (heard[u] + g * inside))
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
        reward = self.book(served, dropped, moves, total)
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
            efficiency, circuit = (float(env.stations[k][0, n]) for k in ("amplifier_efficiency", "circuit_power_w"))
            energy += (sent / efficiency + circuit) * env.slot_s
        for name, value in (("served", sum(served)), ("dropped", sum(dropped)), ("energy", energy), ("moves", moves)):
            self.sums[name] += value
        self.sums["busy"] += sum(p > 1e-6 * float(env.power_max_w[0, n]) for (n, _), p in total.items())
        bits_s_hz = sum(served) / env.slot_s / env.scenario.radio.bandwidth_hz / env.num_stations
        return w.throughput * bits_s_hz - w.fairness * (1 - fair) - w.handover * moves / count

    def kpis(self) -> dict[str, float]:
        env, s = self.env, self.sums
        time = self.t * env.slot_s
        share = [a / (a + b) for a, b in self.of_user if a + b]
        pairs = env.num_stations * env.num_subchannels
        return {
            "throughput_bps": s["served"] / time,
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
        gain = env.air.gain[0].tolist()
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
            assert torch.allclose(env.layer_power_w[0], power, rtol=1e-9, atol=0)
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
        env.station = torch.where(env.active, action.station, -1)
        counted = env._usable(action)
        room = env._transmit(counted)
        allocation = counted.allocation(env.power_max_w)
        assert feasible(graph, allocation)
        found = evaluate(graph, allocation, "superposed", sic_residual=0.02)
        assert torch.equal((found.rate_bps.reshape(3, -1) * env.slot_s).long(), room) or torch.allclose(
            found.rate_bps.reshape(3, -1) * env.slot_s, room.double(), atol=1.01, rtol=0
        )
        assert torch.equal(before, env.queue.bits) and bool((room > 0).any())
        env.step(action)


@pytest.mark.parametrize("name", ["iot-noma", "iot-oma"])
def test_no_action_breaks_a_budget_a_cluster_or_the_conservation_of_bits(name: str) -> None:
    """100,000 network-slots of random and adversarial actions, both presets together."""
    scenario = preset(f"{name}:users=7,small_cells=2,subchannels=3,load=2")
    env = IoTEnv(scenario, 500, episode_slots=50, seed=2, sic_residual=0.01)
    generator, arrived = torch.Generator().manual_seed(3), None
    served = dropped = 0
    for slot in range(100):
        if slot % 50 == 0:
            served = dropped = torch.zeros_like(env.queue.bits)
            arrived = env.offered.bits.cumsum(0)
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
        assert bool((env.power_w.sum(2) <= env.power_max_w).all()) and bool((env.power_w >= 0).all())
        on = env.layer_power_w > 0
        station = torch.nn.functional.one_hot(env.station.clamp_min(0), 3)
        size = torch.einsum("bus,bun->bns", on.long(), station)
        assert int(size.max()) <= env.layers and not bool(on[env.station < 0].any())
        sent = torch.einsum("bus,bun->bns", env.layer_power_w, station.float())
        assert torch.allclose(sent, env.power_w, rtol=1e-5, atol=1e-9)
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
        found += [step.obs["ue"].x.reshape(env.num_envs, env.num_users, -1)[row]]
        found += [step.obs["bs", "channel", "ue"].edge_attr.reshape(env.num_envs, -1)[row]]
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
        assert torch.equal(first.air.gain, second.air.gain)
        assert torch.equal(first.offered.bits, second.offered.bits)


def test_resuming_goes_on_bit_by_bit() -> None:
    env = IoTEnv(small(), 2, episode_slots=9, seed=6)
    run(env, 13, 0)
    state = env.state_dict()
    expected = run(env, 14, 1, seed=50)
    again = IoTEnv(small(), 2, episode_slots=9, seed=0)
    again.load_state_dict(state)
    for a, b in zip(run(again, 14, 1, seed=50), expected, strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(env.kpis().values(), again.kpis().values(), strict=True))


def test_observations_are_graphs_of_the_slot_before() -> None:
    env = IoTEnv(small(), 2, episode_slots=5, mean_users=3.0)
    obs, _ = env.reset(seed=1)
    assert 0 < int(env.active.sum()) < 12
    for slot in range(7):
        check(obs)
        gain = env.air.gain.clone()
        step = env.step(anything(env, torch.Generator().manual_seed(slot)))
        if slot != 4:
            assert torch.equal(spectrum_of(step.obs).gain, gain), "what was transmitted on is what is seen now"
            assert torch.equal(spectrum_of(env.observe("genie")).gain, env.air.gain)
        else:
            check(step.info["final_obs"])
            assert torch.equal(spectrum_of(step.info["final_obs"]).gain, gain) and bool(step.truncated.all())
            assert float(step.obs.slots_left[0]) == 5 and not bool(step.terminated.any())
        assert not bool((env.station[~env.active] >= 0).any())
        obs = step.obs
    assert env.observe("local")[NEIGHBOURS].edge_index.shape[1] == 0
    assert env.observe("global")[NEIGHBOURS].edge_index.shape[1] == 2 * 3 * 2
    near = env.observe("global")[NEIGHBOURS].edge_index
    assert torch.equal(near[0] // 3, near[1] // 3), "neighbours are of the same network"


def test_interference_of_a_candidate() -> None:
    env = IoTEnv(small(), 2, dtype=torch.float64)
    env.step(anything(env, torch.Generator().manual_seed(0)))
    view = spectrum_of(env.observe("local"))
    found = view.candidate_interference_w()
    for b, u, n, s in itertools.product(range(2), range(6), range(3), range(3)):
        others = [m for m in range(3) if m != n]
        expected = env.noise_w + sum(float(view.gain[b, u, m, s] * view.power_w[b, m, s]) for m in others)
        assert float(found[b, u, n, s]) == pytest.approx(expected, rel=1e-6)


def test_sharing_weights_and_layouts() -> None:
    team, own = (IoTEnv(small(), 2, sharing=s, seed=2) for s in ("team", "own"))
    for k in range(5):
        a, b = (env.step(anything(env, torch.Generator().manual_seed(k))) for env in (team, own))
        assert torch.allclose(a.reward.mean(1), b.reward.mean(1), atol=1e-6)
        assert torch.allclose(b.reward.mean(1), b.info["team_reward"], atol=1e-6) and b.reward.std() > 0
    fixed = IoTEnv(small(), 2, layout_seed=7)
    place, users = fixed.stations["pos"].clone(), fixed.air.large_db.clone()
    fixed.reset()
    assert torch.equal(place[0], place[1]) and torch.equal(place, fixed.stations["pos"])
    assert not torch.equal(users, fixed.air.large_db)


def test_fading_has_mean_one_and_jakes_correlation() -> None:
    scenario = preset("iot-noma:users=40,small_cells=3,subchannels=50")
    env = IoTEnv(scenario, 4)
    fading = env.air.h.square().sum(1)
    assert float(fading.mean()) == pytest.approx(1, abs=0.01)
    before = env.air.h.clone()
    env.air.advance()
    product = (env.air.h * before).sum(1).mean((2, 3))  # [B, U]
    assert torch.allclose(product, env.air.rho.reshape(4, 40), atol=0.3)
    assert float((product - env.air.rho.reshape(4, 40)).mean().abs()) < 0.02


def test_users_stand_walk_and_ride_within_the_area() -> None:
    env = IoTEnv("iot-noma:users=100", 3, episode_slots=400)
    ways = env.paths.users
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
    found = {n: run_iot(env, iot_policy(n), seed=5) for n in iot_names()}
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
    seen = dataclasses.replace(
        view, rsrp_dbm=loss + 10 * power.log10() + 30, power_max_w=power, station=now, active=now >= 0
    )
    assert min_path_loss(seen).tolist() == [[1, 0, 1]]
    assert min_path_loss(seen, 0.0).tolist() == [[1, 1, 0]]
    assert min_path_loss(dataclasses.replace(seen, active=torch.tensor([[True, False, True]]))).tolist() == [[1, -1, 1]]


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


def test_bad_actions_are_refused() -> None:
    env = IoTEnv(SMALL)
    good = anything(env, torch.Generator().manual_seed(0))
    nan = torch.full_like(good.power, torch.nan)
    for change, words in (
        ({"station": good.station[:, :2]}, "action.station: got torch.int64"),
        ({"station": good.station.float()}, "expected integers"),
        ({"station": good.station + 9}, r"expected -1\.\.2"),
        ({"user": good.user - 9}, r"expected -1\.\.5"),
        ({"power": nan}, "action.power: got NaN"),
        ({"power": good.power.long()}, "expected numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            env.step(dataclasses.replace(good, **change))
    with pytest.raises(ValueError, match="options: got x"):
        env.reset(options={"x": 1})
    with pytest.raises(ValueError, match="level: got 'x'"):
        env.observe("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected one of"):
        iot_policy("x")
    with pytest.raises(ValueError, match="expected an observation of IoTEnv"):
        spectrum_of(preset(SMALL).sample(1))
