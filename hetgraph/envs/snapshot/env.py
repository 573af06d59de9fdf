"""A snapshot of a network as an environment: one slot, one decision, the utility of its users as reward."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.action_spec import ActionSpec, Part
from hetgraph.envs.base import GraphEnv, check_level
from hetgraph.envs.snapshot.resolve import resolved
from hetgraph.envs.step import Step
from hetgraph.graph.check import check
from hetgraph.graph.levels import hide
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS, Level
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.kpi import evaluate
from hetgraph.radio.rates import Convention

SLOT = 2**20  # numbers between a network's successive slots
KEPT = 2  # drawn batches that are kept: that of an episode, and that of the one after it
KPIS = (
    "sum_rate_bps",
    "mean_rate_bps",
    "p5_rate_bps",
    "jain",
    "pf_utility",
    "spectral_efficiency",
    "power_w",
    "energy_efficiency_bpj",
    "qos_violation",
    "load_imbalance",
    "unserved",
)


@dataclass(frozen=True)
class Served:
    """What a slot came to.

    Args:
        graph: the networks.
        allocation: as it was granted.
        rate_bps: rates of users ``[U]``, bit/s.
    """

    graph: HeteroData
    allocation: Allocation
    rate_bps: Tensor


class SnapshotEnv(GraphEnv[Allocation]):
    """``B`` networks, drawn anew for each slot; an episode has one slot, or several that know nothing of each other.

    Policies see the present gains of all candidates, which users report, at every level; ``local`` has no edges between stations.
    The action is an :class:`~hetgraph.radio.Allocation`; what the graph does not allow is resolved as
    :func:`~hetgraph.envs.snapshot.resolve.resolved` says. The reward ``[B, 1]`` is the mean log rate of a network's users.

    Args:
        scenario: name of a preset, a scenario, or a graph or batch that is taken as it is, the same in every episode.
        num_envs: networks B; that of a batch is its own.
        first: number of the first network.
        episode_slots: snapshots of an episode.
        convention: how rates follow from the allocation.
        level: of the observations of ``reset`` and ``step``.
        seed: of the networks.
        device: where the tensors are.

    Raises:
        ValueError: an unknown level, fewer than one network, a graph that breaks the contract, or networks of different sizes.
    """

    def __init__(
        self,
        scenario: str | Scenario | HeteroData = "hetnet-3tier",
        num_envs: int = 1,
        *,
        first: int = 0,
        episode_slots: int = 1,
        convention: Convention = "equal_airtime",
        level: Level = "genie",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        if num_envs < 1 or first < 0 or episode_slots < 1:
            got = f"{num_envs}, {first}, {episode_slots}"
            raise ValueError(f"num_envs, first, episode_slots: got {got}, expected at least 1, 0 and 1")
        check_level(level)
        self.scenario = preset(scenario) if isinstance(scenario, str) else scenario
        self.first, self.convention, self.level = first, convention, level
        self.seed, self.drawn, self._slots = seed, -1, episode_slots
        self.device, self.num_envs = torch.device(device), num_envs
        self.slot, self._totals = 0, dict[str, Tensor]()
        self._served: Served | None = None
        self._kept: dict[tuple[int, int], HeteroData] = {}
        if isinstance(self.scenario, HeteroData):
            check(self.scenario)
            given = self.scenario
            self.scenario = given if "batch" in given["bs"] else Batch.from_data_list([given])
            self.num_envs = int(self.scenario.num_graphs)
        self._start()
        self.num_stations, self.num_users = self.links.num_bs // self.num_envs, self.links.num_ue // self.num_envs
        if self.links.num_bs % self.num_envs or self.links.num_ue % self.num_envs:
            raise ValueError("scenario: got networks of different sizes, expected equal ones in one environment")
        self.action = self._specification()

    @property
    def episode_slots(self) -> int:
        """Length of an episode."""
        return self._slots

    def step(self, action: Allocation) -> Step:
        """Serve for a slot.

        Raises:
            ValueError: a malformed action.
        """
        self.action.check(action)
        granted, refused = resolved(self.graph, action)
        kpis = evaluate(self.graph, granted, self.convention)
        self._served = Served(self.graph, granted, kpis.rate_bps)
        self.slot += 1
        self._totals = {name: total + getattr(kpis, name) for name, total in self._totals.items()}
        info: dict[str, Any] = {"refused": refused}
        over = self.slot == self._slots
        if over:
            info["final_obs"] = self.observe(self.level).clone()
            info["episode"] = {name: total / self._slots for name, total in self._totals.items()}
            self._start()
        else:
            self._draw()
        ended = torch.full((self.num_envs,), over, device=self.device)
        return Step(self.observe(self.level), kpis.pf_utility.unsqueeze(1), torch.zeros_like(ended), ended, info)

    def observe(self, level: Level) -> HeteroData:
        """The networks as a level knows them: all but edges between stations at ``local``."""
        check_level(level)
        if level not in self._graphs:
            self._graphs[level] = hide(self.graph, level)
            if level == "local":
                near = self._graphs[level][NEIGHBOURS]
                near.edge_index = near.edge_index[:, :0]
        return self._graphs[level]

    def details(self) -> Served | None:
        """The last slot: networks, allocation and users' rates."""
        return self._served

    def masks(self) -> dict[str, Tensor]:
        """``may_serve [B, U, K]``: which of a user's candidates may serve it."""
        channel = self.graph[CHANNEL]
        may = channel.may_serve if "may_serve" in channel else torch.ones_like(channel.slot, dtype=torch.bool)
        most = int(channel.slot.max()) + 1
        table = torch.zeros(self.links.num_ue, most, dtype=torch.bool, device=self.device)
        table[self.links.ue, channel.slot] = may
        return {"may_serve": table.reshape(self.num_envs, self.num_users, most)}

    def state_dict(self) -> dict[str, Any]:
        """Seed and number of the networks, which follow from them, and the episode so far."""
        return {"seed": self.seed, "drawn": self.drawn, "slot": self.slot, "totals": dict(self._totals)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.seed, self.drawn = state["seed"], state["drawn"] - 1
        self._draw()
        self.slot, self._totals = state["slot"], dict(state["totals"])

    def _set_seed(self, seed: int) -> None:
        self.seed, self.drawn = seed, -1

    def _start(self) -> None:
        """Begin an episode."""
        self._draw()
        self.slot = 0
        self._totals = {name: torch.zeros(self.num_envs, device=self.device) for name in KPIS}

    def _draw(self) -> None:
        """Networks of the next slot."""
        self.drawn += 1
        if isinstance(self.scenario, HeteroData):
            graph = self.scenario.clone() if self.drawn == 0 else self.graph
        else:
            graph = self._sampled()
        self.graph: HeteroData = graph.to(self.device)
        self.links: Links = links_of(self.graph)
        ue = self.graph["ue"]
        if "serving_slot" not in ue:
            ue.serving_slot = torch.full((self.links.num_ue,), -1, device=self.device)
        self._graphs: dict[Level, HeteroData] = {}

    def _sampled(self) -> HeteroData:
        """Networks of a seed and slot; those of the last two are kept, as policies meet the same ones in turn."""
        assert isinstance(self.scenario, Scenario)
        key = self.seed, self.drawn
        if key not in self._kept:
            first = self.first + SLOT * self.drawn
            self._kept[key] = self.scenario.sample(self.num_envs, seed=self.seed, first=first)
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return self._kept[key]

    def _specification(self) -> ActionSpec[Allocation]:
        networks, users = self.num_envs, self.num_users
        power = Part("power_w", ("BN", "R"), "real")
        fields = (
            Part("serving", ("BU",), n=self.links.num_bs + 1, first=-1),
            power,
            Part("airtime", ("BU", "R"), "real", optional=True),
            Part("layer_power_w", ("BU", "R"), "real", optional=True),
            Part("precoder", ("BU", "A", "R"), "complex", low=torch.finfo(torch.float32).min, optional=True),
            Part("group", ("BU", "R"), n=users + 1, first=-1, optional=True),
        )
        candidates = int(self.graph[CHANNEL].slot.max()) + 1
        parts = (
            Part("place", ("B", "U"), n=candidates, mask="may_serve"),
            Part("power", ("B", "N", "R"), "real", high=1.0),
        )
        blocks = self.graph["ue"].noise_w.shape[1]
        antennas = self.graph[CHANNEL].h.shape[1] if "h" in self.graph[CHANNEL] else 0
        sizes = {"B": networks, "U": users, "N": self.num_stations, "R": blocks, "A": antennas}
        return ActionSpec(fields, parts, sizes, self._build, device=self.device)

    def _build(self, parts: Mapping[str, Tensor]) -> Allocation:
        """Candidates by their places and powers as fractions of the blocks' caps; a place without a candidate serves nobody."""
        place, links = parts["place"].flatten(), self.links
        degree = torch.bincount(links.ue, minlength=links.num_ue)
        serving = links.station_of(torch.where(place < degree, place, -1))
        return Allocation(serving, parts["power"].flatten(0, 1) * self.graph["bs"].rb_power_max_w)
