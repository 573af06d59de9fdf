"""Actions of arrivals: malformed ones, and wishes that the rules do not allow."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import ArrivalEnv
from hetgraph.graph import CHANNEL

MALFORMED: list[tuple[Any, str]] = [
    (torch.zeros(4, dtype=torch.long), "expected integers of shape"),
    (torch.zeros(3), "got torch.float32"),
    (torch.full((3,), torch.nan), "got torch.float32"),
    (torch.tensor([0, 4, 0]), r"got values from 0 to 4, expected 0\.\.3"),
    (torch.tensor([0, -1, 0]), "got values from -1 to 0"),
    ([0, 0, 0], "got list, expected a tensor"),
]


@pytest.mark.parametrize(("action", "message"), MALFORMED)
def test_malformed_actions_change_nothing(action: Any, message: str) -> None:
    env = ArrivalEnv("grows-3", 3, seed=4)
    for _ in range(5):
        env.step(torch.zeros(3, dtype=torch.long))
    before = env.state_dict()
    with pytest.raises(ValueError, match=message):
        env.step(action)
    after = env.state_dict()
    assert all(torch.equal(torch.as_tensor(value), torch.as_tensor(after[name])) for name, value in before.items())


NETWORKS = 50
SOURCES: dict[str, tuple[Any, dict[str, Any]]] = {
    "three stations": ("grows-3", {"probability": 1.0, "demand": 14.0}),
    "a city of walking users": ("grows-city:stations=21", {"probability": 1.0}),
    "interference": ("interference-k:pairs=6", {"probability": 1.0}),
}


def actions(env: ArrivalEnv, slot: int, generator: torch.Generator) -> Tensor:
    """In turn stretches of random wishes, of one station for all, and of stations without room wherever there is one."""
    mask = env.masks()["place_mask"]
    random = env.action.sample(generator)
    full = (~mask).to(torch.uint8).argmax(1)
    one = torch.full_like(random, slot % mask.shape[1])
    mixed = torch.where(torch.rand(NETWORKS, generator=generator) < 0.5, full, random)
    return (random, one, full, mixed)[slot // 40 % 4]


def wishes(source: str, slots: int) -> None:
    """Wishes for full and weak stations are refused and counted; no block is given twice, no user is lost."""
    scenario, options = SOURCES[source]
    env, generator = ArrivalEnv(scenario, NETWORKS, seed=6, **options), torch.Generator().manual_seed(1)
    info = env.reset()[1]
    refused, taken = torch.zeros(NETWORKS), torch.zeros(NETWORKS)
    for slot in range(slots):
        came, decides = env.table.comes[env.slot], info["decides"]
        mask = env.masks()["place_mask"]
        assert bool(mask[:, -1].all()) and torch.equal(mask[:, :-1].any(1), decides)
        action = actions(env, slot, generator)
        users = env.users.on.sum((1, 2))
        step = env.step(action)
        obs, info = step.obs, step.info
        allowed = mask.gather(1, action.unsqueeze(1)).squeeze(1)
        bad = came & ~allowed
        assert torch.equal(info["refused"], bad)
        refused += bad
        taken += came & allowed & (action < mask.shape[1] - 1)
        asked = (env.users.asked * env.users.on).sum(2)
        assert torch.equal(env.stations.free, env.service.blocks - asked) and bool((env.stations.free >= 0).all())
        assert bool(torch.isfinite(step.reward).all()) and bool((step.reward >= 0).all())
        for store, name in (("ue", "demand"), (CHANNEL, "rate"), (CHANNEL, "gain")):
            assert bool(torch.isfinite(obs[store][name]).all()) and bool((obs[store][name] >= 0).all()), name
        if "episode" not in info:
            more = env.users.on.sum((1, 2)) - users
            assert int(more.max()) <= 1 and bool((more[bad] <= 0).all())
        else:
            kpis = info["episode"]
            left = info["final_obs"]["bs"].users.reshape(NETWORKS, -1).sum(1)
            assert torch.equal(kpis["arrivals"], kpis["rejections"] + kpis["completions"] + left), slot
            assert torch.equal(kpis["arrivals"] - kpis["rejections"], taken), slot
            taken.zero_()
    assert float(refused.min()) > 0


@pytest.mark.parametrize("source", SOURCES)
def test_wishes_that_the_rules_do_not_allow_are_counted(source: str) -> None:
    wishes(source, 200)


@pytest.mark.all
@pytest.mark.parametrize("source", SOURCES)
def test_wishes_for_long(source: str) -> None:
    wishes(source, 2000)  # 100,000 steps of a network


@pytest.mark.parametrize(
    ("scenario", "options", "message"),
    [
        ("grows-9", {}, "preset: got 'grows-9'"),
        ("grows-3", {"num_envs": 0}, "num_envs, first: got 0, 0"),
        ("grows-3", {"first": -1}, "num_envs, first: got 1, -1"),
        ("grows-3", {"level": "none"}, "level: got 'none'"),
        ("grows-3", {"probability": 1.5}, "probability: got 1.5"),
    ],
)
def test_what_does_not_fit_is_one_sentence(scenario: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArrivalEnv(scenario, **options)
