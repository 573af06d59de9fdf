"""What an action of an IoT network looks like."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hetgraph.envs.action_spec import ActionSpec, Part
from hetgraph.envs.iot.networks import Sizes
from hetgraph.radio.schedule import Schedule

STATIONS, USERS = "station_mask", "user_mask"


def schedules(sizes: Sizes, networks: int, device: torch.device) -> ActionSpec[Schedule]:
    """Schedules of ``networks`` networks; -1 is the first choice, for no station and for a free layer."""
    cluster = ("B", "N", "S", "L")
    parts = (
        Part("station", ("B", "U"), n=sizes.stations + 1, first=-1, mask=STATIONS),
        Part("user", cluster, n=sizes.users + 1, first=-1, mask=USERS),
        Part("power", cluster, "real", high=1.0),
    )
    numbers = {
        "B": networks,
        "N": sizes.stations,
        "U": sizes.users,
        "S": sizes.subchannels,
        "L": sizes.layers,
    }
    return ActionSpec(parts, parts, numbers, _schedule, device=device)


def _schedule(parts: Mapping[str, Tensor]) -> Schedule:
    return Schedule(**parts)


def masks(ready: Tensor, active: Tensor, may_serve: Tensor | None, stations: int) -> dict[str, Tensor]:
    """``station_mask [B, U, N + 1]`` and ``user_mask [B, 1, 1, 1, U + 1]``: which choices are of use.

    Args:
        ready: users that have something to receive ``[B, U]``.
        active: users that are there ``[B, U]``.
        may_serve: which stations may serve a user ``[B, U, N]``; ``None`` for all.
        stations: number N.
    """
    any_of = active.unsqueeze(2).expand(-1, -1, stations)
    station = torch.cat([torch.ones_like(any_of[..., :1]), any_of if may_serve is None else any_of & may_serve], 2)
    user = torch.cat([torch.ones_like(ready[:, :1]), ready], 1).reshape(len(ready), 1, 1, 1, -1)
    return {STATIONS: station, USERS: user}
