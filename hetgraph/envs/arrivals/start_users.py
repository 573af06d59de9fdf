"""Users who are in service when an episode starts: stations begin at the load of their counters."""

import torch
from torch import Tensor

from hetgraph.envs.arrivals.service import Service, Users, admit
from hetgraph.envs.arrivals.table import Start, Table
from hetgraph.graph.counters import choices


def users_at_load(load: Tensor, service: Service) -> Tensor:
    """Station of each user ``[T]`` who is there at a load ``[N]``: as many as fill the nearest number of resource blocks."""
    count = (load * service.blocks / service.least_asked).round().long().clamp_max(service.places)
    return torch.arange(len(load)).repeat_interleave(count)


def users_of_stations(
    wanted: Tensor, station: Tensor, rate: Tensor, network: Tensor, uniform: Tensor, stations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Who is served by each wanted station of each network: one of those who receive it best, else of all who receive it.

    Args:
        wanted: stations ``[T]``.
        station: those that users receive, the strongest first ``[M, K]``.
        rate: of these, zero where a station does not take the user ``[M, K]``.
        network: of each user ``[M]``, one of B.
        uniform: random numbers ``[T, B]``.
        stations: N of a network.

    Returns:
        the user's row, the station's place among those that it receives, and whether there is such a user ``[T, B]`` each.
    """
    b, k = uniform.shape[1], station.shape[1]
    key = network.unsqueeze(1) * stations + station  # [M, K]
    at = torch.arange(b) * stations + wanted.unsqueeze(1)  # [T, B]
    first = torch.zeros_like(rate, dtype=torch.bool)
    first[:, 0] = True
    pair, there = torch.zeros_like(at), torch.zeros_like(at, dtype=torch.bool)
    for usable in ((rate > 0) & first, rate > 0):
        pairs = usable.flatten().nonzero().squeeze(1)
        keys, order = key.flatten()[pairs].sort(stable=True)
        begin, end = (torch.searchsorted(keys, at, right=right) for right in (False, True))
        number = begin + (uniform * (end - begin)).long()
        some = (end > begin) & ~there
        pair = torch.where(some, pairs[order][number.clamp_max(max(len(pairs) - 1, 0))] if len(pairs) else pair, pair)
        there = there | some
    return pair // k, pair % k, there


def rest_of_demand(mean: Tensor, spread: tuple[float, ...], uniform: Tensor) -> Tensor:
    """What users who are there still want ``[T, B]``: a part of a demand, all parts as likely, of random numbers ``[2, T, B]``."""
    return mean * torch.tensor(spread)[choices(uniform[0], len(spread))] * (1 - uniform[1])


def users_at_start(table: Table, service: Service) -> Users:
    """Users in service before the first slot of a table."""
    networks = table.comes.shape[1]
    users = Users.none(networks, service)
    start: Start | None = table.start
    if start is None:
        return users
    for slot, place in enumerate(start.place):
        row, at = start.table, place.unsqueeze(1)
        station = torch.where(row.comes[slot], row.station[slot].gather(1, at).squeeze(1), -1)
        rate = row.rate[slot, :, :, 0].gather(1, at).squeeze(1)
        users, _ = admit(users, station, row.demand[slot], rate, row.asked[slot])
    return users
