"""QMIX of cells that choose their individual offsets, by which A3 hands users over, from their part of the graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import features
from hetgraph.graph.levels import known_stations
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.models.inference import Extra
from hetgraph.models.options import keep_options
from hetgraph.nn.hetero_encoder import LARGEST, HeteroEncoder
from hetgraph.nn.mixer import MonotonicMixer
from hetgraph.radio.handover import HandoverAction

OffsetMixing = Literal["qmix", "vdn", "independent"]
STATION = ("activity", "offset_db", "backlog_log", "queue_log", "users", "power_dbm")
COLUMNS: dict[str | tuple[str, str, str], tuple[str, ...]] = {
    "bs": STATION,
    "ue": ("queue_log", "rate_mbps", "rate_mean_mbps", "speed_mps", "own_efficiency", "since_handover"),
    CHANNEL: ("own_gap_db", "efficiency", "own"),
}
REPORTS = 40  # edges of a station's users whose summed states count as one
CHANGES = 3  # of an offset whose values are learned: down, none, up
CHANGE_DB = 1.5  # by which these move it
BESIDE = 2  # what a mixer is told of the rule that plays beside the agents: its backlog, and how far theirs is above it


def weights_of(change_db: Tensor) -> Tensor:
    """Weights of the changes whose values are learned ``[B, N, 3]`` by which these make a value of any change ``[B, N]``, dB.

    Values are linear from none up and from none down, also beyond ``CHANGE_DB``, where the weight of none is negative.
    """
    part = change_db / CHANGE_DB
    return torch.stack([(-part).clamp_min(0), 1 - part.abs(), part.clamp_min(0)], 2)


@dataclass(frozen=True)
class OffsetView:
    """What agents read of an observation, made once for the networks that read it.

    Args:
        facts: of the graph.
        columns: of stations, users and edges, cut.
        known: edges whose station's state is known ``[E, 1]``.
        inputs: arguments of the encoder.
    """

    facts: Facts
    columns: dict[str | tuple[str, str, str], Tensor]
    known: Tensor
    inputs: dict[str, Any]


@dataclass(frozen=True)
class OffsetValues:
    """Values of what cells can do with their offsets.

    Args:
        value: of each change ``[B, N, 3]``.
        agent: states of cells ``[B, N, H]``.
        state: pooled state ``[B, 2 H]``.
    """

    value: Tensor
    agent: Tensor
    state: Tensor

    def of(self, change: Tensor) -> Tensor:
        """Values of some changes ``[B, N]``, or means of values by weights of changes ``[B, N, 3]``."""
        if change.dim() == 3:
            return (self.value * change).sum(2)
        return self.value.gather(2, change.unsqueeze(2)).squeeze(2)

    def best(self) -> Tensor:
        """Each cell's best change ``[B, N]``, together the best joint action."""
        return self.value.argmax(2)


@keep_options
class OffsetQMIX(nn.Module):
    r"""Values of changes of cells' individual offsets, one agent a cell, mixed into one joint value (Rashid et al. 2018).

    A decision is the expected change under a softmax of a cell's values, whose temperature is a part of their mean spread in training:
    where values of changes lie close together, as they do in most cells at most times, the best one is chance.

    Args:
        hidden: width.
        rounds: rounds of messages between users and their stations.
        hops: rounds in which stations hear their neighbours. With 0 the level is ``local``, with one ``neighbourhood``; with
            more, what neighbours heard is passed on, and the level is ``global``, although messages between neighbours are enough.
        mixing: ``qmix``; ``vdn`` for the mean of the agents' values; ``independent`` for agents that learn alone.
        mixer: width of the mixer.
        softness: temperature, as part of the mean spread of values; 0 for the best change alone.
        step_db: by which a decision moves an offset at most.
        margin_db: of A3, which hands users over by the offsets.
        trigger_ticks: ticks before the present one in which A3's condition has to have held.
        members: networks whose values are averaged, see :meth:`together`; the mixer is the first one's.

    Raises:
        ValueError: an unknown mixing, or a number out of its range.
    """

    level: Level
    name, task = "qmix-offsets", "handover-traffic"

    def __init__(
        self,
        hidden: int = 32,
        rounds: int = 1,
        hops: int = 1,
        mixing: OffsetMixing = "qmix",
        mixer: int = 32,
        softness: float = 1.0,
        step_db: float = 3.0,
        margin_db: float = 1.5,
        trigger_ticks: int = 0,
        members: int = 1,
    ) -> None:
        super().__init__()
        if mixing not in get_args(OffsetMixing):
            raise ValueError(f"mixing: got {mixing!r}, expected one of {', '.join(get_args(OffsetMixing))}")
        if members < 1:
            raise ValueError(f"members: got {members}, expected at least 1")
        for name, number in (
            ("hops", hops),
            ("softness", softness),
            ("step_db", step_db),
            ("trigger_ticks", trigger_ticks),
        ):
            if not 0 <= number < float("inf"):
                raise ValueError(f"{name}: got {number}, expected a finite number of 0 or more")
        self.level = ("local", "neighbourhood", "global")[min(hops, 2)]
        own_level: Level = "neighbourhood" if hops else "local"
        self.mixing, self.softness, self.step_db = mixing, softness, step_db
        self.margin_db, self.trigger_ticks = margin_db, trigger_ticks
        self.encoder = HeteroEncoder(COLUMNS, hidden, max(rounds, hops), hops, own_level, reports=False)
        self.border = nn.Sequential(nn.Linear(sum(map(len, COLUMNS.values())), hidden), nn.SiLU())
        self.join = nn.Linear(2 * hidden, hidden)
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, CHANGES))
        self.mixer = MonotonicMixer(hidden, 2 * hidden + BESIDE, mixer) if mixing == "qmix" else None
        alone: dict[str, Any] = {
            "hidden": hidden,
            "rounds": rounds,
            "hops": hops,
            "mixing": "independent",
            "members": 1,
        }
        self.others = nn.ModuleList(OffsetQMIX(**alone) for _ in range(members - 1))
        self.spread: Tensor
        self.register_buffer("spread", torch.tensor(1.0))  # of a cell's values, mean over training

    def view(self, obs: HeteroData | Facts) -> OffsetView:
        """What is read of an observation of at least the model's level; the same for all models of its options."""
        facts = obs if isinstance(obs, Facts) else Facts(obs)
        columns = {store: features(facts, store, names).clamp(-LARGEST, LARGEST) for store, names in COLUMNS.items()}
        known = known_stations(facts.graph, self.encoder.level).to(columns["bs"].dtype).unsqueeze(1)
        return OffsetView(facts, columns, known, self.encoder.inputs(facts, columns))

    def forward(self, obs: HeteroData | Facts | OffsetView) -> OffsetValues:
        """Values for an observation of at least the model's level."""
        view = obs if isinstance(obs, OffsetView) else self.view(obs)
        both = torch.cat([self.encoder(view.inputs)["bs"], self.borders(view)], 1)
        agent = self.join(both).view(view.facts.links.num_networks, -1, self.join.out_features)
        state = torch.cat([agent.mean(1), agent.amax(1)], 1)
        values = [self.head(agent), *(other(view).value for other in self.others)]
        return OffsetValues(torch.stack(values).mean(0) if self.others else values[0], agent, state)

    @classmethod
    def together(cls, models: Sequence["OffsetQMIX"]) -> "OffsetQMIX":
        """One model of trained ones, whose values, each over its mean spread, are averaged: errors of single ones cancel.

        Raises:
            ValueError: models with other numbers of weights, or with members themselves.
        """
        shape = ("hidden", "rounds", "hops", "members")
        options: list[Any] = [model.options for model in models]
        for each in options:
            if each["members"] > 1 or any(each[name] != options[0][name] for name in shape):
                raise ValueError(
                    f"together: got networks of {[[o[name] for name in shape] for o in options]}, expected one shape, alone"
                )
        out = cls(**{**options[0], "members": len(models)})
        first, *others = models
        out.load_state_dict(first.state_dict(), strict=False)
        for place, model in zip(out.others, others, strict=True):
            assert isinstance(place, OffsetQMIX)
            own = place.state_dict()
            place.load_state_dict({name: value for name, value in model.state_dict().items() if name in own})
            for weight in place.head[-1].parameters():
                weight.data.mul_(first.spread / model.spread.clamp_min(1e-6))
        return out.train(first.training)

    def borders(self, view: OffsetView) -> Tensor:
        """What the users of a station report of it and of others, whose states count as far as they are known ``[N, H]``.

        A change of an offset moves the users at the borders of a cell: how many they are, how near to going where, what waits for
        them and how busy it is there.
        """
        facts, links = view.facts, view.facts.links
        there = view.columns["bs"].index_select(0, links.bs) * view.known
        report = torch.cat([there, view.columns["ue"].index_select(0, links.ue), view.columns[CHANNEL]], 1)
        report = self.border(report)
        out = report.new_zeros(links.num_bs, report.shape[1])
        total: Tensor = out.index_add(0, facts.station.index_select(0, links.ue), report / REPORTS)
        return total

    def joint(self, values: OffsetValues, change: Tensor, beside: Tensor) -> Tensor:
        """Joint value of changes ``[B]``, or values of agents that learn alone ``[B, N]``.

        Args:
            values: of :meth:`forward`.
            change: of each cell ``[B, N]``, or weights of its changes ``[B, N, 3]``.
            beside: what is known in training alone, see ``BESIDE`` ``[B, 2]``.
        """
        chosen = values.of(change)
        if self.mixing == "independent":
            return chosen
        if self.mixer is None:
            return chosen.mean(1)
        out: Tensor = self.mixer(chosen, values.agent, torch.cat([values.state, beside], 1))
        return out

    def chances(self, values: OffsetValues, softness: float | Tensor | None = None) -> Tensor:
        """Chances of changes ``[B, N, 3]``, at the model's softness, another one, or one of each network ``[B]``."""
        softness = self.softness if softness is None else softness
        if isinstance(softness, Tensor):
            softness = softness.view(-1, 1, 1)
        elif not softness:
            return nn.functional.one_hot(values.best(), CHANGES).to(values.value)
        return (values.value / (softness * self.spread).clamp_min(1e-6)).softmax(2)

    def change_db(self, values: OffsetValues, softness: float | Tensor | None = None) -> Tensor:
        """Expected changes ``[B, N]``, dB: decisions, at a softness as in :meth:`chances`."""
        chances = self.chances(values, softness)
        return self.step_db * (chances[..., 2] - chances[..., 0])

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """``offset_db [N]`` after the expected changes, and ``value [N, 3]`` of a change by 1.5 dB down, none and up."""
        values = self(graph)
        return {"offset_db": self._offsets(graph, values).squeeze(0), "value": values.value.squeeze(0)}

    def _offsets(self, obs: HeteroData, values: OffsetValues) -> Tensor:
        """Offsets after the expected changes ``[B, N]``, dB."""
        change_db = self.change_db(values)
        offset_db: Tensor = obs["bs"].offset_db.view(change_db.shape) + change_db
        return offset_db

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Offsets after the expected changes."""
        return self.action(self._offsets(obs, self(obs))), state

    def action(self, offset_db: Tensor, margin_db: Tensor | None = None) -> HandoverAction:
        """Offsets ``[B, N]`` with the model's A3, or with another margin of each network ``[B]``."""
        margin = torch.full_like(offset_db[:, 0], self.margin_db) if margin_db is None else margin_db
        ticks = torch.full_like(margin, self.trigger_ticks, dtype=torch.long)
        return HandoverAction(offset_db=offset_db, margin_db=margin, trigger_ticks=ticks)
