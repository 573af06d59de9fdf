"""States of a handover environment in a few bytes a user, and the observations that they were."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.env import HandoverEnv
from hetgraph.envs.handover.graph import Sizes, set_network, skeleton
from hetgraph.envs.handover.observe import Now, fill
from hetgraph.graph.schema import Level
from hetgraph.radio.handover import resource_rates


def remember(env: HandoverEnv) -> dict[str, Tensor]:
    """The present state of each network, 4 bytes a user: what :func:`recall` needs beside the environment's trajectories.

    Cells, levels, steps since the last handover (up to 255, far beyond what observations tell) and, as bits, which cells the
    user may ask for.
    """
    kind = torch.uint8 if env.num_cells <= 256 else torch.int16
    bits = 2 ** torch.arange(env.neighbours + 1, device=env.device)
    return {
        "network": env.network.clone(),
        "begin": env.begin.clone(),
        "step": torch.full_like(env.network, env.step_number),
        "cell": env.cell.to(kind),
        "level": env.serving_level.to(torch.uint8),
        "since": env.since.clamp_max(255).to(torch.uint8),
        "stronger": (env.now.stronger * bits).sum(2).to(torch.uint8),
        "moved": env.moved.clone(),
    }


def recall(env: HandoverEnv, rows: Mapping[str, Tensor], level: Level = "neighbourhood") -> HeteroData:
    """Observation of remembered states, any number of them, the same as it was then; the environment's own state stays.

    Args:
        env: the environment that they are of, or another one of the same trajectories and rules.
        rows: of :func:`remember`, ``n`` networks.
        level: of the observation.
    """
    network, step, cell = rows["network"], rows["step"], rows["cell"].long()
    n, k, places = len(network), env.num_cells, env.neighbours + 1
    row = env.pool.rows(network, rows["begin"] + step)
    look = env.pool.look(row, cell)
    node = look.cell + k * torch.arange(n, device=cell.device).reshape(-1, 1, 1)
    count = torch.bincount(node[..., 0].flatten(), minlength=n * k).to(look.efficiency.dtype)
    users, level_then = count[node], rows["level"].long()
    bits = 2 ** torch.arange(places, device=cell.device)
    stronger = (rows["stronger"].long().unsqueeze(2) & bits) > 0
    allowed = stronger & (users < env.rule.room)
    allowed[..., 0] = True
    served = env.pool.look(env.pool.rows(network, rows["begin"] + (step - 1).clamp_min(0)), cell).efficiency[..., 0]
    rate = resource_rates(cell, level_then, served, k, levels=env.levels, model=env.resource_model)
    now = Now(
        row=row,
        look=look,
        node=node,
        count=count.reshape(n, k),
        users=users,
        gain_db=look.biased_db - look.biased_db[..., :1],
        stronger=stronger,
        allowed=allowed,
        level=level_then,
        since=rows["since"].long(),
        log_rate=env.terms.log_rate(rate),
        moved=rows["moved"],
        step=step,
    )
    graph = skeleton(Sizes(n, k, env.num_users, places), env.device)
    env.terms.write(graph, n)
    t = env.pool.trajectories
    set_network(graph, t.bs_pos[network], t.power_w[network])
    return fill(graph, env.pool, env.terms, now, level)
