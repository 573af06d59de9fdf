"""Users in service: stations that share themselves among the users they took (Randall et al., Section III-A)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Demand = Literal["data", "slots"]
Share = Literal["equal", "asked"]
DONE = 1e-5  # of a unit of data


@dataclass(frozen=True)
class Service:
    """How stations serve.

    Args:
        stations: number of stations N.
        blocks: resource blocks of a station; a user is taken if as many as it asks for are free.
        least_asked: fewest resource blocks that a user asks for; a station has ``places`` for ``blocks // least_asked`` users.
        demand: what users want: an amount of ``data``, or a number of ``slots``.
        share: how a station's users share it: ``equal`` parts, or parts like the resource blocks they ``asked`` for.
        unit: of throughput, data per slot: the utility of a user is ``log(1 + throughput / unit)``.
        time_unit: slots in which a station meets as many users as one of three stations does in a slot; agents see times and
            rates in this unit, so that what they learned on three stations holds for hundreds.

    Raises:
        ValueError: a number out of its range.
    """

    stations: int
    blocks: int
    least_asked: int = 1
    demand: Demand = "data"
    share: Share = "equal"
    unit: float = 1.0
    time_unit: float = 1.0

    def __post_init__(self) -> None:
        if self.stations < 1 or not 1 <= self.least_asked <= self.blocks or self.unit <= 0:
            got = f"stations={self.stations}, blocks={self.blocks}, least_asked={self.least_asked}, unit={self.unit}"
            raise ValueError(f"Service: got {got}, expected positive numbers and no user larger than a station")

    @property
    def places(self) -> int:
        """Places C for users at a station."""
        return self.blocks // self.least_asked


@dataclass(frozen=True)
class Users:
    """Users in service in ``B`` networks, by station and place ``[B, N, C]``; free places are zero.

    Args:
        left: what they still want.
        rate: data per slot if the station were theirs alone.
        asked: resource blocks.
    """

    left: Tensor
    rate: Tensor
    asked: Tensor

    @staticmethod
    def none(networks: int, service: Service, device: torch.device | None = None) -> "Users":
        """Nobody."""
        zero = torch.zeros(networks, service.stations, service.places, device=device)
        return Users(zero, zero, zero)

    @property
    def on(self) -> Tensor:
        """Places that are taken ``[B, N, C]``."""
        return self.left > 0

    def select(self, networks: Tensor) -> "Users":
        """Some of the networks, as often as they are named."""
        return Users(self.left[networks], self.rate[networks], self.asked[networks])


@dataclass(frozen=True)
class Stations:
    """Stations as they are: what each one knows of its own users, ``[B, N]`` each.

    Args:
        users: number of users.
        free: free resource blocks.
        utility: mean utility of its users in a slot as they are now; 0 without users.
        backlog: slots that the station needs for all that its users still want (their data over their rates, summed), or the sum
            of their slots.
    """

    users: Tensor
    free: Tensor
    utility: Tensor
    backlog: Tensor


def utilities(throughput: Tensor, service: Service) -> Tensor:
    r"""Utility :math:`\log(1 + \mathrm{throughput} / \mathrm{unit})` of users in a slot, the reward of Randall et al.."""
    return (throughput / service.unit).log1p()


def stations_of(users: Users, service: Service, count: Tensor | None = None) -> Stations:
    """Sums over users, by station.

    Args:
        users: in service.
        service: how stations serve.
        count: of each station's users ``[B, N]``, when at hand.
    """
    count = users.on.sum(2, dtype=users.left.dtype) if count is None else count
    utility = utilities(throughputs(users, service, count), service).sum(2)
    work = users.left / users.rate.clamp_min(1e-9) if service.demand == "data" else users.left
    return Stations(count, service.blocks - users.asked.sum(2), utility / count.clamp_min(1), work.sum(2))


def throughputs(users: Users, service: Service, count: Tensor) -> Tensor:
    """Data per slot of each user ``[B, N, C]``; 0 where there is none.

    Args:
        users: in service.
        service: how stations serve.
        count: of each station's users ``[B, N]``.
    """
    if service.share == "equal":
        return users.rate / count.clamp_min(1).unsqueeze(2)
    return users.rate * users.asked / users.asked.sum(2, keepdim=True).clamp_min(1)


def admit(users: Users, station: Tensor, demand: Tensor, rate: Tensor, asked: Tensor) -> tuple[Users, Tensor]:
    """Take a user per network ``[B]`` where ``station`` is not -1.

    Returns:
        the users, and which of the ``N * C`` places each new one has ``[B]``: its station's first free one; -1 for none.
    """
    b, _, c = users.left.shape
    chosen, taken = station.clamp_min(0).unsqueeze(1), (station >= 0).unsqueeze(1)
    own = users.left.gather(1, chosen.unsqueeze(2).expand(b, 1, c)).squeeze(1)  # [B, C]
    place = chosen * c + (own <= 0).to(torch.uint8).argmax(1, keepdim=True)

    def write(old: Tensor, new: Tensor) -> Tensor:
        flat = old.flatten(1)
        value = torch.where(taken, new.unsqueeze(1), flat.gather(1, place))
        return flat.scatter(1, place, value).reshape(old.shape)

    users = Users(write(users.left, demand), write(users.rate, rate), write(users.asked, asked))
    return users, torch.where(taken, place, -1).squeeze(1)


def serve(users: Users, service: Service) -> tuple[Users, Tensor, Tensor]:
    r"""Serve for a slot.

    Returns:
        who is left, the utility :math:`\log(1 + \mathrm{throughput} / \mathrm{unit})` of each one ``[B, N, C]``, and how many
        left ``[B]``.
    """
    on = users.on
    throughput = throughputs(users, service, on.sum(2))
    left = users.left - (throughput if service.demand == "data" else on.to(throughput.dtype))
    stays = left > DONE
    gone = (on & ~stays).sum((1, 2))
    kept = stays.to(left.dtype)
    rest = Users(left * kept, users.rate * kept, users.asked * kept)
    return rest, utilities(throughput, service), gone
