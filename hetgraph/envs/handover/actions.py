"""What an action of a handover environment looks like."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hetgraph.envs.action_spec import ActionSpec, Part
from hetgraph.envs.handover.graph import Sizes
from hetgraph.radio.handover import HandoverAction


def specification(sizes: Sizes, levels: int, device: torch.device) -> ActionSpec[HandoverAction]:
    """A place and a level for each user; place 0 is its own cell."""
    parts = (
        Part("place", ("B", "U"), n=sizes.places, mask="allowed"),
        Part("level", ("B", "U"), n=levels),
    )
    numbers = {"B": sizes.networks, "N": sizes.cells, "U": sizes.users}
    return ActionSpec(parts, parts, numbers, _handover_action, device=device)


def _handover_action(parts: Mapping[str, Tensor]) -> HandoverAction:
    return HandoverAction(**parts)
