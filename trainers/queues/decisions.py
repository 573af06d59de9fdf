"""What a policy decided on a network of queues, over an episode."""

from collections.abc import Iterator
from typing import Any

import torch

from hetgraph.envs import CellularEnv, QueueEnv
from hetgraph.envs.queues.delays import tail_slots
from hetgraph.envs.step import Step
from hetgraph.trainers.judge.decision_columns import Means, share_in_use, sums_of_cells, users_of_cells
from hetgraph.trainers.task import Decisions


def decisions(env: QueueEnv, steps: Iterator[tuple[Any, Step]]) -> Decisions:
    """Powers of cells and delays of users; rates in bit/s where packets have bits, powers where gains count."""
    n, u, means = env.num_stations, env.num_devices, Means()
    serving = env.cells.station[0]
    for _, step in steps:
        graph = step.info.get("final_obs", step.obs)
        ue = graph["ue"]
        if "power_w" in ue:  # conflict graphs know no powers
            power_w = sums_of_cells(ue.power_w[:u], serving, n)
            means.add(power_w=power_w, load=share_in_use(power_w, graph["bs"].rb_power_max_w[:n]))
    delays = env.delays().of_network(0)
    counted = delays.before(env.episode_slots - tail_slots(env.episode_slots))
    packets = torch.bincount(counted.device, minlength=u)
    cellular = isinstance(env, CellularEnv)
    scale = env.slot_ms if isinstance(env, CellularEnv) else 1.0
    total = torch.bincount(counted.device, counted.total, minlength=u) * scale
    left = torch.bincount(counted.device, counted.delivered.double(), minlength=u)
    users = {f"mean_delay_{env.delay_unit}": total / packets, "delivered": left / packets}
    cells = {"users": users_of_cells(serving, n)}
    if not cellular:
        return Decisions(serving, users, cells)
    seconds = 1e-3 * scale * env.episode_slots
    served = torch.bincount(delays.device, delays.delivered.double(), minlength=u)
    return Decisions(
        serving,
        {"rate_bps": served * env.packet_bits / seconds, **users},
        cells | {"load": means["load"]},
        means["power_w"],
    )
