"""Observations of handover environments: what a level knows, and efficiencies from the graph alone."""

from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.graph import CHANNEL, Trajectories, check
from hetgraph.graph.schema import NEIGHBOURS, Level
from hetgraph.radio.handover import HandoverRule

RULE = HandoverRule(margin_db=2.5, max_load=0.7, max_users=6)


@pytest.mark.parametrize("level", ["local", "neighbourhood", "global", "genie"])
def test_levels_of_observation(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction], level: Level
) -> None:
    env = HandoverEnv(random_walks(), 3, rule=RULE)
    env.step(random_action(env, torch.Generator().manual_seed(0)))
    obs = env.observe(level)
    check(obs, level=level)
    edges, wide = obs[CHANNEL], level in ("global", "genie")
    assert bool(edges.users[edges.own].min() > 0) and bool((edges.users[~edges.own] > 0).any()) == (level != "local")
    assert ("handover_rate" in obs) == wide and (obs[NEIGHBOURS].edge_index.shape[1] > 0) == (level != "local")
    assert bool(
        (
            edges.allowed.view(-1, 4) == (env.state.stronger if level == "local" else env.state.allowed).flatten(0, 1)
        ).all()
    )
    others = env.observe("neighbourhood")[CHANNEL]
    assert torch.equal(others.edge_index, edges.edge_index) and torch.equal(others.slot, edges.slot)
    row, index = env.state.row + (level == "genie"), env.state.links.cell
    gain = env.tables.trajectories.gain.flatten(0, 1)[row].gather(2, index)
    assert torch.equal(env.observe(level)[CHANNEL].gain.view_as(gain), gain)


def test_efficiencies_follow_from_the_graph(random_walks: Callable[..., Trajectories]) -> None:
    """Gains, powers, noise and far interference of an observation give the spectral efficiency on every edge."""
    env = HandoverEnv(random_walks(), 3, rule=RULE)
    for level in ("neighbourhood", "genie"):
        obs = env.observe(level)  # type: ignore[arg-type]
        edges, ue = obs[CHANNEL], obs["ue"]
        received = (edges.gain[:, 0] * obs["bs"].power_max_w[edges.edge_index[0]]).view(-1, 4).double()
        rest = (ue.noise_w + ue.far_interference_w).double()
        other = received.sum(1, keepdim=True) - received + rest
        expected = (1 + received / other).log2().float()
        torch.testing.assert_close(edges.spectral_efficiency.view(-1, 4), expected, rtol=1e-4, atol=1e-4)
