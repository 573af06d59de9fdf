"""What all trainings share: optimisers, falling rates, targets, options that are written once."""

import inspect
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser

from hetgraph.models import GROWS, GraphQMIX, HetGNN, HybridMADDPG, NeighbourhoodMAPPO
from hetgraph.trainers import (
    MADDQNDMADDPG,
    QMIX,
    DoubleDQN,
    IoTMAPPO,
    MAPPOModule,
    OffPolicyModule,
    OnPolicyModule,
    SupervisedModule,
)
from hetgraph.trainers.common.on_policy import clipped_gain
from hetgraph.trainers.common.optimisers import Group, optimiser_of, rate_at, set_rates

MODULES: dict[Any, Any] = {
    DoubleDQN: GROWS,
    QMIX: GraphQMIX,
    MADDQNDMADDPG: HybridMADDPG,
    IoTMAPPO: HybridMADDPG,
    MAPPOModule: NeighbourhoodMAPPO,
    SupervisedModule: HetGNN,
}


@pytest.mark.parametrize("module", MODULES, ids=lambda cls: cls.__name__)
def test_options_of_a_model_are_those_of_its_training_and_written_once(module: Any) -> None:
    own = set(inspect.signature(module).parameters)
    model = set(inspect.signature(MODULES[module]).parameters)
    assert own & model <= {"objective"}  # of HetGNN's rounds and of the loss alike
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(module, "m")
    assert {f"m.{name}" for name in model} <= {action.dest for action in parser._actions}


@pytest.mark.parametrize(("module", "base"), [
    (DoubleDQN, OffPolicyModule), (QMIX, OffPolicyModule), (MADDQNDMADDPG, OffPolicyModule),
    (IoTMAPPO, OnPolicyModule), (MAPPOModule, OnPolicyModule),
])  # fmt: skip
def test_trainings_are_of_two_kinds(module: Any, base: Any) -> None:
    assert issubclass(module, base)
    for name in ("training_step", "configure_optimizers", "validation_step", "test_step"):
        overrides = name in vars(module)
        assert not overrides or module is MAPPOModule, name  # which logs one number more


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_optimisers_step_down_a_slope(kind: Any) -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimiser = optimiser_of(Group([weight], 0.05), kind)
    for _ in range(200):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
    assert float(weight.detach().abs().max()) < 0.2


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(ValueError, match="optimiser: got 'sgd', expected 'adam' or 'rmsprop'"):
        optimiser_of(Group([torch.nn.Parameter(torch.zeros(1))], 0.1), "sgd")  # type: ignore[arg-type]


def test_rates_fall_from_each_groups_own() -> None:
    first, second = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimiser = optimiser_of(Group([{"params": [first]}, {"params": [second], "lr": 0.2}], 0.1))
    for progress, expected in ((0.0, 1.0), (0.5, 0.6), (1.0, 0.2)):
        set_rates(optimiser, rate_at(progress, 0.2))
        assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.1 * expected, 0.2 * expected])
    assert rate_at(0.5, 0.2, "cosine") == pytest.approx(0.6) and rate_at(0.25, 0.2, "cosine") > 0.8


def test_gains_are_clipped_where_the_ratio_would_take_them_further() -> None:
    ratio = torch.tensor([0.5, 0.9, 1.1, 2.0])
    for advantage, expected in ((1.0, [0.5, 0.9, 1.1, 1.2]), (-1.0, [-0.8, -0.9, -1.1, -2.0])):
        got = clipped_gain(ratio.log(), torch.zeros(4), torch.tensor(advantage), 0.2)
        assert got.tolist() == pytest.approx(expected)


def test_targets_follow_softly_or_are_copied() -> None:
    for options, expected in (({"target_every": 3}, [0.0, 0.0, 1.0, 1.0]), ({"target_every": 1}, [1.0] * 4)):
        module = DoubleDQN(**options)
        for weight in module.model.parameters():
            torch.nn.init.constant_(weight, 1.0)
        for weight in module.target.parameters():
            torch.nn.init.constant_(weight, 0.0)
        for value in expected:
            module.draws += 1
            module.follow()
            assert all(bool((weight == value).all()) for weight in module.target.parameters())


def test_a_network_without_a_graph_has_no_options_of_one() -> None:
    with pytest.raises(ValueError, match="users: got True with flat, expected False"):
        DoubleDQN(flat=3, users=True, features="full")
