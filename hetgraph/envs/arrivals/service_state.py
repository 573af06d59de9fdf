"""Users in service and the one that arrives, in tensors that observations are views of."""

import torch
from torch import Tensor

from hetgraph.envs.arrivals.incoming import FAR, NOISE, RATE, ROWS, Incoming
from hetgraph.envs.arrivals.service import DONE, Service, Stations, Users, stations_of, throughputs, utilities


class UserChannels:
    """Channels of users to their candidate stations at one time.

    Args:
        real: rows of users ``[ROWS, B, U]``, see :mod:`~hetgraph.envs.arrivals.incoming`.
        edges: gain and rate ``[2, B, U, K]``.
    """

    def __init__(self, real: Tensor, edges: Tensor) -> None:
        self.real, self.edges = real, edges

    def write(self, row: Tensor, real: Tensor, edges: Tensor) -> None:
        """Write users ``[n]``, counted over all networks: ``real [ROWS, n]`` and ``edges [2, n, K]``."""
        self.real.flatten(1).index_copy_(1, row, real)
        self.edges.flatten(1, 2).index_copy_(1, row, edges)


class ServiceState:
    """The ``C`` places of each of ``N`` stations, in ``U = N C + 1`` users of whom the last one arrives.

    ``now`` has the present channels, ``reported`` those of one slot ago (of who came in between, of arrival); where nobody moves
    they are the same. Free places have zero gains, demands and blocks.

    Args:
        networks: B.
        service: how stations serve.
        links_per_user: stations K that a user hears.
        period: slots after which users who move are at the next of their places; 0 where nobody does.
        slots: slots of an episode.
        device: where the tensors are.
    """

    def __init__(
        self, networks: int, service: Service, links_per_user: int, period: int, slots: int, device: torch.device
    ) -> None:
        self.service, self.period, self.links_per_user = service, period, links_per_user
        self.shape = b, n, c = networks, service.stations, service.places
        self.arriving_user, u = n * c, n * c + 1  # the last user takes what rejected ones leave
        times = 2 if period else 1
        self._real = torch.zeros(times, ROWS, b, u, device=device)
        self._edges = torch.zeros(times, 2, b, u, links_per_user, device=device)
        self.now, self.reported = (UserChannels(self._real[i], self._edges[i]) for i in (0, times - 1))
        each = torch.arange(n, device=device).repeat_interleave(c)
        first = torch.cat([each, each.new_zeros(1)]).unsqueeze(1)
        near = (first + torch.arange(links_per_user, device=device)) % n  # free places have some stations
        self.initial = near + n * torch.arange(b, device=device).reshape(b, 1, 1)
        self.station = self.initial.clone()
        self.serving = torch.full((b, u), -1, device=device)
        self.active = torch.zeros(b, u, dtype=torch.bool, device=device)
        self.known = torch.zeros(b, u, links_per_user, dtype=torch.bool, device=device)
        self.own, self.may_serve = torch.zeros_like(self.known), torch.zeros_like(self.known)
        self.count = torch.zeros(b, n, device=device)  # of users by station
        self._present, self._ones = (
            torch.zeros(b, u, links_per_user, device=device),
            torch.ones(1, links_per_user, device=device),
        )
        self.bs = torch.zeros(4, b, n, device=device)
        self.since = torch.full((b, u), -1, device=device)
        self.log = torch.zeros(slots if period else 0, b, dtype=torch.long, device=device)
        self._base, self._places = (
            u * torch.arange(b, device=device).unsqueeze(1),
            torch.arange(links_per_user, device=device),
        )
        self._bind()

    def _bind(self) -> None:
        """Users in service as views ``[B, N, C]``."""
        left, asked, rate = (row[:, :-1].view(self.shape) for row in self.now.real[:3])
        self.users = Users(left, rate, asked)

    @property
    def links(self) -> tuple[UserChannels, ...]:
        """Present and reported channels, once if they are one."""
        return (self.now, self.reported) if self.period else (self.now,)

    def clear(self, noise_w: Tensor) -> None:
        """Nobody is there; free places have a noise ``[B]``, W."""
        self._real.zero_()
        self._edges.zero_()
        self._real[:, NOISE] = noise_w.unsqueeze(1)
        self.station.copy_(self.initial)
        self.serving.fill_(-1)
        self.since.fill_(-1)
        for value in (self.count, self.active, self.known, self.own, self.may_serve, self.log):
            value.zero_()

    def admit(self, slot: int, incoming: Incoming, place: Tensor, taken: Tensor) -> None:
        """A user of each network takes the first free place of a station, where it is taken.

        Args:
            slot: in which they came.
            incoming: arrivals.
            place: place of its station among those that it hears ``[B, 1]``.
            taken: by which network's station ``[B, 1]``.
        """
        (b, _, c), k = self.shape, self.links_per_user
        station = incoming.station[slot].gather(1, place)
        own = self.users.left.gather(1, station.unsqueeze(2).expand(b, 1, c)).squeeze(1)
        user = station * c + (own <= 0).to(torch.uint8).argmax(1, keepdim=True)
        user = torch.where(taken, user, self.arriving_user)
        row = (user + self._base).squeeze(1)
        real, edges = incoming.real[slot], incoming.edges[slot]
        torch.gather(edges[1], 1, place, out=real[RATE].unsqueeze(1))
        for links in self.links:
            links.write(row, real, edges)
        real[RATE] = 0.0
        self.count.scatter_add_(1, station, taken.to(self.count.dtype))
        self.station.view(-1, k).index_copy_(0, row, incoming.global_station[slot])
        self.serving.view(-1).index_copy_(0, row, place.squeeze(1))
        self.own.view(-1, k).index_copy_(0, row, place == self._places)
        if self.period:
            self.log[slot] = row
            self.since.view(-1).index_fill_(0, row, slot)

    def start(self) -> Tensor:
        """Who was admitted before the first slot is there; their number in each network ``[B]``."""
        self.active[:, :-1] = (self.users.left > DONE).flatten(1)
        return self.active[:, :-1].sum(1)

    def serve(self) -> Tensor:
        """Serve for a slot; who has all that it wanted leaves.

        Returns:
            utility of each station ``[B, N]``.
        """
        service, users = self.service, self.users
        throughput = throughputs(users, service, self.count)
        users.left.sub_(throughput if service.demand == "data" else users.on.to(users.left.dtype))
        self.active[:, :-1] = (users.left > DONE).flatten(1)
        return utilities(throughput, service).sum(2)

    def move(self, slot: int, incoming: Incoming) -> None:
        """Users who move go on to where they are in a slot; what they reported of themselves is one slot older."""
        if self.period:
            self._move(self.now, slot, incoming)
            self._move(self.reported, slot - 1, incoming)

    def _move(self, links: UserChannels, slot: int, incoming: Incoming) -> None:
        """Those who came a whole number of periods ago, one user of each network for each number."""
        assert incoming.later is not None and incoming.place is not None
        count = min(slot // self.period, incoming.later.shape[2] - 1)
        if count < 1:
            return
        period = torch.arange(1, count + 1, device=self.log.device)
        arrival_slot = slot - period * self.period
        row = self.log[arrival_slot]  # [Q, B]
        still = self.since.view(-1)[row] == arrival_slot.unsqueeze(1)
        network = torch.arange(self.shape[0], device=row.device)
        at = (arrival_slot.unsqueeze(1), network, period.unsqueeze(1))
        row = torch.where(still, row, self._base.squeeze(1) + self.arriving_user).flatten()
        edges = incoming.later[at].flatten(0, 1).transpose(0, 1)  # [2, Q B, K]
        own = self.serving.view(-1)[row].clamp_min(0).unsqueeze(1)
        real = links.real.flatten(1)[:, row]
        real[RATE] = edges[1].gather(1, own).squeeze(1) * self.active.view(-1)[row]
        place = incoming.place[at].flatten(0, 1)
        real[FAR], real[NOISE + 1 :] = place[:, 0], place[:, 1:].T
        links.write(row, real, edges)

    def arrive(self, slot: int, incoming: Incoming, comes: Tensor) -> Stations:
        """The users of a slot are there, and places of those who left are free.

        Returns:
            what stations know of their own users.
        """
        self.active[:, -1] = comes
        present = self.active.to(self.now.real.dtype)
        torch.mm(present.view(-1, 1), self._ones, out=self._present.view(-1, self.links_per_user))  # [B U, K]
        self.known.copy_(self._present)
        self.own[:, -1] = False
        self.own.bitwise_and_(self.known)
        self.serving.bitwise_or_(self.active.long().sub_(1))  # -1 where nobody is
        self.serving[:, -1] = -1
        self._real[:, :3].mul_(present)
        self._edges.mul_(self._present)
        self._real[..., -1], self._edges[..., -1, :] = incoming.real[slot], incoming.edges[slot]
        self.station[:, -1] = incoming.global_station[slot]
        torch.sum(present[:, :-1].view(self.shape), 2, out=self.count)
        stations = stations_of(self.users, self.service, self.count.clone())
        torch.stack([stations.users, stations.free, stations.utility, stations.backlog], out=self.bs)
        return stations

    def set_may_serve(self, room: Tensor) -> None:
        """Which stations may take who arrives ``[B, K]``."""
        self.may_serve.copy_(self.own)
        self.may_serve[:, -1] = room

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the future depends on, beside the arrivals."""
        values = {name: getattr(self, name).clone() for name in ("station", "serving", "active", "own")}
        values |= {"since": self.since.clone(), "log": self.log.clone()}
        values |= {"real": self._real.clone(), "edges": self._edges.clone()}
        return values

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a :meth:`state_dict`."""
        for name in ("station", "serving", "active", "own", "since", "log"):
            getattr(self, name).copy_(state[name])
        self._real.copy_(state["real"])
        self._edges.copy_(state["edges"])
