"""What a slot of an environment brings."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData


@dataclass(frozen=True)
class Step:
    """What a slot brings.

    Args:
        obs: observation after the arrivals of the next slot, a view of the state.
        reward: of each station ``[B, N]``, over its own devices and its neighbours': minus the packets that are left (eq. 9-10),
            or minus the time that packets spent there in the slot.
        terminated: networks in which a queue went over the limit ``[B]``.
        truncated: networks whose time is up ``[B]``.
        info: ``final_obs`` where a network ended: the last observation of all networks before any was reset.
    """

    obs: HeteroData
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    info: dict[str, Any]
