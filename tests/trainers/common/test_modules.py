"""What all trainings share: optimisers, falling rates, targets, options that are written once."""

import inspect
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from jsonargparse import ArgumentParser

from hetgraph.models import GROWS, GraphQMIX, HetGNN, HybridMADDPG, NeighbourhoodMAPPO, TrunkMADDPG
from hetgraph.trainers import (
    MADDQNDMADDPG,
    QMIX,
    ArrivalDataModule,
    DoubleDQN,
    Experience,
    MAPPOModule,
    OffPolicyModule,
    OnPolicyModule,
    ReplayBuffer,
    SupervisedModule,
    TrunkMAPPOModule,
)
from hetgraph.trainers.common.on_policy import clipped_gain
from hetgraph.trainers.common.optimisers import Group, optimiser_of, rate_at, set_rates

MODULES: dict[Any, Any] = {
    DoubleDQN: GROWS,
    QMIX: GraphQMIX,
    MADDQNDMADDPG: HybridMADDPG,
    TrunkMAPPOModule: TrunkMADDPG,
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
    (TrunkMAPPOModule, OnPolicyModule), (MAPPOModule, OnPolicyModule),
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


def test_a_network_without_a_graph_refuses_unknown_options() -> None:
    with pytest.raises(ValueError, match="width: got an option that GROWS lacks"):
        DoubleDQN(flat=3, width=[8])


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (QMIX, {"joint": 0.0}),
        (MADDQNDMADDPG, {"joint": 0.0, "power": "equal"}),
        (SupervisedModule, {"weight_utility": 0.0}),
        (SupervisedModule, {"weight_utility": 0.0, "weight_antenna": 1.0, "encoder": "no_antennas"}),
    ],
)
def test_nothing_to_learn_is_refused(module: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a loss"):
        module(**options)


class Counter(Experience[int]):
    """Rows that are the numbers of their slots."""

    def step(self) -> None:
        self.buffer.add({"slot": torch.tensor([self.env.slot])})
        self.env.slot += 1


class Slots:
    """An environment that counts."""

    slot = 0
    num_envs = 1

    def state_dict(self) -> dict[str, int]:
        return {"slot": self.slot}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.slot = state["slot"]


def counter(capacity: int, least: int = 2) -> Counter:
    return Counter(Slots(), None, ReplayBuffer(capacity), batch_size=4, slots=3, draws=5, least=least)


def test_experience_comes_between_draws() -> None:
    data = counter(100, least=7)
    drawn = list(data)
    assert len(drawn) == len(data) == data.drawn == 5
    assert data.env.slot == 7 + 4 * 3  # filled before the first draw, three more before each other one


def test_more_rows_than_the_memory_keeps_are_refused() -> None:
    with pytest.raises(ValueError, match="least: got 11 rows, expected 1 to 10"):
        counter(10, least=11)


@pytest.mark.parametrize("capacity", [10, 16])
def test_a_memory_goes_on_in_one_of_another_capacity(capacity: int) -> None:
    first = counter(10)
    first.collect(14)  # the oldest row is that of slot 4
    second = ReplayBuffer(capacity)
    second.load_state_dict(first.buffer.state_dict())
    if capacity == 10:  # in the same places, so that a resumed run draws the same rows
        assert torch.equal(second.rows["slot"], first.buffer.rows["slot"])
    second.add({"slot": torch.arange(14, 18)})
    kept = second.rows["slot"][: len(second)].tolist()
    assert sorted(kept) == list(range(18 - min(14, capacity), 18))


def test_a_full_memory_that_begins_anew_goes_on_in_a_larger_one() -> None:
    first, second = ReplayBuffer(4), ReplayBuffer(8)
    first.add({"slot": torch.arange(4)})  # full: the next row goes to the first place
    second.load_state_dict(first.state_dict())
    second.add({"slot": torch.tensor([4, 5])})
    assert second.rows["slot"][: len(second)].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_data_module_makes_new_experience_for_another_module(tmp_path: Path) -> None:
    data = ArrivalDataModule(num_envs=4, draws=2, least=10, val_episodes=2)
    for number in range(2):
        module = DoubleDQN()
        trainer = lightning.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path / str(number),
        )  # fmt: skip
        trainer.fit(module, data)
        assert data.train_data.policy is module.model
