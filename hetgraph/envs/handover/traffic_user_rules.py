"""Rules that choose the cells of single users in a world of handovers with traffic, once in each decision."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.traffic_rules import Number, P, Parameters, TrafficRule, of_networks, per_network
from hetgraph.graph.levels import known_stations
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.radio.handover import HandoverAction

_LEAST = 1e-3  # of spectral efficiencies, bit/s/Hz
ROUNDS = 12  # of prices and answers in a decision
MOVES = 40  # that max-weight makes in each network in a decision, at most


@dataclass(frozen=True)
class Users:
    """Users and the cells that they report, the own one in place 0.

    Args:
        cell: cells as nodes of the batch ``[B, U, k + 1]``.
        allowed: where users may be sent ``[B, U, k + 1]``.
        efficiency: spectral efficiency there ``[B, U, k + 1]``, bit/s/Hz.
        queue: what waits in seconds at a spectral efficiency of one ``[B, U]``.
        rate: the same of what was served in a second on average ``[B, U]``.
        busy: users of each cell with something to receive ``[B * N]``.
    """

    cell: Tensor
    allowed: Tensor
    efficiency: Tensor
    queue: Tensor
    rate: Tensor
    busy: Tensor

    @staticmethod
    def of(obs: HeteroData, level: Level) -> "Users":
        """Read an observation; cells whose users a level does not know are as busy as the own one."""
        edges, ue, b = obs[CHANNEL], obs["ue"], obs.num_graphs
        shape, band = (b, len(ue.queue_bits) // b, -1), obs.rb_bandwidth_hz[:, :1]
        cell = edges.edge_index[0].view(shape)
        busy = torch.zeros_like(obs["bs"].activity).index_add(
            0, cell[..., 0].flatten(), (ue.queue_bits > 0).to(band.dtype)
        )
        known = known_stations(obs, level).view(shape)
        return Users(
            cell=torch.where(known, cell, cell[..., :1]),
            allowed=edges.allowed.view(shape),
            efficiency=edges.spectral_efficiency.view(shape).clamp_min(_LEAST),
            queue=ue.queue_bits.view(b, -1) / band,
            rate=ue.rate_mean_bps.view(b, -1) / band,
            busy=busy,
        )

    def sums(self, place: Tensor, value: Tensor) -> Tensor:
        """Sums of ``[B, U, k + 1]``, weighted by how much each user is at each place, over the users of each cell ``[B * N]``."""
        zero = torch.zeros_like(self.busy)
        return zero.index_add(0, self.cell.flatten(), (place * value).flatten())


class UserRule(TrafficRule[P], Generic[P]):
    """Base: places of all users, equal levels, and A3 with a wide margin for those who have to go between two decisions.

    Its parameters are ``gain``, by how much (in nats of its measure) a cell has to be better, and ``backup_db``, A3's margin.
    """

    def decide(self, obs: HeteroData, state: Any) -> tuple[HandoverAction, Any]:
        """Places of the largest value."""
        users = Users.of(obs, self.level)
        place, state = self.places(obs, users, state)
        top = torch.full_like(place, int(obs.levels[0]) - 1)
        none = torch.zeros_like(per_network(obs["bs"].offset_db, obs))
        backup = of_networks(getattr(self.parameters, "backup_db"), obs)  # noqa: B009 of all parameters of such rules
        return HandoverAction(place, top, offset_db=none, margin_db=backup), state

    @abstractmethod
    def places(self, obs: HeteroData, users: Users, state: Any) -> tuple[Tensor, Any]:
        """Places ``[B, U]``, and the memory for the next decision."""

    def best(self, users: Users, value: Tensor, obs: HeteroData) -> Tensor:
        """The place of the largest value ``[B, U]``, the own one unless another is better by ``gain``."""
        value = value.clone()
        value[..., 0] += of_networks(getattr(self.parameters, "gain"), obs).unsqueeze(1)  # noqa: B009
        return value.masked_fill(~users.allowed, -torch.inf).argmax(2)


@dataclass(frozen=True)
class RateParameters(Parameters):
    """Numbers of the best expected rate.

    Args:
        gain: by how many nats the rate elsewhere has to be larger.
        backup_db: margin of A3 between two decisions.
    """

    ranges: ClassVar = {"gain": (0.0, 1.0), "backup_db": (2.0, 12.0)}
    gain: Number = 0.3
    backup_db: Number = 6.0


class BestExpectedRate(UserRule[RateParameters]):
    """The cell with the largest rate beside those who have something to receive there now."""

    name = "best_expected_rate"

    def __init__(self, parameters: RateParameters = RateParameters()) -> None:
        super().__init__(parameters)

    def places(self, obs: HeteroData, users: Users, state: Any) -> tuple[Tensor, Any]:
        """Places of the largest rate."""
        competitors = users.busy[users.cell]
        competitors[..., 0] -= (users.queue > 0).to(competitors.dtype)
        return self.best(users, (users.efficiency / (competitors + 1)).log(), obs), state


@dataclass(frozen=True)
class PriceParameters(RateParameters):
    """Numbers of the queue-weighted dual price.

    Args:
        horizon_s: seconds of its mean rate that count in a user's weight, beside its queue.
        pace: share of the new price in an update.
    """

    ranges: ClassVar = RateParameters.ranges | {"horizon_s": (0.5, 10.0), "pace": (0.05, 0.6)}
    horizon_s: Number = 3.0
    pace: Number = 0.2


class QueuePrice(UserRule[PriceParameters]):
    """Association by prices (Ye et al. 2013), users weighted by what they have to receive.

    A cell's price is the logarithm of the time that it needs for those who want it; each user wants the largest log efficiency less
    price. Prices last from decision to decision.
    """

    level: Level = "global"
    name = "dual_price"

    def __init__(self, parameters: PriceParameters = PriceParameters()) -> None:
        super().__init__(parameters)

    def initial_state(self, obs: HeteroData) -> Tensor | None:
        """No prices yet."""
        return None

    def places(self, obs: HeteroData, users: Users, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Places of the largest log efficiency less price."""
        horizon, pace = of_networks(self.parameters.horizon_s, obs), of_networks(self.parameters.pace, obs)
        weight = (users.queue + horizon.unsqueeze(1) * users.rate).unsqueeze(2)
        log, work = users.efficiency.log(), weight / users.efficiency
        pace = pace.unsqueeze(1).expand(-1, len(users.busy) // obs.num_graphs).flatten()
        own = torch.zeros_like(log)
        own[..., 0] = 1
        price = (users.sums(own, work) + 0.1).log() if state is None else state
        for _ in range(ROUNDS):
            value = (log - price[users.cell]).masked_fill(~users.allowed, -torch.inf)
            price = price + pace * ((users.sums((value / 0.1).softmax(2), work) + 0.1).log() - price)
        return self.best(users, log - price[users.cell], obs), price


class MaxWeight(UserRule[RateParameters]):
    """Central max-weight (Tassiulas and Ephremides 1992): the association with the largest sum of queues times rates.

    Found by single moves, the best one of each network first; users of a cell who have something to receive share it equally.
    """

    level: Level = "global"
    name = "max_weight"

    def __init__(self, parameters: RateParameters = RateParameters(gain=0.1)) -> None:
        super().__init__(parameters)

    def places(self, obs: HeteroData, users: Users, state: Any) -> tuple[Tensor, Any]:
        """Places after all moves that raise the sum."""
        weight = users.queue.unsqueeze(2) * users.efficiency  # [B, U, k + 1]
        backlogged = (users.queue > 0).to(weight.dtype)
        place = torch.zeros_like(users.queue, dtype=torch.long)
        threshold = of_networks(self.parameters.gain, obs).reshape(-1, 1, 1)
        for _ in range(MOVES):
            gain = self._gains(users, weight, backlogged, place) - threshold * weight[..., :1]
            gain = gain.masked_fill(~users.allowed | (backlogged == 0).unsqueeze(2), -torch.inf)
            best, move = gain.flatten(1).max(1)
            user, target = move // weight.shape[2], move % weight.shape[2]
            rows = torch.arange(len(place), device=place.device)
            place[rows, user] = torch.where(best > 0, target, place[rows, user])
        return place, state

    def _gains(self, users: Users, weight: Tensor, backlogged: Tensor, place: Tensor) -> Tensor:
        """By how much the sum grows where a user goes from its present place to each one ``[B, U, k + 1]``."""
        is_at = torch.zeros_like(weight).scatter_(2, place.unsqueeze(2), backlogged.unsqueeze(2))
        total, count = users.sums(is_at, weight)[users.cell], users.sums(is_at, torch.ones_like(is_at))[users.cell]
        present_place = place.unsqueeze(2)
        own_weight, sum_here, users_here = (value.gather(2, present_place) for value in (weight, total, count))
        loss = sum_here / users_here.clamp_min(1) - torch.where(
            users_here > 1, (sum_here - own_weight) / (users_here - 1).clamp_min(1), 0.0
        )
        gain = (total + weight) / (count + 1) - total / count.clamp_min(1)
        return (gain - loss).scatter(2, present_place, -torch.inf)
