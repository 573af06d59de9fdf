"""QMIX with graph agents: cells that decide where their users go and what share of the cell each gets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.kept import Kept
from hetgraph.graph.schema import Level
from hetgraph.models.inference import Extra
from hetgraph.models.options import keep_options
from hetgraph.nn.candidates import Candidates, GraphInputs, candidates_of, sum_by, union
from hetgraph.nn.handover_encoders import COLUMNS, RECEIVED, Encoded, Encoder, GraphEncoder, encoder_of
from hetgraph.nn.mixer import FixedMixer, MonotonicMixer
from hetgraph.radio.handover import HandoverAction
from hetgraph.solvers.announced import PATIENCE, announced_value
from hetgraph.solvers.handover import Choice
from hetgraph.solvers.negotiated import negotiated

Mixing = Literal["qmix", "vdn", "independent"]
Importance = Literal["power", "equal", "sum"]
Read = tuple[Candidates, GraphInputs | None]  # with announcements; and what the encoder reads of the graph beside them
_KEPT: Kept[Read] = Kept()  # the online and the target network read the same observations


@dataclass(frozen=True)
class Values:
    """Values of what cells can do with their users.

    Args:
        place: values of a user's places ``[B, U, C]``, minus infinity where it may not go; 0 for staying, with dueling heads.
        level: values of resource levels ``[B, U, L]``.
        weight: importance of a user to its cell ``[B, U]``.
        own: a cell's value whatever it does ``[B, K]``; 0 without dueling heads.
        user: a user's value whatever it does, to the network and in its credit ``[B, U, 2]``; the first likewise.
        allowed: places that may be asked for ``[B, U, C]``.
        cell: cell of each place, counted within the network ``[B, U, C]``.
        agent: states of cells ``[B, K, H]``.
        state: pooled state ``[B, S]``.
    """

    place: Tensor
    level: Tensor
    weight: Tensor
    own: Tensor
    user: Tensor
    allowed: Tensor
    cell: Tensor
    agent: Tensor
    state: Tensor

    def best(self) -> HandoverAction:
        """Each user's best place and level, together the best joint action: every agent's value is a sum over its users."""
        return HandoverAction(self.place.argmax(2), self.level.argmax(2))

    def users(self, action: HandoverAction) -> Tensor:
        """Mean of both heads for an action ``[B, U]`` (Algorithm 3 of the paper); asking for what is not allowed is staying."""
        place, level = (choice.unsqueeze(2) for choice in action.moves())
        place = torch.where(self.allowed.gather(2, place), place, 0)
        return self.user[..., 0] + (self.place.gather(2, place) + self.level.gather(2, level)).squeeze(2) / 2

    def credits(self, action: HandoverAction) -> Tensor:
        """Values of what users add to the utility of all ``[B, U]``."""
        return self.users(action) - self.user[..., 0] + self.user[..., 1]

    def agents(self, action: HandoverAction) -> Tensor:
        """Values of the cells ``[B, K]``: what they have anyway, and the weighted sum over their users."""
        return self.own.scatter_add(1, self.cell[..., 0], self.weight * self.users(action))


@keep_options
class GraphQMIX(nn.Module):
    r"""Values of handovers and resource levels, one agent a cell, mixed into one joint value (Rashid et al. 2018).

    An agent's value is :math:`Q_k = v_k + \sum_{i \in k} w_i (Q^{place}_i + Q^{level}_i) / 2`. The importance
    :math:`w` is positive and the mixer monotonic, so each user's own best place and level are the best joint action.

    Args:
        hidden: width.
        rounds: rounds of messages of the graph encoder.
        mixing: ``qmix``; ``vdn`` for the mean of the agents' values; ``independent`` for agents that learn alone.
        encoder: ``graph``; ``flat`` for the paper's perceptron on 30 users a cell and a mixer for a fixed number of cells, and
            ``flat-full`` with all that is known of them; ``single`` and ``global`` for users that learn alone from what they
            know of themselves, or of the network's totals too (``independent`` only).
        dueling: values relative to staying and to the mean level.
        importance: a user's weight: ``power`` for a softmax of received power within the cell (the paper's), ``equal`` for one
            over the users of the cell, ``sum`` for 1.
        mixer: width of the mixer.
        flat_cells: number of cells that the flat encoders are for.
        places: places of a user, its own cell's included.
        levels: resource levels.
        intentions: rounds in which users announce where they mean to go (:func:`~hetgraph.solvers.announced.announced_value`).
        agreements: rounds in which they then agree on exchanges and chains
            (:func:`~hetgraph.solvers.negotiated.negotiated`); 0 for announcements alone, which know nothing of full cells.
        patience: price of a handover in announcements; ``None`` for one that training fits and the weights hold.
        crowding: added to that price for each user by which a cell's room is below the mean of the user's places
            (:func:`~hetgraph.solvers.handover.priced`); ``None`` likewise.
        level_scale: factor of the levels' values. Optimisers with steps of one size move the graph encoder's, one weight each for all
            users, as little as any other weight; with more they keep pace with the values of places.

    Raises:
        ValueError: an unknown option, a flat encoder without a number of cells or with announcements, agreements without these, or
            a crowding below 0.
    """

    level: Level
    name, task = "qmix", "handover"

    def __init__(
        self,
        hidden: int = 32,
        rounds: int = 1,
        mixing: Mixing = "qmix",
        encoder: Encoder = "graph",
        dueling: bool = True,
        importance: Importance = "power",
        mixer: int = 32,
        flat_cells: int = 0,
        places: int = 4,
        levels: int = 5,
        intentions: int = 0,
        patience: float | None = PATIENCE,
        agreements: int = 0,
        crowding: float | None = 0.0,
        level_scale: float = 1.0,
    ) -> None:
        super().__init__()
        for option, value, kinds in (("mixing", mixing, Mixing), ("importance", importance, Importance)):
            if value not in get_args(kinds):
                raise ValueError(f"{option}: got {value!r}, expected one of {', '.join(get_args(kinds))}")
        flat, self.of_users = encoder in ("flat", "flat-full"), encoder in ("single", "global")
        if flat and not flat_cells:
            raise ValueError("flat_cells: got 0, expected the number of cells that the flat encoder is for")
        if self.of_users and mixing != "independent":
            raise ValueError(f"mixing: got {mixing!r}, expected 'independent' for users that learn alone")
        self.mixing, self.dueling, self.importance = mixing, dueling, importance
        self.cells, self.places, self.level_scale = flat_cells if flat else 0, places, level_scale
        self.totals = flat or encoder == "global"
        # In a graph messages go on from a user to its cell, the cell's neighbours and their users: beyond a neighbourhood.
        self.level = "local" if encoder == "single" else "global"
        self.encoder = encoder_of(encoder, hidden, rounds, places, levels, bool(intentions))
        if agreements and not intentions:
            raise ValueError(f"agreements: got {agreements} without announcements, expected 0, or intentions above 0")
        if crowding is not None and crowding < 0:
            raise ValueError(f"crowding: got {crowding}, expected 0 or more")
        agent, state = self.encoder.widths
        self.mixer: nn.Module | None = None
        if mixing == "qmix":
            self.mixer = FixedMixer(flat_cells, state, mixer) if flat else MonotonicMixer(agent, state, mixer)
        self.intentions, self.agreements = intentions, agreements
        self.patience_of_all, self.crowding_of_all = patience, crowding
        for name, fixed, start in (("patience", patience, PATIENCE), ("crowding", crowding, 0.0)):
            if fixed is None:
                self.register_buffer(name, torch.tensor(start))
        for kind, count in COLUMNS.items():
            count += kind == "edge" and bool(intentions)
            self.register_buffer(f"{kind}_mean", torch.zeros(count))
            self.register_buffer(f"{kind}_std", torch.ones(count))

    @torch.no_grad()
    def set_scale(
        self,
        observations: Sequence[Candidates],
        reward: Tensor,
        credit: Tensor,
    ) -> None:
        """Bring features to mean zero and deviation one over some observations; values begin with what is linear in them.

        Args:
            observations: T observations of B networks.
            reward: normalised rewards of the cells ``[T, B, K]``.
            credit: normalised credits of users ``[T, B, U]``.
        """
        observations = [self._announced(one) for one in observations]
        for kind in COLUMNS:
            rows = torch.cat([getattr(one, kind).flatten(0, -2) for one in observations])
            getattr(self, f"{kind}_mean").copy_(rows.mean(0))
            getattr(self, f"{kind}_std").copy_(rows.std(0).clamp_min(1e-2))
        if isinstance(self.encoder, GraphEncoder) and self.dueling:
            whole = union([self._scaled(one) for one in observations])
            self.encoder.start(whole, self._weight(whole), reward.flatten(), credit.flatten())

    def price(self) -> tuple[float, float]:
        """Price of a handover, and its crowding."""
        patience, crowding = self.patience_of_all, self.crowding_of_all
        return (
            float(self.get_buffer("patience")) if patience is None else patience,
            float(self.get_buffer("crowding")) if crowding is None else crowding,
        )

    def _announced(self, raw: Candidates) -> Candidates:
        """The same with the value of places if users do as they announce."""
        if not self.intentions:
            return raw
        patience, crowding = self.price()
        choice = _choice(raw)
        if self.agreements:
            value = negotiated(
                choice, patience=patience, rounds=self.intentions, agreements=self.agreements, crowding=crowding
            )
        else:
            value = announced_value(choice, rounds=self.intentions, patience=patience, crowding=crowding)
        return replace(raw, edge=torch.cat([raw.edge, value.flatten(0, 1).unsqueeze(2)], 2))

    def _read(self, obs: HeteroData) -> Read:
        """What is read of an observation; of one that did not change since the last call, the same again."""
        options = self.totals, self.intentions, self.agreements, self.price()
        encoder = type(self.encoder), next(self.parameters()).dtype, torch.is_autocast_enabled("cpu")
        return _KEPT.get(obs, (options, encoder), lambda: self._made(Facts(obs)))

    def _made(self, facts: Facts) -> Read:
        raw = candidates_of(facts, self.totals)
        return self._announced(raw), self.encoder.inputs(facts, raw)

    def _scaled(self, raw: Candidates) -> Candidates:
        """The same with features brought to scale."""
        scaled = {
            kind: ((getattr(raw, kind) - getattr(self, f"{kind}_mean")) / getattr(self, f"{kind}_std")).clamp(-5, 5)
            for kind in COLUMNS
        }
        return replace(raw, **scaled)

    def forward(self, obs: HeteroData) -> Values:
        """Values for an observation.

        Raises:
            ValueError: another number of places than in training, or of cells than a flat encoder is for.
        """
        raw, inputs = self._read(obs)
        b, k, u, c = raw.shape
        if c != self.places and not self.of_users:
            raise ValueError(f"places: got {c} of each user, expected {self.places}, as in training")
        if self.cells and k != self.cells:
            raise ValueError(f"cells: got {k}, expected {self.cells}, as in training: the flat encoder is for no other")
        scaled = self._scaled(raw)
        encoded: Encoded = self.encoder(scaled, inputs)
        place, level, own, user = encoded.place, self.level_scale * encoded.level, encoded.own, encoded.user
        if self.dueling:
            place, level = place - place[:, :1], level - level.mean(1, keepdim=True)
        else:
            own, user = torch.zeros_like(own), user * user.new_tensor([0.0, 1.0])
        cell = scaled.cell.reshape(b, u, c) - k * torch.arange(b, device=scaled.cell.device).reshape(b, 1, 1)
        weight = self._weight(scaled).reshape(b, u)
        allowed = scaled.allowed.reshape(b, u, c)
        place = place.reshape(b, u, c).masked_fill(~allowed, -torch.inf)
        station, user = encoded.station.reshape(b, k, -1), user.reshape(b, u, 2)
        level = level.reshape(b, u, -1)
        return Values(place, level, weight, own.reshape(b, k), user, allowed, cell, station, encoded.state)

    def _weight(self, candidates: Candidates) -> Tensor:
        """Importance of users ``[B * U]``."""
        power = candidates.ue[:, RECEIVED]
        if self.importance == "sum":
            return torch.ones_like(power)
        # Normalised features lie within [-5, 5]: no need for the largest one of each cell.
        share = power.exp() if self.importance == "power" else torch.ones_like(power)
        total: Tensor = sum_by(candidates.serving, share, candidates.cells())[candidates.serving]
        return share / total

    def joint(self, values: Values, action: HandoverAction) -> Tensor:
        """Joint value of an action ``[B]``."""
        return self.mix(values.agents(action), values)

    def mix(self, agents: Tensor, values: Values) -> Tensor:
        """Joint value of agents' values ``[B, K]`` -> ``[B]``."""
        if self.mixer is None:
            return agents.mean(1)
        known = (values.state,) if isinstance(self.mixer, FixedMixer) else (values.agent, values.state)
        out: Tensor = self.mixer(agents, *known)
        return out

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """Values of places ``value [U, C]``, each user's best ``place [U]`` and its resource ``level [U]``."""
        values: Values = self(graph)
        best = values.best()
        place, level = best.moves()
        return {"value": values.place.squeeze(0), "place": place.squeeze(0), "level": level.squeeze(0)}

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """The best joint action."""
        return self(obs).best(), state


def _choice(raw: Candidates) -> Choice:
    """Where users may be, by network."""
    b, k, u, c = raw.shape
    first = k * torch.arange(b, device=raw.cell.device).reshape(b, 1, 1)
    cell = raw.cell.reshape(b, u, c) - first
    return Choice(cell, raw.allowed.reshape(b, u, c), raw.rate.reshape(b, u, c), raw.room.reshape(b, k))
