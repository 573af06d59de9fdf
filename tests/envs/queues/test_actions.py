"""Actions of environments of queues: malformed ones are refused, wishes outside the rules resolved and counted; streams."""

from typing import Any

import pytest
import torch

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.radio import Allocation

KINDS: dict[str, type[ConflictEnv] | type[CellularEnv]] = {"conflict": ConflictEnv, "cellular": CellularEnv}


def make(kind: str, networks: int = 1, source: Any = None, **options: Any) -> QueueEnv:
    """An environment with some traffic; of the paper's own networks without a source."""
    name = source if source is not None else {"conflict": "conflict-8", "cellular": "hex-19:rings=1"}[kind]
    load = {"conflict": 0.5, "cellular": 25.0}[kind]
    env: QueueEnv = KINDS[kind](name, networks, **{"load": load, **options})
    return env


def random_action(env: QueueEnv, generator: torch.Generator) -> Allocation:
    """Devices and powers at random, the same for network i whatever others there are."""
    _, n, _, d = env.cells.shape
    device, power = [], []
    for i in env.networks:
        own = torch.Generator().manual_seed(generator.initial_seed() + 1000 * i + int(env.slot[i - env.first]))
        device.append(torch.randint(0, 4, (n, env.num_rbs), generator=own).clamp_max(d))
        power.append(torch.rand(n, env.num_rbs, generator=own))
    return env.action.build({"device": torch.stack(device), "power": torch.stack(power)})


def all_of(env: QueueEnv) -> dict[str, torch.Tensor]:
    """State of an environment, flat."""

    def flat(value: Any, name: str) -> dict[str, torch.Tensor]:
        if isinstance(value, dict):
            return {k: v for key, part in value.items() for k, v in flat(part, f"{name}.{key}").items()}
        if isinstance(value, (list, tuple)):
            return {k: v for key, part in enumerate(value) for k, v in flat(part, f"{name}.{key}").items()}
        return {name: torch.as_tensor(value).clone()}

    return flat(env.state_dict(), "")


def full(env: QueueEnv) -> dict[str, torch.Tensor]:
    """An action that schedules everybody with packets, at full power."""
    users = env.num_envs * env.num_devices
    return {
        "serving": env.cells.serving.clone(),
        "power_w": env.rules.most_w.clone(),
        "airtime": torch.ones(users, env.num_rbs),
    }


MALFORMED: dict[str, Any] = {
    "power is NaN": lambda a: a["power_w"].__setitem__((0, 0), torch.nan),
    "power is infinite": lambda a: a["power_w"].__setitem__((0, 0), torch.inf),
    "power is negative": lambda a: a["power_w"].__setitem__((0, 0), -1.0),
    "airtime is NaN": lambda a: a["airtime"].__setitem__((0, 0), torch.nan),
    "airtime is negative": lambda a: a["airtime"].__setitem__((0, 0), -0.5),
    "airtime is missing": lambda a: a.update(airtime=None),
    "airtime of another shape": lambda a: a.update(airtime=a["airtime"][:-1]),
    "power of whole numbers": lambda a: a.update(power_w=a["power_w"].long()),
    "power of another shape": lambda a: a.update(power_w=a["power_w"][:, :-1]),
    "station out of range": lambda a: a["serving"].__setitem__(0, len(a["power_w"])),
    "station below -1": lambda a: a["serving"].__setitem__(0, -2),
    "stations as real numbers": lambda a: a.update(serving=a["serving"].float()),
    "layers are NaN": lambda a: a.update(layer_power_w=torch.full_like(a["airtime"], torch.nan)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mistake", MALFORMED)
def test_malformed_actions_get_one_sentence_and_change_nothing(kind: str, mistake: str) -> None:
    env = make(kind, 2)
    env.reset(seed=1)
    env.step(Allocation(**full(env)))
    wrong, before = full(env), all_of(env)
    MALFORMED[mistake](wrong)
    with pytest.raises(
        ValueError, match=r"^action\.(power_w|airtime|serving|layer_power_w): got [^\n]*, expected [^\n]*$"
    ):
        env.step(Allocation(**wrong))
    after = all_of(env)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_power_that_is_no_number_does_not_poison_the_environment(kind: str) -> None:
    env = make(kind, 2)
    env.reset(seed=1)
    poison = full(env)
    poison["power_w"].fill_(torch.nan)
    for _ in range(3):
        try:
            env.step(Allocation(**poison))
        except ValueError:
            continue
    for _ in range(40):
        step = env.step(Allocation(**full(env)))
    assert bool(torch.isfinite(step.reward).all()) and bool(torch.isfinite(env.queue).all())


@pytest.mark.parametrize("kind", KINDS)
def test_wishes_outside_the_rules_come_to_what_is_stated_and_are_counted(kind: str) -> None:
    env = make(kind, 1)
    env.reset(seed=1)
    env.queue.zero_()
    env.queue[:, [0, 1]] = 2.0
    home, most = env.cells.station[0], env.rules.most_w
    nothing = torch.zeros(env.num_devices, env.num_rbs)
    power = torch.zeros_like(most)

    def result(airtime: torch.Tensor, power_w: torch.Tensor, serving: torch.Tensor | None = None) -> Any:
        wish = Allocation(env.cells.serving if serving is None else serving, power_w, airtime)
        active, granted, refused = env.rules.resolve(wish, env.queue > 0)
        return active > 0, granted, int(refused)

    one, at = nothing.clone(), power.clone()
    one[0, 1], at[home[0], 1] = 1.0, most[home[0], 1]
    assert result(one, at)[2] == 0 and torch.equal(result(one, at)[0], one > 0) and torch.equal(result(one, at)[1], at)
    active, granted, refused = result(one, 1000 * at)
    assert torch.equal(granted, at) and refused == 1 and torch.equal(active, one > 0), (
        "cut to the block's largest power"
    )
    idle = nothing.clone()
    idle[5, 0], spent = 1.0, power.clone()
    spent[home[5], 0] = most[home[5], 0]
    active, granted, refused = result(idle, spent)
    assert not active.any() and not granted.any() and refused == 1, "no packets, no power"
    active, granted, refused = result(nothing, at)
    assert not granted.any() and refused == 1, "nobody to send to"
    if int(home[0]) == int(home[1]):
        both = one.clone()
        both[1, 1] = 1.0
        active, granted, refused = result(both, at)
        assert torch.equal(active, one > 0) and refused == 1, "the first device has the block"
    elsewhere = env.cells.serving.clone()
    elsewhere[0] = (elsewhere[0] + 1) % env.num_stations
    active, granted, refused = result(one, at, elsewhere)
    assert not active.any() and not granted.any() and refused == 2, (
        "users keep their stations, and the power has no device"
    )
    assert not result(one, power)[0].any(), "no power, no transmission"


def test_a_station_beyond_its_budget_is_scaled_to_it() -> None:
    env = CellularEnv("hetnet-3tier", 1, load=30.0)
    env.reset(seed=1)
    assert not env.rules._whole, "blocks may take the whole budget each"
    env.queue.fill_(1.0)
    refused = env.step(
        env.action.build({"device": torch.ones(1, 21, 12, dtype=torch.long), "power": torch.ones(1, 21, 12)})
    )
    sent = torch.zeros(21).index_add(0, env.cells.station[0], refused.obs["ue"].power_w.sum(1))
    budget = env._layout["bs"].power_max_w
    busy = sent > 0
    torch.testing.assert_close(sent[busy], budget[busy], rtol=1e-5, atol=0)
    assert int(refused.info["refused"]) == 12 * int(busy.sum()) + 12 * int((~busy).sum())


def adversarial(env: QueueEnv, slots: int, seed: int) -> None:
    """Random and adversarial steps keep bits, budgets, blocks and finite numbers."""
    generator = torch.Generator().manual_seed(seed)
    env.reset(seed=seed)
    b, u, n, r = env.num_envs, env.num_devices, env.num_stations, env.num_rbs
    for slot in range(slots):
        scale = 10.0 ** int(torch.randint(-3, 30, (1,), generator=generator))
        power = torch.rand(b * n, r, generator=generator) * scale * (torch.rand(b * n, r, generator=generator) < 0.8)
        airtime = torch.rand(b * u, r, generator=generator) * (torch.rand(b * u, r, generator=generator) < 0.5)
        serving = env.cells.serving.clone()
        if slot % 3 == 0:
            serving = torch.randint(-1, b * n, (b * u,), generator=generator)
        before, action = env.queue.clone(), Allocation(serving, power, airtime)
        active, granted, refused = env.rules.resolve(action, before > 0)
        assert bool((env.rules.load(active) <= 1).all()) and not bool((active * (before <= 0).reshape(-1, 1)).any())
        assert bool((granted <= env.rules.most_w * (1 + 1e-5)).all()) and bool((refused >= 0).all())
        assert bool((granted.sum(1, keepdim=True) <= env.rules.budget_w * (1 + 1e-5)).all())
        step = env.step(action)
        done = (step.terminated | step.truncated).unsqueeze(1)
        left = torch.where(done, torch.zeros_like(before), env.queue - env.arrivals.count)
        assert bool(((left >= -1e-5) & (left <= before + 1e-5)).all()), "packets only leave by service"
        idle = ~(active > 0).any(1).reshape(b, u) & ~done
        torch.testing.assert_close(left[idle], before[idle], rtol=0, atol=2e-5)
        assert bool(torch.isfinite(step.reward).all()) and torch.equal(step.info["refused"], refused)
    for value in env.observe("genie")["ue"].values():
        assert not isinstance(value, torch.Tensor) or bool(torch.isfinite(value).all())


@pytest.mark.parametrize("kind", KINDS)
def test_adversarial_steps_keep_the_invariants(kind: str) -> None:
    adversarial(make(kind, 4, episode_slots=50), 400, 1)


@pytest.mark.all
@pytest.mark.parametrize("kind", KINDS)
def test_many_adversarial_steps_keep_the_invariants(kind: str) -> None:
    adversarial(make(kind, 50, episode_slots=333), 2000, 2)  # 100,000 network-slots


STREAMS = [("conflict", {}), ("cellular", {}), ("cellular", {"layouts": 2}), ("conflict", {"source": "hex-19:rings=1"})]


@pytest.mark.parametrize(("kind", "options"), STREAMS)
def test_a_network_is_the_same_alone_and_among_many(kind: str, options: dict[str, Any]) -> None:
    """Layouts, arrivals in bursts or not, fading, and what happens after an overflow, with the same given actions."""
    options = {"episode_slots": 70, "max_queue": 9.0, **options}
    many = make(kind, 5, seed=6, **options)
    alone = make(kind, 1, seed=6, first=3, **options)
    obs = many.reset(seed=6)[0], alone.reset(seed=6)[0]
    ended = 0
    for slot in range(150):
        one, other = (
            many.step(random_action(many, torch.Generator().manual_seed(7))),
            alone.step(random_action(alone, torch.Generator().manual_seed(7))),
        )
        u, e = alone.num_devices, len(obs[1]["bs", "channel", "ue"].slot)
        assert torch.equal(one.reward[3], other.reward[0]) and torch.equal(one.terminated[3:4], other.terminated), slot
        for level in ("genie", "neighbourhood"):
            left, right = many.observe(level), alone.observe(level)
            for name in ("queue_bits", "noise_w", *many._reported()):
                assert torch.equal(left["ue"][name][3 * u : 4 * u], right["ue"][name]), name
            assert torch.equal(left["bs", "channel", "ue"].gain[3 * e : 4 * e], right["bs", "channel", "ue"].gain)
        ended += int(other.terminated)
    assert ended > 0 or kind == "conflict"


def test_layouts_and_traffic_of_the_numbered_network() -> None:
    from hetgraph.envs import Traffic

    bursts = Traffic(0.4, burst_slots=5)
    many, later = CellularEnv("hex-19:rings=1", 4, load=bursts), CellularEnv("hex-19:rings=1", 2, load=bursts, first=2)
    assert torch.equal(many._large[2:], later._large)
    assert not torch.equal(many._large[0], many._large[1])
    for env in (many, later):
        env.reset(seed=1)
    for _ in range(80):
        assert torch.equal(many.arrivals.draw()[2:], later.arrivals.draw())


@pytest.mark.parametrize("kind", KINDS)
def test_masks_mark_devices_with_packets(kind: str) -> None:
    env = make(kind, 2)
    env.reset(seed=1)
    mask = env.masks()["device_mask"]
    part = env.action.parts[0]
    assert part.mask == "device_mask" and mask.shape == (2, env.num_stations, part.n)
    for network in range(2):
        for station in range(env.num_stations):
            own = (env.cells.station[network] == station).nonzero().flatten().tolist()
            waiting = [bool(env.queue[network, device] > 0) for device in own]
            assert mask[network, station].tolist()[: 1 + len(own)] == [True, *waiting]
