"""Parts and specifications of actions."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from hetgraph.envs.action_spec import ActionSpec, Part


@dataclass(frozen=True)
class Pair:
    place: Tensor
    power: Tensor


SPEC: ActionSpec[Pair] = ActionSpec(
    fields=(Part("place", ("B", "U"), n=4, first=-1), Part("power", ("BN", "R"), "real", high=1.0)),
    parts=(Part("place", ("B", "U"), n=4, first=-1), Part("power", ("BN", "R"), "real", high=1.0)),
    sizes={"B": 2, "U": 5, "N": 3, "R": 2},
    build=lambda parts: Pair(**parts),
)


def good() -> dict[str, Tensor]:
    return {"place": torch.zeros(2, 5, dtype=torch.long), "power": torch.zeros(6, 2)}


def test_a_sample_is_accepted_and_fills_the_range() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = [SPEC.sample(generator) for _ in range(20)]
    for sample in samples:
        SPEC.check(sample)
    assert set(torch.cat([sample.place for sample in samples]).unique().tolist()) == {-1, 0, 1, 2}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("place", torch.zeros(2, 4, dtype=torch.long), r"action.place: got torch.int64 \(2, 4\), expected integers"),
        ("place", torch.zeros(2, 5), r"action.place: got torch.float32"),
        ("place", torch.full((2, 5), 3), r"action.place: got values from 3 to 3, expected -1..2"),
        ("place", torch.full((2, 5), -2), "got values from -2"),
        ("place", None, r"action.place: got NoneType, expected a tensor"),
        ("power", torch.full((6, 2), -0.1), r"action.power: got values from -0.1"),
        ("power", torch.full((6, 2), 1.5), "expected 0.0..1.0"),
        ("power", torch.full((6, 2), torch.nan), "got values from nan"),
        ("power", torch.full((6, 2), torch.inf), "got values from inf"),
    ],
)
def test_malformed_actions_are_refused(name: str, value: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPEC.check(Pair(**(good() | {name: value})))


def test_infinity_is_refused_without_a_limit() -> None:
    part = Part("power", ("B",), "real")
    part.check(torch.tensor([1e30]), (1,))
    with pytest.raises(ValueError, match=r"expected finite numbers of 0 or more"):
        part.check(torch.tensor([torch.inf]), (1,))


def test_one_nan_among_many_numbers_is_found() -> None:
    power = torch.rand(6, 2)
    power[3, 1] = torch.nan
    with pytest.raises(ValueError, match=r"nan"):
        SPEC.check(Pair(good()["place"], power))


def test_arrays_become_an_action() -> None:
    arrays = {"place": np.full((2, 5), 2), "power": np.full((6, 2), 0.5, np.float32)}
    action = SPEC.from_arrays(arrays)
    assert action.place.dtype == torch.long and action.power.eq(0.5).all()
    with pytest.raises(ValueError, match=r"action.power: got nothing"):
        SPEC.from_arrays({"place": arrays["place"]})
