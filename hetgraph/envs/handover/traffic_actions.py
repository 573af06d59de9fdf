"""What an action of a world of handovers with traffic looks like."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from hetgraph.envs.action_spec import ActionSpec, Part
from hetgraph.envs.handover.graph import Sizes
from hetgraph.envs.handover.traffic_state import LONGEST_TRIGGER
from hetgraph.radio.handover import HandoverAction

Actions = Literal["offsets", "users"]
CHANGES = 3  # of an offset: down, none, up
_MOST_DB = 100.0  # of numbers that rules give, before offsets are cut


def traffic_specification(
    sizes: Sizes, levels: int, actions: Actions, device: torch.device
) -> ActionSpec[HandoverAction]:
    """Changes of the cells' offsets, or a place and a level for each user; rules may give either, and A3's parameters.

    Raises:
        ValueError: other actions.
    """
    if actions not in get_args(Actions):
        raise ValueError(f"actions: got {actions!r}, expected 'offsets' or 'users'")
    users = (
        Part("place", ("B", "U"), n=sizes.places, mask="allowed", optional=True),
        Part("level", ("B", "U"), n=levels, optional=True),
    )
    offsets = Part("offset", ("B", "N"), n=CHANGES, optional=True)
    rules = (
        Part("offset_db", ("B", "N"), "real", low=-_MOST_DB, high=_MOST_DB, optional=True),
        Part("margin_db", ("B",), "real", low=-_MOST_DB, high=_MOST_DB, optional=True),
        Part("trigger_ticks", ("B",), n=LONGEST_TRIGGER, optional=True),
    )
    parts = (offsets,) if actions == "offsets" else users
    numbers = {"B": sizes.networks, "N": sizes.cells, "U": sizes.users}
    return ActionSpec((*users, offsets, *rules), parts, numbers, _action, device=device)


def check_decides(action: Any, spec: ActionSpec[HandoverAction]) -> None:
    """Refuse an action that decides nothing, or places without levels or levels without places.

    Raises:
        ValueError: such an action.
    """
    decided = {part.name for part in spec.fields if getattr(action, part.name, None) is not None}
    if (decided & {"offset", "offset_db"} or {"place", "level"} <= decided) and len(decided & {"place", "level"}) != 1:
        return
    required = ("place", "level") if decided & {"place", "level"} or spec.parts[0].name == "place" else ("offset",)
    for part in spec.fields:
        if part.name in required:
            part.check(getattr(action, part.name, None), spec.shape(part))


def _action(parts: Mapping[str, Tensor]) -> HandoverAction:
    return HandoverAction(**parts)
