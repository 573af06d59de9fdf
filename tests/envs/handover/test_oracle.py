"""The handover environment against a slow oracle that takes one user of one network after the other."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverAction, HandoverEnv, HandoverWeights
from hetgraph.envs.handover.reward import CIRCUIT_POWER_W, INDICATORS
from hetgraph.graph import CHANNEL, Trajectories
from hetgraph.radio.handover import HandoverRule

RULE = HandoverRule(margin_db=2.5, max_load=0.7, max_users=6)
CRE = replace(RULE, bias=True)


def own_cells(obs: HeteroData) -> Tensor:
    """Cell of each user, as a node of the batch."""
    edges = obs[CHANNEL]
    cells: Tensor = edges.edge_index[0][edges.own]
    return cells


class Oracle:
    """One network, one user after the other."""

    def __init__(
        self, world: Trajectories, rule: HandoverRule, model: str, bias_db: float = 6.0, trigger: int = 0
    ) -> None:
        self.world, self.rule, self.model, self.trigger, self.t = world, rule, model, trigger, 0
        self.users, self.cells, self.places = world.users, world.cells, 4
        power = world.power_w[0].tolist()
        self.power, self.gains = power, world.gain[0].tolist()
        self.bias = [bias_db if rule.bias and p < 0.99 * max(power) else 0.0 for p in power]
        pairs = [(-self.db(u, k), u, k) for u in range(self.users) for k in range(self.cells)]
        self.cell = [-1] * self.users
        for _, u, k in sorted(pairs):
            if self.cell[u] < 0 and self.cell.count(k) < rule.max_users:
                self.cell[u] = k
        self.previous, self.since = [-1] * self.users, [1000] * self.users
        self.trigger_steps = [[0] * self.cells for _ in range(self.users)]
        self.count()
        self.sums = dict.fromkeys(INDICATORS, 0.0)

    def snr(self, u: int, k: int) -> float:
        return self.gains[self.t][u][k] * self.power[k] / self.world.noise_w

    def db(self, u: int, k: int) -> float:
        return 10 * math.log10(self.snr(u, k))

    def efficiency(self, u: int, k: int) -> float:
        others = sum(self.snr(u, j) for j in range(self.cells) if j != k)
        return math.log2(1 + self.snr(u, k) / (1 + others))

    def gain(self, u: int, k: int) -> float:
        own = self.cell[u]
        return self.db(u, k) + self.bias[k] - self.db(u, own) - self.bias[own]

    def count(self) -> None:
        for u in range(self.users):
            for k in range(self.cells):
                self.trigger_steps[u][k] = self.trigger_steps[u][k] + 1 if self.gain(u, k) >= self.rule.margin_db else 0

    def candidates(self, u: int) -> list[int]:
        others = [k for k in range(self.cells) if k != self.cell[u]]
        return [self.cell[u], *sorted(others, key=lambda k: -self.db(u, k) - self.bias[k])[: self.places - 1]]

    def allowed(self, u: int, k: int) -> bool:
        load = self.cell.count(k) / self.rule.max_users
        stronger = self.gain(u, k) >= self.rule.margin_db and self.trigger_steps[u][k] > self.trigger
        return k == self.cell[u] or (stronger and load <= self.rule.max_load + 1e-9)

    def step(self, place: list[int], level: list[int], weights: HandoverWeights) -> list[float]:
        before = list(self.cell)
        gains = [self.gain(u, self.candidates(u)[place[u]]) for u in range(self.users)]
        wish = [self.candidates(u)[place[u]] for u in range(self.users)]
        may = [self.allowed(u, wish[u]) for u in range(self.users)]
        load = [before.count(k) for k in range(self.cells)]
        back = 0
        for u in sorted(range(self.users), key=lambda u: -gains[u]):
            self.since[u] += 1
            if may[u] and wish[u] != before[u] and load[wish[u]] / self.rule.max_users <= self.rule.max_load + 1e-9:
                load[wish[u]] += 1
                back += wish[u] == self.previous[u] and self.since[u] - 1 <= 5
                self.cell[u], self.previous[u], self.since[u] = wish[u], before[u], 1
                self.trigger_steps[u] = [0] * self.cells
        self.t += 1  # users have moved on when they are served
        rate = self.rates(level)
        reward = [self.reward(k, before, level, rate, weights) for k in range(self.cells)]
        self.add_indicators(before, rate, back)
        self.count()
        return reward

    def rates(self, level: list[int]) -> list[float]:
        out = []
        for u in range(self.users):
            alone, mates = (
                self.efficiency(u, self.cell[u]),
                [v for v in range(self.users) if self.cell[v] == self.cell[u]],
            )
            if self.model == "shared":
                out.append(alone * (level[u] + 1) / sum(level[v] + 1 for v in mates))
            else:
                out.append(alone / len(mates) * (0.5 + 0.5 * (level[u] + 1) / 5))
        return out

    def reward(self, k: int, before: list[int], level: list[int], rate: list[float], w: HandoverWeights) -> float:
        mine = [u for u in range(self.users) if self.cell[u] == k]
        loads = [self.cell.count(j) / self.rule.max_users for j in range(self.cells)]
        mean = sum(loads) / self.cells
        sigma = math.sqrt(sum((x - mean) ** 2 for x in loads) / self.cells)
        had = [u for u in range(self.users) if before[u] == k]
        handed = sum(self.cell[u] != k for u in had) / len(had) if had else 0.0
        out = -w.load * math.tanh(abs(loads[k] - 0.5) * 2) - w.balance * math.tanh(sigma * 2)
        out -= w.handover * math.tanh(handed * 3)
        if not mine:
            return out
        n, got = len(mine), [rate[u] for u in mine]
        capacity = sum(got)
        if self.model == "paper":
            capacity = sum(self.efficiency(u, k) * (level[u] + 1) / 5 for u in mine) / n
        out += w.efficiency * math.tanh(sum(got) / n) + w.capacity * math.tanh(capacity / 5)
        out += w.signal * math.tanh(sum(self.db(u, k) for u in mine) / n / 40)
        out += w.fairness * (sum(got) ** 2 / (n * sum(x * x for x in got)) - 0.5)
        out += w.sum_rate * sum(got) - w.spread * sum(x * x for x in got)
        return out + w.utility * sum(math.log(1 + x * 20e6 / 1e5) for x in got)

    def add_indicators(self, before: list[int], rate: list[float], back: int) -> None:
        n, band = self.users, self.world.bandwidth_hz
        loads = [self.cell.count(j) / self.rule.max_users for j in range(self.cells)]
        mean = sum(loads) / self.cells
        state = {
            "asc": sum(rate),
            "anu": sum(math.log(1 + x * band / 1e5) for x in rate),
            "jain": sum(rate) ** 2 / (n * sum(x * x for x in rate)),
            "load_imbalance": sum(abs(x - mean) for x in loads) / self.cells,
            "handover_rate": sum(a != b for a, b in zip(before, self.cell, strict=True)) / n,
            "ping_pong_rate": back / n,
            "throughput_bps": sum(rate) * band / n,
            "energy_efficiency": sum(rate) * band / sum(p + CIRCUIT_POWER_W for p in self.power),
        }
        self.sums = {name: total + state[name] for name, total in self.sums.items()}


@pytest.mark.parametrize(
    ("rule", "model", "trigger"),
    [(RULE, "shared", 0), (RULE, "paper", 0), (CRE, "shared", 0), (CRE, "paper", 0), (RULE, "shared", 2)],
)
def test_fifty_steps_against_one_user_after_the_other(
    random_walks: Callable[..., Trajectories],
    random_action: Callable[..., HandoverAction],
    rule: HandoverRule,
    model: str,
    trigger: int,
) -> None:
    world, weights = random_walks(1), HandoverWeights(1.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.05, 0.03, 0.02)
    world = replace(
        world, **{name: getattr(world, name)[:, :51] for name in ("gain", "ue_pos", "speed_mps", "measured")}
    )
    env = HandoverEnv(world, 1, rule=rule, resource_model=model, weights=weights, time_to_trigger=trigger)  # type: ignore[arg-type]
    oracle, g, moved = Oracle(world, rule, model, trigger=trigger), torch.Generator().manual_seed(1), 0
    obs, _ = env.reset()
    for t in range(50):
        edges, users = obs[CHANNEL], range(oracle.users)
        assert own_cells(obs).tolist() == oracle.cell
        assert edges.edge_index[0].view(-1, 4).tolist() == [oracle.candidates(u) for u in users]
        want = [[oracle.allowed(u, k) for k in oracle.candidates(u)] for u in users]
        assert edges.allowed.view(-1, 4).tolist() == want
        fine = torch.tensor([[oracle.efficiency(u, k) for k in oracle.candidates(u)] for u in users])
        torch.testing.assert_close(edges.spectral_efficiency.view(-1, 4), fine, rtol=1e-4, atol=1e-4)
        action, before = random_action(env, g), list(oracle.cell)
        step = env.step(action)
        reward = oracle.step(action.place[0].tolist(), action.level[0].tolist(), weights)
        torch.testing.assert_close(step.reward[0], torch.tensor(reward), rtol=2e-4, atol=2e-4)
        moved += sum(a != b for a, b in zip(before, oracle.cell, strict=True))
        obs = step.info["final_obs"] if t == 49 else step.obs
    assert own_cells(obs).tolist() == oracle.cell and moved > (5 if trigger else 20)
    for name, total in oracle.sums.items():
        assert float(step.info["episode"][name]) == pytest.approx(total / 50, rel=2e-4, abs=1e-6), name
