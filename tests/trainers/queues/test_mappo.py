"""MAPPO: advantages, sequences, what agents can see, training that resumes bit-equal."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.models import NeighbourhoodMAPPO
from hetgraph.models.mappo_inputs import Inputs, inputs_of, surroundings_of
from hetgraph.nn.agents import AgentGRU, AgentLinear, AgentLSTM
from hetgraph.trainers import MAPPOModule, TrafficDataModule, gae
from hetgraph.trainers.common.random_state import RandomState
from hetgraph.trainers.queues.rollouts import RolloutDataset


def test_advantages_against_the_sum_they_stand_for() -> None:
    generator = torch.Generator().manual_seed(0)
    reward, value, after = (torch.randn(9, 4, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    done = torch.rand(9, 4, 1, generator=generator) < 0.3
    terminated = done & (torch.rand(9, 4, 1, generator=generator) < 0.5)
    found = gae(reward, value, after, done=done, terminated=terminated, gamma=0.9, lam=0.8)
    for b in range(4):
        for n in range(3):
            for t in range(9):
                total, weight = 0.0, 1.0
                for later in range(t, 9):
                    bootstrap = 0.0 if bool(terminated[later, b, 0]) else 0.9 * float(after[later, b, n])
                    total += weight * (float(reward[later, b, n]) + bootstrap - float(value[later, b, n]))
                    weight *= 0.9 * 0.8
                    if bool(done[later, b, 0]):
                        break
                assert float(found[t, b, n]) == pytest.approx(total, abs=1e-12)


def test_advantages_refuse_what_does_not_fit() -> None:
    ones, yes, no = torch.ones(3, 2), torch.ones(3, 2, dtype=torch.bool), torch.zeros(3, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="expected one shape"):
        gae(ones, ones[:2], ones, done=no, terminated=no, gamma=0.9, lam=0.9)
    with pytest.raises(ValueError, match="terminated steps among the done ones"):
        gae(ones, ones, ones, done=no, terminated=yes, gamma=0.9, lam=0.9)


def test_own_weights_are_one_layer_per_agent() -> None:
    torch.random.manual_seed(0)
    layer, cell = AgentLinear(5, 4, agents=3), AgentGRU(4, agents=3)
    value, memory = torch.randn(2, 3, 6, 5), torch.randn(2, 3, 4)
    out = layer(value)
    for agent in range(3):
        expected = torch.nn.functional.linear(value[:, agent], layer.weight[agent], layer.bias[agent])  # type: ignore[index]
        torch.testing.assert_close(out[:, agent], expected)
    one = torch.nn.GRUCell(4, 4)
    for agent in range(3):
        one.weight_ih.data, one.bias_ih.data = cell.entry.weight[agent].data, cell.entry.bias[agent].data  # type: ignore[index]
        one.weight_hh.data, one.bias_hh.data = cell.past.weight[agent].data, cell.past.bias[agent].data  # type: ignore[index]
        expected = one(value[:, agent, 0, :4], memory[:, agent])
        torch.testing.assert_close(cell(value[:, :, 0, :4], memory)[:, agent], expected)


def test_long_short_term_memory_is_torchs() -> None:
    torch.random.manual_seed(0)
    cell, one = AgentLSTM(4, agents=3), torch.nn.LSTMCell(4, 4)
    value, memory = torch.randn(2, 3, 4), torch.randn(2, 3, 8)
    out = cell(value, memory)
    for agent in range(3):
        one.weight_ih.data, one.bias_ih.data = cell.entry.weight[agent].data, cell.entry.bias[agent].data  # type: ignore[index]
        one.weight_hh.data, one.bias_hh.data = cell.past.weight[agent].data, cell.past.bias[agent].data  # type: ignore[index]
        expected = torch.cat(one(value[:, agent], memory[:, agent].chunk(2, -1)), -1)
        torch.testing.assert_close(out[:, agent], expected)
    assert torch.equal(cell.output(out), out[..., :4])


def make(kind: str, envs: int, **options: Any) -> QueueEnv:
    if kind == "conflict":
        return ConflictEnv(num_envs=envs, load=0.6, seed=1, **options)
    return CellularEnv("random-19", envs, load=25.0, seed=1, **options)


def policy_of(kind: str, **options: Any) -> NeighbourhoodMAPPO:
    torch.random.manual_seed(2)
    levels = (0.0,) if kind == "conflict" else (0.0, -5.75, -23.0)
    return NeighbourhoodMAPPO(hidden=16, levels_db=levels, **options)


@pytest.mark.parametrize("kind", ["conflict", "cellular"])
@pytest.mark.parametrize(("agents", "recurrence"), [(0, "gru"), (1, "gru"), (0, "lstm"), (1, "lstm")])
def test_a_sequence_is_judged_as_it_was_decided(kind: str, agents: int, recurrence: str) -> None:
    env = make(kind, 3, episode_slots=4, max_queue=3.0)
    policy = policy_of(kind, agents=agents * env.num_stations, recurrence=recurrence)
    rollout = RolloutDataset(env, policy, 30, 1).batch()
    assert bool(rollout.terminated.any()) and bool((rollout.done & ~rollout.terminated).any())
    again = policy.decide(
        rollout.inputs,
        rollout.around.select(torch.arange(3).repeat(30)),
        rollout.memory,
        taken=rollout.choice.flatten(0, 1),
        ended=rollout.done,
    )
    torch.testing.assert_close(again.log_prob.detach(), rollout.log_prob.flatten(0, 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again.value.detach(), rollout.value.flatten(0, 1), rtol=1e-4, atol=1e-5)


def test_values_after_an_end_are_those_of_the_last_observation() -> None:
    env = make("conflict", 2, episode_slots=3)
    policy = policy_of("conflict", recurrence="none")
    rollout = RolloutDataset(env, policy, 7, 1).batch()
    inside = ~rollout.done[:-1]
    assert torch.equal(rollout.next_value[:-1][inside], rollout.value[1:][inside])
    assert not torch.equal(rollout.next_value[:-1][~inside], rollout.value[1:][~inside])


@pytest.mark.parametrize("kind", ["conflict", "cellular"])
def test_probabilities_are_those_of_one_joint_distribution(kind: str) -> None:
    env = make(kind, 1)
    policy = policy_of(kind, recurrence="none")
    obs, _ = env.reset(seed=2)
    around = surroundings_of(obs, 6)
    inputs = inputs_of(obs, around)
    count = 1 + around.cells.shape[3] * policy.levels
    grid = torch.cartesian_prod(*(torch.arange(count),) * 3)  # every joint action of a station
    station = 0 if kind == "conflict" else int(around.cells.mask[0].sum(1).argmin())
    taken = torch.zeros(len(grid), around.cells.shape[1], 3, dtype=torch.long)
    taken[:, station] = grid
    many = torch.zeros(len(grid), dtype=torch.long)
    found = policy.decide(
        inputs.select(many),
        around.select(many),
        policy.initial_memory(around).expand(2, len(grid), -1, -1),
        taken=taken,
    )
    total = found.log_prob[:, station].exp().sum()
    assert float(total.detach()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("hops", [1, 2])
def test_nobody_sees_further_than_the_hops_or_into_the_present(hops: int) -> None:
    env = CellularEnv("hex-19", 1, load=25.0, seed=3)
    policy = policy_of("cellular", hops=hops)
    obs, _ = env.reset()
    around = surroundings_of(obs, 6)
    near = around.cells.neighbours[0] | torch.eye(19, dtype=torch.bool)
    reach = near
    for _ in range(hops - 1):
        reach = (reach.float() @ near.float()) > 0
    memory = policy.initial_memory(around)

    def logits() -> Tensor:
        inputs = inputs_of(env.observe("neighbourhood"), around)
        device, station = policy.actor(inputs.columns(), around)
        return policy._blocks(device, station, inputs, around).logits().detach()[0]

    before = logits()
    for gain in env._gains:
        gain.mul_(5)
    assert torch.equal(logits(), before), "current gains are no one's to see"
    far = int((~reach).sum(1).argmax())
    foreign = (~reach[far]).nonzero().flatten()
    assert len(foreign)
    env.queue[:, torch.isin(env.cells.station[0], foreign)] += 7
    env._reports["own_gain"][:, torch.isin(env.cells.station[0], foreign)] *= 3
    after = logits()
    assert torch.equal(after[far], before[far]) and not torch.equal(after[foreign], before[foreign])
    assert memory.shape == (2, 1, 19, 16)


def test_devices_in_another_order_get_the_same_probabilities() -> None:
    env = CellularEnv("hex-19:rings=1", 1, load=25.0, seed=3)
    policy = policy_of("cellular")
    obs, _ = env.reset()
    around = surroundings_of(obs, 6)
    inputs = inputs_of(obs, around)
    order = torch.tensor([2, 0, 1])
    users = around.cells.device[0][:, order].flatten()[around.cells.device[0].flatten().argsort()]
    assert inputs.block is not None
    turned = Inputs(
        inputs.device[:, users], inputs.block[:, :, users], inputs.queue[:, users], inputs.room[:, :, users]
    )
    values = []
    for seen in (inputs, turned):
        device, station = policy.actor(seen.columns(), around)
        blocks = policy._blocks(device, station, seen, around)
        blocks.place = 1
        values.append(blocks.logits()[..., 1:])
    first = values[0].reshape(1, 7, 3, 3)[:, :, order].flatten(2)
    torch.testing.assert_close(values[1], first)


class StopAfterTheFirstEpoch(lightning.Callback):
    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.should_stop = True


def trainer(folder: Path, epochs: int, *callbacks: lightning.Callback, **options: Any) -> lightning.Trainer:
    return lightning.Trainer(
        **options, max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, default_root_dir=folder,
        callbacks=[ModelCheckpoint(folder, save_last=True, enable_version_counter=False), RandomState(), *callbacks],
    )  # fmt: skip


def data(**options: Any) -> TrafficDataModule:
    sizes = {"num_envs": 16, "slots": 8, "rollouts": 3, "val_slots": 60, "val_envs": 2, "episode_slots": 20}
    return TrafficDataModule(**{**sizes, "load": 0.3, **options})


def module(**options: Any) -> MAPPOModule:
    lightning.seed_everything(0, verbose=False)
    return MAPPOModule(**{"hidden": 8, "sequence": 4, **options})


class Layouts(lightning.Callback):
    """Large-scale gains that each epoch was trained on."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        env = trainer.datamodule.train_data.env  # type: ignore[attr-defined]
        self.seen.append(env._large.clone())


FRESH = {"scenario": "random-19", "load": 25.0, "num_envs": 4, "layouts": 4, "fresh": True, "reward": "delay"}


@pytest.mark.parametrize("fresh", [False, True])
def test_a_resumed_run_ends_bit_equal(tmp_path: Path, fresh: bool) -> None:
    options = FRESH if fresh else {}
    every = {"reload_dataloaders_every_n_epochs": int(fresh)}
    whole = module()
    trainer(tmp_path / "whole", 2, **every).fit(whole, datamodule=data(**options))
    half = module()
    trainer(tmp_path / "half", 2, StopAfterTheFirstEpoch(), **every).fit(half, datamodule=data(**options))
    rest = module()
    trainer(tmp_path / "half", 2, **every).fit(
        rest, datamodule=data(**options), ckpt_path=tmp_path / "half" / "last.ckpt", weights_only=True
    )
    one, other = whole.state_dict(), rest.state_dict()
    assert any(not torch.equal(one[name], value) for name, value in half.state_dict().items())
    assert all(torch.equal(one[name], value) for name, value in other.items())


def test_every_epoch_has_fresh_layouts_where_asked(tmp_path: Path) -> None:
    layouts = Layouts()
    trainer(tmp_path, 3, layouts, reload_dataloaders_every_n_epochs=1).fit(module(), datamodule=data(**FRESH))
    networks = torch.cat(layouts.seen)
    assert len(networks) == 12 and len(torch.unique(networks, dim=0)) == 12
    with pytest.raises(ValueError, match="reload_dataloaders_every_n_epochs: got 0, expected 1"):
        trainer(tmp_path, 1).fit(module(), datamodule=data(**FRESH))


def test_training_shortens_queues(tmp_path: Path) -> None:
    student = module(recurrence="none", hidden=32, lr=1e-3)
    many = TrafficDataModule(num_envs=128, slots=16, rollouts=25, val_slots=300, val_envs=4, load=0.3)
    run = trainer(tmp_path, 1)
    (before,) = run.validate(student, datamodule=many, verbose=False)
    run.fit(student, datamodule=many)
    (after,) = run.validate(student, datamodule=many, verbose=False)
    assert after["val/mean-0.3"] < 1.5 < before["val/mean-0.3"]
    env, policy = make("conflict", 4), student.model.eval()
    env.reset(seed=5)
    changed = decided = 0
    for _ in range(20):
        obs = env.observe(policy.level)
        state = policy.initial_state(obs)
        action, _ = policy.act(obs, state, None)
        with policy.actor.graph.register_forward_hook(without):  # type: ignore[union-attr,operator]
            blind, _ = policy.act(obs, state, None)
        assert action.airtime is not None and blind.airtime is not None
        changed += int((action.airtime != blind.airtime).any(1).sum())
        decided += int((action.airtime > 0).any(1).sum())
        env.step(action)
    assert changed > 0.1 * decided > 0, "the encoder's output decides"


def without(module: torch.nn.Module, args: object, states: dict[str, Tensor]) -> dict[str, Tensor]:
    """States of zeros in place of what the encoder found."""
    return {store: torch.zeros_like(state) for store, state in states.items()}
