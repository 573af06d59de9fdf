"""What a policy decided on an IoT network, over an episode."""

from collections.abc import Iterator
from typing import Any

import torch

from hetgraph.envs import IoTEnv
from hetgraph.envs.step import Step
from hetgraph.trainers.judge.decision_columns import Means, share_in_use, users_of_cells
from hetgraph.trainers.task import Decisions


def decisions(env: IoTEnv, steps: Iterator[tuple[Any, Step]]) -> Decisions:
    """Powers of cells, users' rates and the share of their bits that was served in time."""
    n, u, means = env.num_stations, env.num_users, Means()
    station = home = torch.full((u,), -1)
    served, dropped, handovers = (torch.zeros(u, dtype=torch.long) for _ in range(3))
    for _, step in steps:
        graph = step.info.get("final_obs", step.obs)
        bs, ue = graph["bs"], graph["ue"]
        station = ue.serving_slot[:u].clone()  # every station is a candidate, in order
        handovers += (station >= 0) & (home >= 0) & (station != home)
        home = torch.where(station >= 0, station, home)
        served += step.info["served_bits"][0]
        dropped += step.info["dropped_bits"][0]
        power_w = bs.power_w[:n]
        means.add(
            power=power_w,
            load=share_in_use(power_w, bs.rb_power_max_w[:n]),
            rate=ue.rate_bps[:u],
            users=users_of_cells(station, n),
        )
    share = served / (served + dropped)  # NaN for a user to whom nothing came
    users = {"rate_bps": means["rate"], "served_share": share, "handovers": handovers}
    return Decisions(station, users, {"users": means["users"], "load": means["load"]}, means["power"])
