"""The IoT environment against a slow oracle in plain Python that follows every bit of one network."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hetgraph.envs import IoTEnv, IoTWeights
from hetgraph.graph import Scenario
from hetgraph.radio import Schedule


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
def test_many_slots_against_a_slow_oracle(
    small_scenario: Callable[..., Scenario], random_action: Callable[..., Schedule], wild: bool, residual: float
) -> None:
    weights = IoTWeights(2.0, 0.7, 0.3)
    env = IoTEnv(
        small_scenario(), 2, episode_slots=60, dtype=torch.float64, sic_residual=residual, weights=weights, seed=3
    )
    oracle, generator = Oracle(env), torch.Generator().manual_seed(0)
    late = 0
    for slot in range(60):
        assert env.queue.bits[0].tolist() == [oracle.waiting(u) for u in oracle.users]
        action = random_action(env, generator, wild=wild)
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
