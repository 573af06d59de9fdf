"""Actions of arrivals: malformed ones, and wishes that the rules do not allow."""

from typing import Any

import pytest
import torch

from hetgraph.envs import ArrivalEnv

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


def wishes(slots: int) -> None:
    """Wishes for full and weak stations are refused and counted; no block is given twice, no user is lost."""
    env, generator = ArrivalEnv("grows-3", 50, probability=1.0, demand=14.0, seed=6), torch.Generator().manual_seed(1)
    obs, info = env.reset()
    refused = torch.zeros(50)
    for slot in range(slots):
        came, decides = env.table.comes[env.slot], info["decides"]
        mask = env.masks()["place_mask"]
        assert bool(mask[:, -1].all()) and torch.equal(mask[:, :-1].any(1), decides)
        random = env.action.sample(generator)
        full = (~mask).to(torch.uint8).argmax(1)  # a station without room, where there is one
        action = torch.where(torch.rand(50, generator=generator) < 0.5, full, random)
        users = env.users.on.sum((1, 2))
        step = env.step(action)
        obs, info = step.obs, step.info
        bad = came & ~mask.gather(1, action.unsqueeze(1)).squeeze(1)
        assert torch.equal(info["refused"], bad)
        refused += bad
        assert bool((env.stations.free >= 0).all()) and bool(torch.isfinite(step.reward).all())
        assert bool((obs["ue"].demand >= 0).all()) and bool((step.reward >= 0).all())
        if "episode" not in info:
            more = env.users.on.sum((1, 2)) - users
            assert int(more.max()) <= 1 and bool((more[bad] <= 0).all())
        else:
            kpis = info["episode"]
            left = info["final_obs"]["bs"].users.reshape(50, 3).sum(1)
            assert torch.equal(kpis["arrivals"], kpis["rejections"] + kpis["completions"] + left), slot
    assert float(refused.min()) > 0


def test_wishes_that_the_rules_do_not_allow_are_counted() -> None:
    wishes(200)


@pytest.mark.all
def test_wishes_for_long() -> None:
    wishes(2000)  # 100,000 slots


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
