"""Cells that choose their offsets: they know their neighbourhood alone, and move offsets by what they expect of changes."""

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverTrafficEnv
from hetgraph.graph import Flows, roaming
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import NEIGHBOURS
from hetgraph.models import OffsetQMIX, load, save
from hetgraph.models.offset_qmix import BESIDE

CELLS = 50


@pytest.fixture(scope="module")
def env() -> HandoverTrafficEnv:
    """More cells than hear all of each other, after some seconds of much traffic."""
    made = HandoverTrafficEnv(roaming(CELLS, 150, "handover-traffic"), 2, steps=20, flows=Flows(load_bps=8e6))
    for seed in range(3):
        made.step(made.action.sample(torch.Generator().manual_seed(seed)))
    return made


def agents(**options: object) -> OffsetQMIX:
    torch.manual_seed(0)
    made = OffsetQMIX(16, **options).eval()  # type: ignore[arg-type]
    made.spread.fill_(0.05)  # about that of new weights, so that changes differ
    return made


@pytest.mark.parametrize("hops", [0, 1])
def test_a_decision_keeps_its_bits_whatever_is_outside_the_view(hops: int, env: HandoverTrafficEnv) -> None:
    policy = agents(hops=hops)
    graph = env.observe(policy.level).clone()
    if hops:
        assert graph[NEIGHBOURS].edge_index.shape[1] < 2 * CELLS * (CELLS - 1)
    before, changed = policy.act(graph, None, None)[0].offset_db, False
    assert before is not None
    for station in (0, 3, 20, 49, 51):
        noisy = canary(graph, policy.level, station, torch.Generator().manual_seed(station))
        noisy["bs"].offset_db = graph["bs"].offset_db  # the sum of both would hide the change
        after = policy.act(noisy, None, None)[0].offset_db
        assert after is not None and after.flatten()[station] == before.flatten()[station]
        changed |= not torch.equal(after, before)
    assert changed


def test_a_batch_decides_as_its_networks_do_alone(env: HandoverTrafficEnv) -> None:
    policy, both = agents(), env.observe("neighbourhood")
    offsets = policy.act(both, None, None)[0].offset_db
    assert offsets is not None and float(offsets.std()) > 0
    for number in range(2):
        rows = {name: value[number : number + 1] for name, value in env.pack().items()}
        alone: HeteroData = env.unpack(rows, "neighbourhood")
        found = policy.act(alone, None, None)[0].offset_db
        torch.testing.assert_close(found, offsets[number : number + 1], atol=1e-5, rtol=0)


def test_offsets_move_by_the_expected_change(env: HandoverTrafficEnv) -> None:
    policy, obs = agents(step_db=2.0, margin_db=0.7, trigger_ticks=2), env.observe("neighbourhood")
    values, old = policy(obs), obs["bs"].offset_db.view(2, CELLS)
    action = policy.act(obs, None, None)[0]
    for b, n in ((0, 0), (1, 7), (1, 49)):
        weights = [float((v / (1.0 * 0.05)).exp()) for v in values.value[b, n].detach().double()]
        expected = 2.0 * (weights[2] - weights[0]) / sum(weights)
        assert float(action.offset_db[b, n] - old[b, n]) == pytest.approx(expected, abs=1e-4)
    assert action.margin_db.tolist() == pytest.approx([0.7] * 2) and action.trigger_ticks.tolist() == [2, 2]
    hard = agents(softness=0.0)
    change = (hard.act(obs, None, None)[0].offset_db - old) / hard.step_db
    torch.testing.assert_close(change, (hard(obs).best() - 1.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mixing", ["qmix", "vdn"])
def test_the_joint_value_never_falls_with_an_agents(mixing: str, env: HandoverTrafficEnv) -> None:
    policy = agents(mixing=mixing)
    values, beside = policy(env.observe("neighbourhood")), torch.randn(2, BESIDE)
    values.value.retain_grad()
    change = torch.randint(3, (2, CELLS), generator=torch.Generator().manual_seed(1))
    policy.joint(values, change, beside).sum().backward()
    slope = values.value.grad
    assert slope is not None
    chosen = slope.gather(2, change.unsqueeze(2))
    assert bool((chosen >= 0).all()) and bool((chosen > 0).any())
    torch.testing.assert_close(slope.sum(), chosen.sum())


def test_with_weights_of_zero_offsets_stay(env: HandoverTrafficEnv) -> None:
    policy, obs = agents(), env.observe("neighbourhood")
    with torch.no_grad():
        for weight in policy.parameters():
            weight.zero_()
    torch.testing.assert_close(policy.act(obs, None, None)[0].offset_db, obs["bs"].offset_db.view(2, CELLS))


def test_a_file_brings_back_the_same_decisions(env: HandoverTrafficEnv, tmp_path: object) -> None:
    policy, obs = agents(), env.observe("neighbourhood")
    path = f"{tmp_path}/agents.ckpt"
    save(policy, path)
    again = load(path)
    assert torch.equal(again.act(obs, None, None)[0].offset_db, policy.act(obs, None, None)[0].offset_db)


def test_options_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^mixing: got 'mean', expected one of qmix, vdn, independent$"):
        OffsetQMIX(mixing="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^softness: got -1, expected a finite number of 0 or more$"):
        OffsetQMIX(softness=-1)
