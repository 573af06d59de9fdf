"""Rules that set cells' offsets in a world of handovers with traffic; A3 hands users over by them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.levels import known_stations
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS, Level
from hetgraph.radio.handover import HandoverAction

Number: TypeAlias = float | Tensor  # one for all networks, or one for each [B]
P = TypeVar("P", bound="Parameters")
_EQUAL = 0.01  # share of a power within which another one is the same


@dataclass(frozen=True)
class Parameters:
    """Numbers of a rule that can be tuned; each is one for all networks, or one for each ``[B]``.

    ``ranges`` has the smallest and the largest value that a search tries.
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {}

    @classmethod
    def of(cls: type[P], values: Tensor) -> P:
        """Parameters ``[M]``, or of each network ``[B, M]``, in the order of ``ranges``."""
        columns = values.unbind(-1)
        return cls(**{name: c if c.dim() else float(c) for name, c in zip(cls.ranges, columns, strict=True)})

    def table(self) -> dict[str, float]:
        """As plain numbers, where there is one for all networks."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True)
class A3Parameters(Parameters):
    """Event A3.

    Args:
        margin_db: by which another cell has to be stronger.
        trigger_s: how long it has to have been.
    """

    ranges: ClassVar = {"margin_db": (0.0, 5.0), "trigger_s": (0.0, 1.0)}
    margin_db: Number = 1.0
    trigger_s: Number = 0.1


@dataclass(frozen=True)
class TierParameters(A3Parameters):
    """Event A3 with an offset for each kind of cell.

    Args:
        middle_db: offset of cells between the network's largest and smallest power, over that of the largest.
        small_db: of those of the smallest power.
    """

    ranges: ClassVar = A3Parameters.ranges | {"middle_db": (0.0, 8.0), "small_db": (0.0, 12.0)}
    middle_db: Number = 2.0
    small_db: Number = 4.0


@dataclass(frozen=True)
class BalancingParameters(A3Parameters):
    """Mobility load balancing.

    Args:
        gain_db: step of an offset for a difference of loads of one.
        cap_db: largest offset.
        period: decisions between two steps.
        backlog: weight of the logarithm of the decisions that a cell's queues need in its load, beside its activity.
    """

    ranges: ClassVar = A3Parameters.ranges | {
        "gain_db": (0.2, 6.0),
        "cap_db": (2.0, 6.0),
        "period": (1.0, 5.0),
        "backlog": (0.0, 1.0),
    }
    gain_db: Number = 0.5
    cap_db: Number = 4.0
    period: Number = 1.0
    backlog: Number = 0.3


class TrafficRule(ABC, Generic[P]):
    """Base of rules of a world with traffic.

    Args:
        parameters: numbers of the rule.
    """

    level: Level = "neighbourhood"
    name = ""

    def __init__(self, parameters: P) -> None:
        self.parameters = parameters

    def initial_state(self, obs: HeteroData) -> Any:
        """Number of the first decision."""
        return 0

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Offsets, or places and levels, and the memory for the next decision.

        Raises:
            ValueError: an observation of a world without traffic.
        """
        if "activity" not in obs["bs"]:
            raise ValueError(f"{self.name}: got an observation without traffic, expected one of HandoverTrafficEnv")
        action, state = self.decide(obs, state)
        return replace(action, **self._a3(obs)), state

    @abstractmethod
    def decide(self, obs: HeteroData, state: Any) -> tuple[HandoverAction, Any]:
        """The action but for A3's numbers."""

    def _a3(self, obs: HeteroData) -> dict[str, Tensor]:
        """Margin and time to trigger, where the rule has them."""
        if not isinstance(self.parameters, A3Parameters):
            return {}
        margin = of_networks(self.parameters.margin_db, obs)
        trigger = of_networks(self.parameters.trigger_s, obs) / tick_s(obs)
        return {"margin_db": margin, "trigger_ticks": trigger.round().long()}

    def with_parameters(self, parameters: P) -> "TrafficRule[P]":
        """The same rule with other numbers."""
        return type(self)(parameters)


def of_networks(value: Number, obs: HeteroData) -> Tensor:
    """A parameter of each network ``[B]``."""
    power: Tensor = obs["bs"].power_max_w
    return torch.as_tensor(value, dtype=power.dtype, device=power.device).expand(obs.num_graphs)


def tick_s(obs: HeteroData) -> Tensor:
    """Length of a tick of each network ``[B]``, s."""
    value: Tensor = obs.tick_s
    return value


def per_network(value: Tensor, obs: HeteroData) -> Tensor:
    """Values of cells or users ``[B * n]`` as ``[B, n]``."""
    return value.view(obs.num_graphs, -1)


class A3(TrafficRule[A3Parameters]):
    """The strongest cell by a margin for a time: handovers as they are without anybody's offsets."""

    level: Level = "local"
    name = "a3"

    def __init__(self, parameters: A3Parameters = A3Parameters()) -> None:
        super().__init__(parameters)

    def decide(self, obs: HeteroData, state: Any) -> tuple[HandoverAction, Any]:
        """No offsets."""
        return HandoverAction(offset_db=torch.zeros_like(per_network(obs["bs"].offset_db, obs))), state


class TierOffsets(TrafficRule[TierParameters]):
    """Cell range expansion: an offset for each kind of cell, by its power."""

    level: Level = "local"
    name = "cre"

    def __init__(self, parameters: TierParameters = TierParameters()) -> None:
        super().__init__(parameters)

    def decide(self, obs: HeteroData, state: Any) -> tuple[HandoverAction, Any]:
        """The offsets of the kinds."""
        power = per_network(obs["bs"].power_max_w, obs)
        largest, smallest = power.amax(1, keepdim=True), power.amin(1, keepdim=True)
        small = (power <= (1 + _EQUAL) * smallest) & (power < (1 - _EQUAL) * largest)
        middle = (power < (1 - _EQUAL) * largest) & ~small
        small_db = of_networks(self.parameters.small_db, obs).unsqueeze(1)
        middle_db = of_networks(self.parameters.middle_db, obs).unsqueeze(1)
        offset = small * small_db + middle * middle_db
        return HandoverAction(offset_db=offset - (small_db.maximum(middle_db) / 2)), state


class LoadBalancing(TrafficRule[BalancingParameters]):
    """Mobility load balancing (TS 36.300, 22.4.1): each cell steps its offset by how much more its neighbours carry.

    Those are the cells that its users report, as often as they report them; of a cell without users all its neighbours.
    """

    name = "mlb"

    def __init__(self, parameters: BalancingParameters = BalancingParameters()) -> None:
        super().__init__(parameters)

    def decide(self, obs: HeteroData, state: int) -> tuple[HandoverAction, int]:
        """Offsets a step further."""
        p = self.parameters
        offset = per_network(obs["bs"].offset_db, obs)
        now = (state % of_networks(p.period, obs).round().clamp_min(1)) == 0
        step = of_networks(p.gain_db, obs).unsqueeze(1) * self.differences(obs) * now.unsqueeze(1)
        cap = of_networks(p.cap_db, obs).unsqueeze(1)
        return HandoverAction(offset_db=torch.minimum((offset + step).maximum(-cap), cap)), state + 1

    def differences(self, obs: HeteroData) -> Tensor:
        """Mean load of a cell's neighbours less its own ``[B, N]``."""
        bs, edges = obs["bs"], obs[CHANNEL]
        weight = of_networks(self.parameters.backlog, obs)
        backlog = per_network(bs.backlog_slots, obs).log1p() * weight.unsqueeze(1)
        load = (per_network(bs.activity, obs) + backlog).flatten()
        station, user = edges.edge_index
        serving = station.new_zeros(len(obs["ue"].queue_bits)).scatter(0, user[edges.own], station[edges.own])[user]
        reported = (known_stations(obs, self.level) & ~edges.own).to(load.dtype)
        source, target = obs[NEIGHBOURS].edge_index
        reported_load = torch.zeros_like(load).index_add(0, serving, reported * load[station])
        reports = torch.zeros_like(load).index_add(0, serving, reported)
        load_around = torch.zeros_like(load).index_add(0, target, load[source])
        neighbours = torch.zeros_like(load).index_add(0, target, torch.ones_like(load[source]))
        mean = torch.where(reports > 0, reported_load / reports.clamp_min(1), load_around / neighbours.clamp_min(1))
        return per_network(torch.where((reports > 0) | (neighbours > 0), mean - load, 0.0), obs)
