"""Users change their cells by the rule whatever is asked, and ping-pongs are counted or forbidden."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.graph import CHANNEL, Trajectories
from hetgraph.radio.handover import HandoverRule


def own_cells(obs: HeteroData) -> Tensor:
    """Cell of each user, as a node of the batch."""
    edges = obs[CHANNEL]
    cells: Tensor = edges.edge_index[0][edges.own]
    return cells


@pytest.mark.parametrize("rule", [HandoverRule(max_users=12), HandoverRule(max_users=12, bias=True)])
@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("episodes", [1, pytest.param(4, marks=pytest.mark.all)])
def test_no_handover_below_the_margin_or_into_a_full_cell(
    random_walks: Callable[..., Trajectories],
    random_action: Callable[..., HandoverAction],
    rule: HandoverRule,
    adversarial: bool,
    episodes: int,
) -> None:
    """25,000 network-steps an episode; adversaries ask for the fullest cell that takes one, stronger or not, or for a full one."""
    b, world = 250, random_walks(10, 101, users=30, cells=6)
    env = HandoverEnv(world, b, rule=rule, steps=100, bias_db=6.0)
    small_db = torch.where(world.power_w < 10, 6.0 if rule.bias else 0.0, 0.0)
    g, moved, full = torch.Generator().manual_seed(2), 0, 0
    for t in range(100 * episodes):
        cell, state, network = env.users.cell, env.state, env.network
        action = random_action(env, g)
        if adversarial:
            crowd = state.users + torch.rand(state.users.shape, generator=g)
            shy = torch.rand(b, 30, 1, generator=g) < 0.9
            action = replace(action, place=crowd.masked_fill(shy & (state.users >= rule.room), 0).argmax(2))
        received = world.gain[network, t % 100] * world.power_w[network].unsqueeze(1)
        power_dbm = 10 * received.log10() + small_db[network].unsqueeze(1)
        before = torch.nn.functional.one_hot(cell, 6).sum(1)
        end, last = env.step(action), t % 100 == 99
        after = own_cells(end.info["final_obs"]).view(b, -1) % 6 if last else env.users.cell
        went = after != cell
        gain = (power_dbm.gather(2, after.unsqueeze(2)) - power_dbm.gather(2, cell.unsqueeze(2))).squeeze(2)
        assert bool((gain[went] >= rule.margin_db - 1e-4).all())
        joined = (torch.nn.functional.one_hot(after, 6) * went.unsqueeze(2)).sum(1)
        # A cell takes a user while its load, that of the step's beginning and those taken before, is at most the cap.
        assert bool((before + joined - 1)[joined > 0].le(rule.max_load * rule.max_users + 1e-6).all())
        share = env.users.rate / env.state.links.efficiency[..., 0]  # of the cell's time
        given = torch.zeros(b, 6).scatter_add(1, env.users.cell, share)
        if not last:
            torch.testing.assert_close(given, (env.state.count > 0).float(), rtol=0, atol=1e-4)
        assert bool(env.users.rate.isfinite().all()) and bool(end.reward.isfinite().all())
        moved, full = moved + int(went.sum()), full + int((before >= rule.room).sum())
    assert moved > 2000 and full > 100


def test_users_without_a_way_back(random_walks: Callable[..., Trajectories]) -> None:
    """Ping-pongs can be counted or forbidden."""
    world = random_walks(2)
    gain = torch.full_like(world.gain, 1e-10)
    gain[:, ::2, :, 0] = gain[:, 1::2, :, 1] = 1e-9
    world = replace(
        world, gain=gain[:, :, :4], **{n: getattr(world, n)[:, :, :4] for n in ("ue_pos", "speed_mps", "measured")}
    )
    rates = []
    for forbid in (False, True):
        env = HandoverEnv(world, 2, forbid_ping_pong=forbid, steps=20)
        for _ in range(20):
            best = env.state.links.received_db.argmax(2)
            step = env.step(HandoverAction(best, torch.zeros_like(best)))
        rates.append((step.info["episode"]["ping_pong_rate"], step.info["episode"]["handover_rate"]))
    assert bool((rates[0][0] == 18 / 20).all()) and bool((rates[0][1] == 19 / 20).all())
    assert bool((rates[1][0] == 0).all()) and bool((rates[1][1] > 0).all())
