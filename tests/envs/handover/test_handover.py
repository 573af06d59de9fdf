"""The handover environment against a slow oracle of one network, and that no action breaks the rule."""

import copy
import math
import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverAction, HandoverEnv, HandoverWeights
from hetgraph.envs.handover.reward import CIRCUIT_POWER_W, INDICATORS
from hetgraph.graph import CHANNEL, Trajectories, check, roaming
from hetgraph.graph.schema import NEIGHBOURS, Level
from hetgraph.radio.handover import HandoverRule

RULE = HandoverRule(margin_db=2.5, max_load=0.7, max_users=6)
CRE = replace(RULE, bias=True)


def wandering(networks: int = 3, steps: int = 60, users: int = 20, cells: int = 6, seed: int = 0) -> Trajectories:
    """Gains that drift at random."""
    g = torch.Generator().manual_seed(seed)
    walk = torch.randn(networks, steps, users, cells, generator=g).cumsum(1) * 1.5
    start = torch.randn(networks, 1, users, cells, generator=g) * 8 - 95
    return Trajectories(
        gain=10 ** ((start + walk) / 10),
        ue_pos=torch.rand(networks, steps, users, 2, generator=g) * 500,
        speed_mps=torch.rand(networks, steps, users, generator=g) * 3,
        bs_pos=torch.rand(networks, cells, 2, generator=g) * 500,
        power_w=torch.tensor([20.0, 20.0, *[4.0] * (cells - 2)]).expand(networks, -1).contiguous(),
        tier=torch.tensor([0, 0, *[1] * (cells - 2)]).expand(networks, -1).contiguous(),
        measured=torch.rand(networks, steps, users, cells, generator=g) < 0.3,
        bandwidth_hz=20e6,
        noise_w=6e-13,
        slot_s=0.5,
    )


DYNAMIC = (
    ("bs", "users"),
    ("bs", "room"),
    ("ue", "rate_bps"),
    ("ue", "far_interference_w"),
    ("ue", "since_slots"),
    (CHANNEL, "gain"),
    (CHANNEL, "spectral_efficiency"),
    (CHANNEL, "allowed"),
    (CHANNEL, "users"),
    (CHANNEL, "edge_index"),
)


def own_cells(obs: HeteroData) -> Tensor:
    """Cell of each user, as a node of the batch."""
    edges = obs[CHANNEL]
    cells: Tensor = edges.edge_index[0][edges.own]
    return cells


def drawn(env: HandoverEnv, g: torch.Generator) -> HandoverAction:
    shape = (env.num_envs, env.num_users)
    place = torch.randint(env.neighbours + 1, shape, generator=g)
    return HandoverAction(place, torch.randint(env.levels, shape, generator=g))


class Slow:
    """One network, one user after the other."""

    def __init__(
        self, world: Trajectories, rule: HandoverRule, model: str, bias_db: float = 6.0, trigger: int = 0
    ) -> None:
        self.world, self.rule, self.model, self.trigger, self.t = world, rule, model, trigger, 0
        self.users, self.cells, self.places = world.users, world.cells, 4
        power = world.power_w[0].tolist()
        self.power, self.heard = power, world.gain[0].tolist()
        self.bias = [bias_db if rule.bias and p < 0.99 * max(power) else 0.0 for p in power]
        pairs = [(-self.db(u, k), u, k) for u in range(self.users) for k in range(self.cells)]
        self.cell = [-1] * self.users
        for _, u, k in sorted(pairs):
            if self.cell[u] < 0 and self.cell.count(k) < rule.max_users:
                self.cell[u] = k
        self.previous, self.since = [-1] * self.users, [1000] * self.users
        self.held = [[0] * self.cells for _ in range(self.users)]
        self.count()
        self.sums = dict.fromkeys(INDICATORS, 0.0)

    def snr(self, u: int, k: int) -> float:
        return self.heard[self.t][u][k] * self.power[k] / self.world.noise_w

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
                self.held[u][k] = self.held[u][k] + 1 if self.gain(u, k) >= self.rule.margin_db else 0

    def candidates(self, u: int) -> list[int]:
        others = [k for k in range(self.cells) if k != self.cell[u]]
        return [self.cell[u], *sorted(others, key=lambda k: -self.db(u, k) - self.bias[k])[: self.places - 1]]

    def allowed(self, u: int, k: int) -> bool:
        load = self.cell.count(k) / self.rule.max_users
        stronger = self.gain(u, k) >= self.rule.margin_db and self.held[u][k] > self.trigger
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
                self.held[u] = [0] * self.cells
        self.t += 1  # users have moved on when they are served
        rate = self.rates(level)
        reward = [self.reward(k, before, level, rate, weights) for k in range(self.cells)]
        self.tally(before, rate, back)
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

    def tally(self, before: list[int], rate: list[float], back: int) -> None:
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
def test_fifty_steps_against_one_user_after_the_other(rule: HandoverRule, model: str, trigger: int) -> None:
    world, weights = wandering(1), HandoverWeights(1.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.05, 0.03, 0.02)
    world = replace(
        world, **{name: getattr(world, name)[:, :51] for name in ("gain", "ue_pos", "speed_mps", "measured")}
    )
    env = HandoverEnv(world, 1, rule=rule, resource_model=model, weights=weights, time_to_trigger=trigger)  # type: ignore[arg-type]
    slow, g, moved = Slow(world, rule, model, trigger=trigger), torch.Generator().manual_seed(1), 0
    obs, _ = env.reset()
    for t in range(50):
        edges, users = obs[CHANNEL], range(slow.users)
        assert own_cells(obs).tolist() == slow.cell
        assert edges.edge_index[0].view(-1, 4).tolist() == [slow.candidates(u) for u in users]
        want = [[slow.allowed(u, k) for k in slow.candidates(u)] for u in users]
        assert edges.allowed.view(-1, 4).tolist() == want
        fine = torch.tensor([[slow.efficiency(u, k) for k in slow.candidates(u)] for u in users])
        torch.testing.assert_close(edges.spectral_efficiency.view(-1, 4), fine, rtol=1e-4, atol=1e-4)
        action, before = drawn(env, g), list(slow.cell)
        step = env.step(action)
        reward = slow.step(action.place[0].tolist(), action.level[0].tolist(), weights)
        torch.testing.assert_close(step.reward[0], torch.tensor(reward), rtol=2e-4, atol=2e-4)
        moved += sum(a != b for a, b in zip(before, slow.cell, strict=True))
        obs = step.info["final_obs"] if t == 49 else step.obs
    assert own_cells(obs).tolist() == slow.cell and moved > (5 if trigger else 20)
    for name, total in slow.sums.items():
        assert float(step.info["episode"][name]) == pytest.approx(total / 50, rel=2e-4, abs=1e-6), name


@pytest.mark.parametrize("rule", [HandoverRule(max_users=12), HandoverRule(max_users=12, bias=True)])
@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("episodes", [1, pytest.param(4, marks=pytest.mark.all)])
def test_no_handover_below_the_margin_or_into_a_full_cell(rule: HandoverRule, adversarial: bool, episodes: int) -> None:
    """25,000 network-steps an episode; adversaries ask for the fullest cell that takes one, stronger or not, or for a full one."""
    b, world = 250, wandering(10, 101, users=30, cells=6)
    env = HandoverEnv(world, b, rule=rule, steps=100, bias_db=6.0)
    small_db = torch.where(world.power_w < 10, 6.0 if rule.bias else 0.0, 0.0)
    g, moved, full = torch.Generator().manual_seed(2), 0, 0
    for t in range(100 * episodes):
        cell, state, network = env.users.cell, env.state, env.network
        action = drawn(env, g)
        if adversarial:
            crowd = state.users + torch.rand(state.users.shape, generator=g)
            shy = torch.rand(b, 30, 1, generator=g) < 0.9
            action = replace(action, place=crowd.masked_fill(shy & (state.users >= rule.room), 0).argmax(2))
        received = world.gain[network, t % 100] * world.power_w[network].unsqueeze(1)
        power_dbm = 10 * received.log10() + small_db[network].unsqueeze(1)
        before = torch.nn.functional.one_hot(cell, 6).sum(1)
        end, last = env.step(action), t % 100 == 99
        after = own_cells(end.info["final_obs"]).view(b, -1) % 6 if last else env.users.cell
        went = after != cell
        gain = (power_dbm.gather(2, after.unsqueeze(2)) - power_dbm.gather(2, cell.unsqueeze(2))).squeeze(2)
        assert bool((gain[went] >= rule.margin_db - 1e-4).all())
        joined = (torch.nn.functional.one_hot(after, 6) * went.unsqueeze(2)).sum(1)
        # A cell takes a user while its load, that of the step's beginning and those taken before, is at most the cap.
        assert bool((before + joined - 1)[joined > 0].le(rule.max_load * rule.max_users + 1e-6).all())
        share = env.users.rate / env.state.links.efficiency[..., 0]  # of the cell's time
        given = torch.zeros(b, 6).scatter_add(1, env.users.cell, share)
        if not last:
            torch.testing.assert_close(given, (env.state.count > 0).float(), rtol=0, atol=1e-4)
        assert bool(env.users.rate.isfinite().all()) and bool(end.reward.isfinite().all())
        moved, full = moved + int(went.sum()), full + int((before >= rule.room).sum())
    assert moved > 2000 and full > 100


def test_a_batch_is_its_networks_alone() -> None:
    world, g = wandering(4), torch.Generator().manual_seed(3)
    options = {"rule": CRE, "steps": 20}
    many, alone = HandoverEnv(world, 4, **options), HandoverEnv(world, 1, **options)  # type: ignore[arg-type]
    for _ in range(20):
        action = drawn(many, g)
        one = HandoverAction(action.place[:1], action.level[:1])
        all_, single = many.step(action), alone.step(one)
        assert torch.equal(all_.reward[:1], single.reward)
        for store, name in DYNAMIC:
            found, want = all_.obs[store][name], single.obs[store][name]
            if "final_obs" in single.info:
                found, want = all_.info["final_obs"][store][name], single.info["final_obs"][store][name]
            found = found[:, : want.shape[1]] if name == "edge_index" else found[: len(want)]
            assert torch.equal(found, want), name
    for name in INDICATORS:
        assert torch.equal(all_.info["episode"][name][:1], single.info["episode"][name])


@pytest.mark.parametrize("trigger", [0, 2])
def test_going_on_from_a_saved_state_gives_the_same_bits(trigger: int) -> None:
    world = wandering()
    env = HandoverEnv(world, 2, rule=CRE, steps=15, time_to_trigger=trigger, seed=5)
    g = torch.Generator().manual_seed(4)
    for _ in range(22):
        env.step(drawn(env, g))
    saved, actions = env.state_dict(), [drawn(env, g) for _ in range(20)]
    first = [env.step(action) for action in actions]
    rest = [(s.reward.clone(), s.info["indicators"]["anu"]) for s in first]
    last = env.observe("global").clone()
    other = HandoverEnv(world, 2, rule=CRE, steps=15, time_to_trigger=trigger, seed=0)
    other.load_state_dict(saved)
    for action, (reward, anu) in zip(actions, rest, strict=True):
        step = other.step(action)
        assert torch.equal(step.reward, reward) and torch.equal(step.info["indicators"]["anu"], anu)
    state = other.observe("global")
    for store, name in DYNAMIC:
        assert torch.equal(state[store][name], last[store][name])
    assert torch.equal(state.handover_rate, last.handover_rate)


def test_seeds_episodes_and_resets() -> None:
    world = wandering(3, steps=90)
    env = HandoverEnv(world, 2, steps=10, seed=1)
    assert env.network.tolist() == [0, 1]
    begin = env.begin.clone()
    for _ in range(10):
        step = env.step(drawn(env, torch.Generator().manual_seed(0)))
    assert bool(step.truncated.all()) and not bool(step.terminated.any())
    assert env.network.tolist() == [1, 2] and env.state.step.tolist() == [0, 0]
    assert step.info["final_obs"].slots_left.tolist() == [0, 0] and step.obs.slots_left.tolist() == [10, 10]
    env.reset(seed=1)
    assert torch.equal(env.begin, begin)
    env.reset(seed=2)
    assert not torch.equal(env.begin, begin)
    fresh = HandoverEnv(world, 2, steps=10, seed=2)
    assert torch.equal(fresh.begin, env.begin) and torch.equal(fresh.users.cell, env.users.cell)


def test_a_scenario_by_name_and_its_seed() -> None:
    env = HandoverEnv(num_envs=1, steps=2)
    assert (env.num_cells, env.num_users) == (25, 250)
    gain = env.tables.trajectories.gain
    obs, _ = env.reset(seed=3)
    assert not torch.equal(env.tables.trajectories.gain, gain)
    assert torch.equal(HandoverEnv(num_envs=1, steps=2, seed=3).tables.trajectories.gain, env.tables.trajectories.gain)
    assert obs["bs"].users.shape == (25,) and obs["ue"].level.shape == (250,)
    assert obs[CHANNEL].gain.shape == (1000, 1) and obs[NEIGHBOURS].edge_index.shape == (2, 600)


@pytest.mark.parametrize("level", ["local", "neighbourhood", "global", "genie"])
def test_levels_of_observation(level: Level) -> None:
    env = HandoverEnv(wandering(), 3, rule=RULE)
    env.step(drawn(env, torch.Generator().manual_seed(0)))
    obs = env.observe(level)
    check(obs, level=level)
    edges, wide = obs[CHANNEL], level in ("global", "genie")
    assert bool(edges.users[edges.own].min() > 0) and bool((edges.users[~edges.own] > 0).any()) == (level != "local")
    assert ("handover_rate" in obs) == wide and (obs[NEIGHBOURS].edge_index.shape[1] > 0) == (level != "local")
    assert bool(
        (
            edges.allowed.view(-1, 4) == (env.state.stronger if level == "local" else env.state.allowed).flatten(0, 1)
        ).all()
    )
    others = env.observe("neighbourhood")[CHANNEL]
    assert torch.equal(others.edge_index, edges.edge_index) and torch.equal(others.slot, edges.slot)
    row, index = env.state.row + (level == "genie"), env.state.links.cell
    gain = env.tables.trajectories.gain.flatten(0, 1)[row].gather(2, index)
    assert torch.equal(env.observe(level)[CHANNEL].gain.view_as(gain), gain)


def test_efficiencies_follow_from_the_graph() -> None:
    """Gains, powers, noise and far interference of an observation give the spectral efficiency on every edge."""
    env = HandoverEnv(wandering(), 3, rule=RULE)
    for level in ("neighbourhood", "genie"):
        obs = env.observe(level)  # type: ignore[arg-type]
        edges, ue = obs[CHANNEL], obs["ue"]
        received = (edges.gain[:, 0] * obs["bs"].power_max_w[edges.edge_index[0]]).view(-1, 4).double()
        rest = (ue.noise_w + ue.far_interference_w).double()
        other = received.sum(1, keepdim=True) - received + rest
        expected = (1 + received / other).log2().float()
        torch.testing.assert_close(edges.spectral_efficiency.view(-1, 4), expected, rtol=1e-4, atol=1e-4)


def test_a_network_is_the_same_alone_and_among_many() -> None:
    scenario = roaming(cells=5, users=10)
    many = HandoverEnv(scenario, 3, steps=4, seed=7)
    alone = HandoverEnv(scenario, 1, first=2, steps=4, seed=7)
    for _ in range(9):  # more than two episodes
        action = drawn(many, torch.Generator().manual_seed(1))
        step = many.step(action)
        single = alone.step(HandoverAction(action.place[2:], action.level[2:]))
        assert torch.equal(step.reward[2:], single.reward)
        assert torch.equal(step.obs[CHANNEL].gain[2 * 40 :], single.obs[CHANNEL].gain)


def test_copies_and_pickles_go_on_alike() -> None:
    env, g = HandoverEnv(wandering(), 2, rule=RULE, steps=10), torch.Generator().manual_seed(0)
    for _ in range(3):
        env.step(drawn(env, g))
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    action = drawn(env, g)
    reward = env.step(action).reward
    assert all(torch.equal(twin.step(action).reward, reward) for twin in twins)


def test_places_that_are_not_allowed_are_refused_and_counted() -> None:
    env = HandoverEnv(wandering(), 3, rule=RULE)
    action = drawn(env, torch.Generator().manual_seed(0))
    want = (~env.state.allowed.gather(2, action.place.unsqueeze(2))).sum((1, 2))
    assert torch.equal(env.step(action).info["refused"], want) and int(want.min()) > 0


def test_users_without_a_way_back() -> None:
    """Ping-pongs can be counted or forbidden."""
    world = wandering(2)
    gain = torch.full_like(world.gain, 1e-10)
    gain[:, ::2, :, 0] = gain[:, 1::2, :, 1] = 1e-9
    world = replace(
        world, gain=gain[:, :, :4], **{n: getattr(world, n)[:, :, :4] for n in ("ue_pos", "speed_mps", "measured")}
    )
    rates = []
    for forbid in (False, True):
        env = HandoverEnv(world, 2, forbid_ping_pong=forbid, steps=20)
        for _ in range(20):
            best = env.state.links.received_db.argmax(2)
            step = env.step(HandoverAction(best, torch.zeros_like(best)))
        rates.append((step.info["episode"]["ping_pong_rate"], step.info["episode"]["handover_rate"]))
    assert bool((rates[0][0] == 18 / 20).all()) and bool((rates[0][1] == 19 / 20).all())
    assert bool((rates[1][0] == 0).all()) and bool((rates[1][1] > 0).all())


def test_malformed_actions_raise_one_sentence_and_change_nothing() -> None:
    env = HandoverEnv(wandering(), 2, rule=RULE)
    good = torch.zeros(2, 20, dtype=torch.long)
    nothing, plain = "got NoneType, expected a tensor of shape", r"got .*, expected integers of shape \(2, 20\)"
    odd: list[tuple[Any, str]] = [
        (None, nothing),
        (good.tolist(), "got list"),
        (good.numpy(), "got ndarray"),
        (3, "got int"),
        (good.float(), plain),
        (good.double() * math.nan, plain),
        (good.float() + math.inf, plain),
        (good.bool(), plain),
        (good.to(torch.complex64), plain),
        (good[:1], plain),
        (good[:, :-1], plain),
        (good.flatten(), plain),
        (good.unsqueeze(2), plain),
        (good.T, plain),
        (good - 1, "got values from -1 to -1, expected 0"),
        (good.index_fill(1, torch.tensor([7]), 5), "got values from 0 to 5, expected 0"),
        (good + 2**40, "got values from"),
    ]
    cases = [(HandoverAction(value, good), f"action.place: {text}") for value, text in odd]
    cases += [(HandoverAction(good, value), f"action.level: {text}") for value, text in odd]
    cases += [(value, "action.place: got NoneType") for value in (None, 7, "stay", (good, good), {"place": good})]
    kept = env.state_dict()
    for action, sentence in cases:
        with pytest.raises(ValueError, match=sentence) as raised:
            env.step(action)
        assert "\n" not in str(raised.value)
    assert len(cases) > 24
    state = env.state_dict()
    for part in ("users", "totals"):
        value, before = state.pop(part), kept.pop(part)
        assert value.keys() == before.keys() and all(torch.equal(value[name], before[name]) for name in value)
    assert torch.equal(state.pop("moved"), kept.pop("moved")) and state == kept


def test_an_action_of_short_integers_is_one_and_nobody_writes_into_it() -> None:
    env, twin, g = (HandoverEnv(wandering(), 2, rule=RULE), HandoverEnv(wandering(), 2, rule=RULE), torch.Generator())
    action = drawn(env, g.manual_seed(3))
    short = HandoverAction(action.place.int(), action.level.int())
    assert torch.equal(env.step(action).reward, twin.step(short).reward)
    action.level.fill_(99)
    assert int(env.observe("global")["ue"].level.max()) < 5 and twin.observe("global")["ue"].level.dtype == torch.long
    assert torch.equal(env.step(drawn(env, g)).obs["ue"].level, env.users.level.flatten())


def test_bad_input() -> None:
    world = wandering()
    env = HandoverEnv(world, 2)
    for options, match in (
        ({"num_envs": 0}, "num_envs: got 0, expected at least 1"),
        ({"steps": 61}, "steps: got 61, expected at most the trajectories' 60"),
        ({"neighbours": 6}, "neighbours: got 6, expected fewer than the 6 cells"),
        ({"resource_model": "free"}, "resource_model: got 'free'"),
        ({"level": "all"}, "level: got 'all'"),
        ({"time_to_trigger": -1}, "time_to_trigger: got -1, expected at least 0"),
        ({"rate_unit_bps": 0.0}, "rate_unit_bps: got 0.0"),
        ({"rule": HandoverRule(max_users=3)}, "users: got 20, expected at most 18"),
    ):
        with pytest.raises(ValueError, match=match):
            HandoverEnv(world, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="options: got x, expected none"):
        env.reset(options={"x": 1})
    with pytest.raises(ValueError, match="level: got 'all'"):
        env.observe("all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"weights\.load: got nan"):
        HandoverWeights(load=float("nan"))
