"""Actions of IoT networks: masks, and malformed ones."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.graph import preset
from hetgraph.radio import Schedule, iot_policy
from hetgraph.radio.spectrum import spectrum_of

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


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


def leaves(state: dict[str, Any]) -> list[Tensor]:
    """Tensors and numbers of a state."""
    parts = [leaves(v) if isinstance(v, dict) else [torch.as_tensor(v)] for v in state.values()]
    return list(itertools.chain.from_iterable(parts))


def test_bad_actions_are_refused(random_action: Callable[..., Schedule]) -> None:
    env = IoTEnv(SMALL)
    good = random_action(env, torch.Generator().manual_seed(0))
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
