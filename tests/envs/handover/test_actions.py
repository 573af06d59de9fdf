"""Handover actions: places that are not allowed, malformed ones, and short integers."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.graph import Trajectories
from hetgraph.radio.handover import HandoverRule

RULE = HandoverRule(margin_db=2.5, max_load=0.7, max_users=6)


def test_places_that_are_not_allowed_are_refused_and_counted(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction]
) -> None:
    env = HandoverEnv(random_walks(), 3, rule=RULE)
    action = random_action(env, torch.Generator().manual_seed(0))
    want = (~env.state.allowed.gather(2, action.place.unsqueeze(2))).sum((1, 2))
    assert torch.equal(env.step(action).info["refused"], want) and int(want.min()) > 0


def test_malformed_actions_raise_one_sentence_and_change_nothing(random_walks: Callable[..., Trajectories]) -> None:
    env = HandoverEnv(random_walks(), 2, rule=RULE)
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


def test_an_action_of_short_integers_is_one_and_nobody_writes_into_it(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction]
) -> None:
    env, twin, g = (
        HandoverEnv(random_walks(), 2, rule=RULE),
        HandoverEnv(random_walks(), 2, rule=RULE),
        torch.Generator(),
    )
    action = random_action(env, g.manual_seed(3))
    short = HandoverAction(action.place.int(), action.level.int())
    assert torch.equal(env.step(action).reward, twin.step(short).reward)
    action.level.fill_(99)
    assert int(env.observe("global")["ue"].level.max()) < 5 and twin.observe("global")["ue"].level.dtype == torch.long
    assert torch.equal(env.step(random_action(env, g)).obs["ue"].level, env.users.level.flatten())
