"""Ticks of a world of handovers with traffic against a slow oracle that takes one user after the other."""

import math
from typing import Any

import pytest
import torch

from hetgraph.envs import HandoverTrafficEnv, Physics
from hetgraph.graph import Flows, Trajectories
from hetgraph.radio.handover import HandoverAction

USERS, CELLS, TICKS = 6, 3, 60


def drifting(
    networks: int = 2, users: int = USERS, cells: int = CELLS, places: int = 13, seed: int = 0
) -> Trajectories:
    """Gains that drift so fast that users change cells every few seconds; some links are lost."""
    g = torch.Generator().manual_seed(seed)
    walk = torch.randn(networks, places, users, cells, generator=g).cumsum(1) * 6
    gain_db = torch.randn(networks, 1, users, cells, generator=g) * 6 - 116 + walk
    return Trajectories(
        gain=10 ** (gain_db / 10),
        ue_pos=torch.rand(networks, places, users, 2, generator=g) * 300,
        speed_mps=torch.rand(networks, places, users, generator=g),
        bs_pos=torch.rand(networks, cells, 2, generator=g) * 300,
        power_w=torch.tensor([20.0, 4.0, 4.0]).repeat(networks, cells // 3),
        tier=torch.tensor([0, 1, 1]).repeat(networks, cells // 3),
        measured=torch.zeros(networks, places, users, cells, dtype=torch.bool),
        bandwidth_hz=20e6,
        noise_w=6e-13,
        slot_s=0.5,
    )


class Oracle:
    """Network ``b`` of an environment, one user after the other, in doubles."""

    def __init__(self, env: HandoverTrafficEnv, b: int) -> None:
        self.env, self.b, s = env, b, env.state
        self.p, self.tick_s, self.band = env.limits.physics, env.clock.tick_s, env.limits.bandwidth_hz
        self.cell = s.cell[b].tolist()
        self.queue, self.dead = [0.0] * USERS, [0.0] * USERS
        self.lost, self.low = [False] * USERS, [0] * USERS
        self.previous, self.since = [-1] * USERS, [10_000] * USERS
        self.filtered = s.filtered[b].double().tolist()
        self.count = [[0] * CELLS for _ in range(USERS)]
        self.activity = [self.p.least_activity] * CELLS
        self.handovers = self.ping_pongs = self.failures = 0
        self.backlog, self.served = [0.0] * USERS, [0.0] * USERS

    def received(self, number: int) -> list[list[float]]:
        """Gains between two places, in dB."""
        t, where = self.env.world.trajectories, number * self.tick_s / 0.5
        i = min(int(where + 1e-6), t.steps - 2)
        part = where - i
        gain = t.gain[self.b].double()
        snr = (10 * (gain * t.power_w[self.b].double() / t.noise_w).log10()).tolist()
        return [[(1 - part) * snr[i][u][k] + part * snr[i + 1][u][k] for k in range(CELLS)] for u in range(USERS)]

    def tick(self, number: int, offset: list[float], margin: float, trigger: int) -> None:
        drawn = self.env.drawn
        noise, power = drawn.measurement_noise(number)[self.b].tolist(), self.received(number)
        for u in range(USERS):
            self.queue[u] += float(drawn.bits[number, self.b, u])
            for k in range(CELLS):
                measured = power[u][k] + self.p.noise_db * noise[u][k]
                self.filtered[u][k] += self.p.filter * (measured - self.filtered[u][k])
        for u in range(USERS):
            self.attach(u, offset, margin, trigger)
        self.serve(power)
        for u in range(USERS):
            self.since[u] += 1
            self.dead[u] = max(self.dead[u] - 1, 0)
            self.backlog[u] += self.queue[u]

    def attach(self, u: int, offset: list[float], margin: float, trigger: int) -> None:
        here, level = self.cell[u], [self.filtered[u][k] + offset[k] for k in range(CELLS)]
        if self.dead[u] > 0:
            self.count[u] = [0] * CELLS
            return
        if self.lost[u]:
            self.cell[u] = max(range(CELLS), key=lambda k: self.filtered[u][k])
            self.lost[u], self.count[u] = False, [0] * CELLS
            return
        over = [level[k] > level[here] + margin for k in range(CELLS)]
        self.count[u] = [self.count[u][k] + 1 if over[k] else 0 for k in range(CELLS)]
        ready = [k for k in range(CELLS) if self.count[u][k] > trigger]
        if ready:
            target = max(ready, key=lambda k: level[k])
            self.handovers += 1
            self.ping_pongs += target == self.previous[u] and self.since[u] <= 2.0 / self.tick_s
            self.previous[u], self.since[u], self.cell[u] = here, 0, target
            self.dead[u] += self.p.interruption_s / self.tick_s
            self.low[u], self.count[u] = 0, [0] * CELLS

    def serve(self, power: list[list[float]]) -> None:
        most, share = [0.0] * USERS, [0.0] * USERS
        weak = [False] * USERS
        for u in range(USERS):
            linear = [10 ** (x / 10) for x in power[u]]
            other = 1 + sum(self.activity[k] * linear[k] for k in range(CELLS) if k != self.cell[u])
            sinr = linear[self.cell[u]] / other
            weak[u] = sinr < 10 ** (self.p.failure_db / 10) and not self.lost[u]
            most[u] = min(math.log2(1 + sinr), 8.0) * self.band * self.tick_s
        need = [min(self.queue[u] / most[u], max(1 - self.dead[u], 0)) for u in range(USERS)]
        for _ in range(2):
            free = [1 - sum(share[u] for u in range(USERS) if self.cell[u] == k) for k in range(CELLS)]
            waits = [u for u in range(USERS) if need[u] - share[u] > 1e-9]
            for u in waits:
                mates = sum(self.cell[v] == self.cell[u] for v in waits)
                share[u] += min(need[u] - share[u], free[self.cell[u]] / mates)
        for u in range(USERS):
            bits = min(share[u] * most[u], self.queue[u])
            self.queue[u] -= bits
            self.served[u] += bits
            self.low[u] = self.low[u] + 1 if weak[u] else 0
            if self.low[u] >= round(self.p.failure_s / self.tick_s):
                self.lost[u], self.low[u], self.failures = True, 0, self.failures + 1
                self.dead[u] = 1 + self.p.outage_s / self.tick_s
        for k in range(CELLS):
            busy = sum(share[u] for u in range(USERS) if self.cell[u] == k)
            self.activity[k] = max(
                self.activity[k] + self.p.activity * (busy - self.activity[k]), self.p.least_activity
            )


def close(value: Any, expected: Any, atol: float) -> None:
    torch.testing.assert_close(value.double(), torch.tensor(expected, dtype=torch.float64), rtol=2e-3, atol=atol)


@pytest.mark.parametrize(("trigger", "seed", "failure_db"), [(1, 0, -8.0), (0, 3, 8.0), (4, 1, 8.0)])
def test_sixty_ticks_against_one_user_after_the_other(trigger: int, seed: int, failure_db: float) -> None:
    options: dict[str, Any] = {"neighbours": 2, "steps": 7, "margin_db": 1.0, "time_to_trigger_s": trigger / 10}
    traffic, physics = Flows(load_bps=20e6, video=0.5), Physics(failure_db=failure_db)
    env = HandoverTrafficEnv(drifting(places=15), 2, flows=traffic, physics=physics, seed=seed, **options)
    oracles, generator = [Oracle(env, b) for b in range(2)], torch.Generator().manual_seed(seed)
    for step in range(TICKS // 10):
        offset = torch.randn(2, CELLS, generator=generator) * 2
        offset -= offset.mean(1, keepdim=True)
        env.step(HandoverAction(offset_db=offset))
        counters = env.sums.counters
        for b, oracle in enumerate(oracles):
            for number in range(10 * step, 10 * step + 10):
                oracle.tick(number, offset[b].tolist(), 1.0, trigger)
            assert env.state.cell[b].tolist() == oracle.cell and env.state.lost[b].tolist() == oracle.lost
            close(env.state.filtered[b], oracle.filtered, 1e-3)
            close(env.state.activity[b], oracle.activity, 1e-3)
            for value, expected in ((env.state.queue, oracle.queue), (counters.served, oracle.served)):
                close(value[b], expected, 2e3)
            close(counters.backlog[b], oracle.backlog, 5e4)
            events = [oracle.handovers, oracle.ping_pongs, oracle.failures]
            assert [float(x[b]) for x in (counters.handovers, counters.ping_pongs, counters.failures)] == events
    counts = [sum(getattr(oracle, name) for oracle in oracles) for name in ("handovers", "ping_pongs", "failures")]
    assert counts[0] > 0 and (counts[2] > 0) == (failure_db > 0)
