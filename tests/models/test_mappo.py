"""MAPPO's trunk: the shared encoder inside it, conflicts, levels; equal states on all paths and for any choice of networks."""

import dataclasses

import pytest
import torch
from torch import Tensor

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.models import NeighbourhoodMAPPO
from hetgraph.models.mappo_inputs import Inputs, Surroundings, inputs_of, surroundings_of
from hetgraph.models.mappo_trunks import AgentTrunk, Trunk
from hetgraph.nn import HeteroEncoder
from hetgraph.nn.channel_conv import ChannelConv
from hetgraph.nn.neighbour_conv import NeighbourConv
from hetgraph.radio import policy

KINDS = ("conflict", "cells")


def played(kind: str, envs: int = 2, slots: int = 4) -> QueueEnv:
    """An environment in which users wait."""
    conflict = kind == "conflict"
    env: QueueEnv = ConflictEnv(num_envs=envs, load=0.9) if conflict else CellularEnv("random-19", envs, load=40.0)
    env.reset(seed=3)
    rule, generator = policy("random"), torch.Generator().manual_seed(1)
    for _ in range(slots):
        obs = env.observe("local")
        env.step(rule.act(obs, rule.initial_state(obs), generator)[0])
    return env


def agents_of(**options: object) -> NeighbourhoodMAPPO:
    torch.manual_seed(0)
    return NeighbourhoodMAPPO(16, levels_db=(0.0, -6.0), **options).eval()  # type: ignore[arg-type]


def seen(env: QueueEnv) -> tuple[Inputs, Surroundings]:
    obs = env.observe("neighbourhood")
    around = surroundings_of(obs, 6)
    return inputs_of(obs, around), around


def test_actor_and_critic_hold_the_shared_encoder_unless_stations_have_weights_of_their_own() -> None:
    shared, individual = agents_of(), agents_of(agents=4)
    for trunk in (shared.actor, shared.critic):
        assert isinstance(trunk, Trunk) and isinstance(trunk.graph, HeteroEncoder)
        assert trunk.graph.level == shared.level
    assert isinstance(individual.actor, AgentTrunk)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_states_and_gradients_are_those_of_propagate(kind: str, hops: int) -> None:
    """Hooks on the layers make every one of them take PyG's own path."""
    inputs, around = seen(played(kind))
    trunk = agents_of(hops=hops).actor
    layers = [layer for layer in trunk.modules() if isinstance(layer, ChannelConv | NeighbourConv)]
    count: list[str] = []

    def states() -> tuple[list[Tensor], list[Tensor]]:
        out = trunk(inputs.columns(), around)
        loss = sum(value.pow(2).sum() for value in out)
        used = [p for name, p in trunk.named_parameters() if kind == "conflict" or name.startswith("graph")]
        return list(out), list(torch.autograd.grad(loss, used))

    fused = states()
    for layer in layers:
        layer.register_message_forward_hook(lambda layer, args, out: count.append(type(layer).__name__))
    plain = states()
    assert len(count) == 2 * max(hops, 1) + hops + (2 if kind == "conflict" else 0)
    for ours, theirs in zip(fused[0] + fused[1], plain[0] + plain[1], strict=True):
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.detach().abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_zeroing_the_output_of_the_shared_encoder_changes_decisions(kind: str) -> None:
    env, agents = played(kind, slots=12), agents_of(overbook=True)
    with torch.no_grad():
        for weight in agents.parameters():
            weight.mul_(2)  # untrained agents prefer nobody to anybody by little
    obs = env.observe("neighbourhood")
    state = agents.initial_state(obs)
    before = agents.act(obs, state, None)[0]
    with agents.actor.graph.register_forward_hook(  # type: ignore[union-attr,operator]
        lambda module, args, states: {store: torch.zeros_like(value) for store, value in states.items()}
    ):
        blind = agents.act(obs, state, None)[0]
    assert before.airtime is not None and blind.airtime is not None
    assert not torch.equal(before.airtime, blind.airtime) or not torch.equal(before.power_w, blind.power_w)
    assert torch.equal(agents.act(obs, state, None)[0].power_w, before.power_w)


@pytest.mark.parametrize("which", ["actor", "critic"])
def test_no_station_knows_of_conflicts_beyond_its_neighbours(which: str) -> None:
    """On the ring of four, the third station is no neighbour of the first, but conflicts with those that are."""
    inputs, around = seen(played("conflict", 1))
    trunk, cells = getattr(agents_of(), which), around.cells
    assert cells.neighbours[0, 0].tolist() == [False, True, False, True]
    device, station = trunk(inputs.columns(), around)
    own = cells.station[0] == 0
    for other, moves in ((2, False), (1, True)):
        queue = torch.where(cells.station == other, inputs.queue + 3, inputs.queue)
        wide = inputs.device + (queue - inputs.queue).unsqueeze(2)
        after = trunk(dataclasses.replace(inputs, device=wide).columns(), around)
        assert torch.equal(after[0][own], device[own]) is not moves
        assert torch.equal(after[1][0, 0], station[0, 0]) is not moves
        assert not torch.equal(after[1][0, other], station[0, other])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("individual", [False, True])
def test_some_networks_have_the_states_that_they_have_among_all(kind: str, individual: bool) -> None:
    env = played(kind, 3)
    inputs, around = seen(env)
    trunk = agents_of(agents=individual * env.num_stations).actor
    device, station = trunk(inputs.columns(), around)
    rows = torch.tensor([2, 0, 2])
    some = trunk(inputs.select(rows).columns(), around.select(rows))
    torch.testing.assert_close(some[0], device.unflatten(0, (3, -1))[rows].flatten(0, 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(some[1], station[rows], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(station[0], station[1])


def test_values_of_devices_by_station_come_back_in_their_order() -> None:
    cells = played("cells").cells
    value = torch.rand(*cells.station.shape, 3)
    assert torch.equal(cells.spread(cells.gather(value)), value)


def test_more_resource_blocks_than_the_agents_know_are_refused() -> None:
    env, agents = CellularEnv("random-19", 1), NeighbourhoodMAPPO(8, blocks=2)
    obs, _ = env.reset()
    with pytest.raises(ValueError, match="blocks: got 3 resource blocks, expected at most 2"):
        agents.act(obs, agents.initial_state(obs), None)


def decisive(**options: object) -> NeighbourhoodMAPPO:
    """Agents whose probabilities differ from each other."""
    agents = agents_of(**options).requires_grad_(False)
    for weight in agents.parameters():
        weight.mul_(2)
    return agents


def waiting(inputs: Inputs, around: Surroundings) -> Tensor:
    """Places of stations where a device with packets is ``[B, N, D]``."""
    waits = torch.cat([inputs.queue.flatten() > 0, torch.zeros(1, dtype=torch.bool)])
    return waits[around.table].reshape(around.cells.mask.shape)


@pytest.mark.parametrize("agents", [0, 19])
@pytest.mark.parametrize("autoregressive", [True, False])
def test_blocks_are_conditioned_on_those_before_only_with_autoregression(autoregressive: bool, agents: int) -> None:
    """Independent choices: p(a, b) p(a', b') = p(a, b') p(a', b) for every pair of choices on two blocks."""
    inputs, around = seen(played("cells", slots=12))
    policy = decisive(overbook=True, autoregressive=autoregressive, agents=agents)
    memory = policy.initial_memory(around)
    first_device = waiting(inputs, around)[..., 0].long()  # at the highest level; nobody where it has no packets
    nobody = torch.zeros_like(first_device)
    assert int(first_device.sum()) > 2

    def log_prob(first: Tensor, second: Tensor) -> Tensor:
        taken = torch.stack([first, second, nobody], 2)
        return policy.decide(inputs, around, memory, taken=taken).log_prob.double()

    straight = log_prob(first_device, first_device) + log_prob(nobody, nobody)
    crossed = log_prob(first_device, nobody) + log_prob(nobody, first_device)
    assert bool(((straight - crossed).abs() < 1e-3).all()) is not autoregressive


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("overbook", [True, False])
def test_devices_without_packets_get_nothing_without_autoregression(kind: str, overbook: bool) -> None:
    inputs, around = seen(played(kind, slots=3))
    policy = decisive(overbook=overbook, autoregressive=False)
    assert bool((inputs.queue == 0).any())
    waits = waiting(inputs, around)
    allowed = torch.cat([torch.ones_like(waits[..., :1]), waits.repeat_interleave(policy.levels, 2)], 2)
    memory, generator = policy.initial_memory(around), torch.Generator().manual_seed(0)
    for _ in range(20):
        drawn = policy.decide(inputs, around, memory, generator=generator)
        assert bool(allowed.gather(2, drawn.choice).all())
        assert bool(drawn.log_prob.isfinite().all()) and float(drawn.log_prob.min()) > -1e6
        torch.testing.assert_close(policy.decide(inputs, around, memory, taken=drawn.choice).log_prob, drawn.log_prob)
    assert bool(allowed.gather(2, policy.most_likely(inputs, around, memory[0])[0]).all())
