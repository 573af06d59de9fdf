"""Who served whom on one network when an episode ended, for maps."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL


@dataclass(frozen=True)
class Association:
    """Places and serving stations of a network's users.

    Args:
        station_xy: east and north of the stations ``[N, 2]``, m.
        user_xy: of the users ``[U, 2]``, m.
        serving: station of each user ``[U]``; -1 for none.
        tier: number of each station's tier ``[N]``; ``None`` where there are none.
        everybody: whether ``U`` are all users of the network, in their order: of arriving users only those in service are here.
    """

    station_xy: Tensor
    user_xy: Tensor
    serving: Tensor
    tier: Tensor | None = None
    everybody: bool = True

    @staticmethod
    def of(graph: HeteroData) -> "Association | None":
        """Of an observation's first network; ``None`` where nobody knows positions, as on conflict graphs.

        A user's station is that of its edge that is ``own``; one without such an edge is served by none.
        """
        bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
        if "pos" not in bs or "pos" not in ue:
            return None
        stations, users = (_first_of(store) for store in (bs, ue))
        station, user = edges.edge_index[:, edges.own] if "own" in edges else edges.edge_index[:, :0]
        first = user < users
        serving = torch.full((users,), -1, device=user.device).scatter(0, user[first], station[first])
        there = ue.active[:users] if "active" in ue else torch.ones_like(serving, dtype=torch.bool)
        return Association(
            bs.pos[:stations, :2].cpu(),
            ue.pos[:users, :2][there].cpu(),
            serving[there].cpu(),
            bs.tier[:stations].cpu() if "tier" in bs else None,
            bool(there.all()),
        )


def _first_of(store: object) -> int:
    """Nodes of the first network."""
    batch: Tensor | None = getattr(store, "batch", None)
    return int((batch == 0).sum()) if batch is not None else int(store.pos.shape[0])  # type: ignore[attr-defined]
