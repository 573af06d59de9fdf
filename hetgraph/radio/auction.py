"""Clusters by demand: users ask for no more subchannels than their bits need; and the powers for these bits."""

import math

import torch
from torch import Tensor

from hetgraph.graph.tracing import holds
from hetgraph.radio.rates import LOG2E, shannon

STEPS = 14  # of the bisection, from 1e-4 to 1e2: a factor of 1.001 apart


def auction(
    bid: Tensor, bits: Tensor, need_bits: Tensor, station: Tensor, stations: int, layers: int, rounds: int = 4
) -> Tensor:
    """Users of each subchannel's cluster ``[B, N, S, L]``, -1 for a free layer.

    In each round every user asks, of the subchannels of its station on which it can still be placed, for those of its highest bids
    that would cover what it lacks; on each subchannel the highest bid wins, of equal ones the first user's. First layers are
    given before second ones. Without a limit on demand a station's best user would get all subchannels, and more than it has
    bits for.

    Args:
        bid: of users for subchannels of their own station ``[B, U, S]``.
        bits: that a subchannel would carry for a user in the slot ``[B, U, S]``.
        need_bits: that a user wants carried ``[B, U]``; nobody without takes part.
        station: station of each user ``[B, U]``; -1 for none.
        stations: number of stations N.
        layers: users L of a cluster.
        rounds: rounds for each layer.
    """
    (b, u, s), device = bid.shape, bid.device
    number = torch.arange(u, device=device).reshape(1, u, 1).expand(b, u, s)
    place = station.clamp_min(0).unsqueeze(2).expand(b, u, s)
    order = bid.argsort(2, descending=True)
    user = torch.full((b, stations, s, layers), -1, device=device)
    open_to = (station >= 0).unsqueeze(2).expand(b, u, s)
    lacks = need_bits.to(bits.dtype)
    for layer in range(layers):
        for _ in range(rounds):
            can = open_to & (user[..., layer] < 0).gather(1, place)
            sendable = (bits * can).gather(2, order)
            asks = (sendable.cumsum(2) - sendable < lacks.unsqueeze(2)) & (sendable > 0)
            if holds(~asks.any()):
                break
            asks = torch.zeros_like(asks).scatter(2, order, asks)
            wish = bid.masked_fill(~asks, -torch.inf)
            most = wish.new_full((b, stations, s), -torch.inf).scatter_reduce(1, place, wish, "amax")
            best = torch.where(asks & (wish == most.gather(1, place)), number, u)
            winner = torch.full((b, stations, s), u, device=device).scatter_reduce(1, place, best, "amin")
            won = winner.gather(1, place) == number
            user[..., layer] = torch.where(winner < u, winner, user[..., layer])
            open_to = open_to & ~won
            lacks = lacks - (bits * won).sum(2)
    return user


def needed_power(user: Tensor, sinr: Tensor, need: Tensor) -> Tensor:
    """Power of each layer, in equal parts of the budget, that carries what users need ``[B, N, S, L]``.

    A user's power over equal parts is one number for all its subchannels, at most 1: that at which their efficiencies add up to
    what it needs. Of a cluster's two or more users a weaker one gets the power for this under the layers of stronger ones.

    Args:
        user: users of clusters ``[B, N, S, L]``; -1 for a free layer.
        sinr: of each user alone on a subchannel with an equal part of the budget ``[B, U, S]``.
        need: efficiency that a user needs in sum, in bit/s/Hz of a subchannel ``[B, U]``.
    """
    s, layers = user.shape[2:]
    on, index = user >= 0, user.clamp_min(0)
    block = torch.arange(s, device=user.device).reshape(1, 1, s, 1)
    where = (index * s + block).flatten(1)
    assigned = torch.zeros_like(sinr).flatten(1).scatter_add(1, where, on.flatten(1).to(sinr.dtype)).reshape(sinr.shape)
    own = sinr * assigned
    low, high = torch.full_like(need, math.log(1e-4)), torch.full_like(need, math.log(1e2))
    for _ in range(STEPS):
        middle = (low + high) / 2
        short = shannon(middle.exp().unsqueeze(2) * own, nats=True).sum(2) < need / LOG2E
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    level = high.exp().clamp_max(1).gather(1, index.flatten(1)).reshape(user.shape) * on
    quality = sinr.flatten(1).gather(1, where).reshape(user.shape)
    rank = torch.where(on, quality, -1).argsort(dim=3, descending=True, stable=True)
    level, quality = level.gather(3, rank), quality.gather(3, rank)
    parts: list[Tensor] = []
    above = torch.zeros_like(level[..., 0])
    for layer in range(layers):
        parts.append(level[..., layer] * (1 + quality[..., layer] * above))
        above = above + parts[-1]
    return torch.zeros_like(level).scatter(3, rank, torch.stack(parts, 3)) / s
