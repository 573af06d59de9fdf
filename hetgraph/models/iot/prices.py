"""What power on a subchannel would cost the users of neighbouring stations, as these tell it."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import NEIGHBOURS
from hetgraph.models.iot.priors import urgency
from hetgraph.radio.spectrum import Spectrum

SCALE = 100.0  # of prices, before their logarithm


def prices_of_neighbours(obs: HeteroData, view: Spectrum, everyone: bool = False) -> Tensor:
    r"""Logarithmic price of each station's budget on each subchannel ``[B, N, S]``: S numbers from each of its neighbours.

    A neighbour's number is, over the users that it served on the subchannel in the slot before, the sum of what received power would
    have cost them to first order, :math:`w\,g p / (I (I + g p))` (interference pricing, Huang, Berry and Honig 2006), times their
    gains to the station; w is how urgent their bits are (:func:`~hetgraph.models.iot.priors.urgency`). It needs what its users
    report, and no more.

    Args:
        obs: observation of at least level ``neighbourhood``.
        view: its dense tables.
        everyone: every other station counts as a neighbour.
    """
    b, n, u, s = view.shape
    home = view.station.clamp_min(0)
    gain = view.gain.gather(2, home.reshape(b, u, 1, 1).expand(b, u, 1, s)).squeeze(2)
    signal_w = gain * obs["ue"].power_w.reshape(b, u, s)
    cost = urgency(view).unsqueeze(2) * signal_w / (view.interference_w * (view.interference_w + signal_w))
    near = _neighbours(obs, b, n)
    if everyone:
        near = ~torch.eye(n, dtype=torch.bool, device=home.device).expand_as(near)
    heard = near.gather(2, home.unsqueeze(1).expand(b, n, u)) & (view.station >= 0).unsqueeze(1)
    price = torch.einsum("buns,bun->bns", view.gain * cost.unsqueeze(2), heard.transpose(1, 2).to(cost.dtype))
    return (SCALE * price * view.power_max_w.unsqueeze(2) / s).log1p() / 3


def _neighbours(obs: HeteroData, b: int, n: int) -> Tensor:
    """Whether the first station hears of the second ``[B, N, N]``."""
    source, target = obs[NEIGHBOURS].edge_index
    near = torch.zeros(b * n, n, dtype=torch.bool, device=source.device)
    near[target, source % n] = True
    return near.reshape(b, n, n)
