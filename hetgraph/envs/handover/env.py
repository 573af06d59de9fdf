"""Users move through a network; cells hand them over and set their resource levels (Section III of the QMIX paper)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.base import GraphEnv, check_level, number_of_networks
from hetgraph.envs.handover.actions import specification
from hetgraph.envs.handover.defaults import check_at_least, check_terms, default_rule
from hetgraph.envs.handover.graph import Sizes, Terms, empty_graph, set_masts, set_network
from hetgraph.envs.handover.observe import StepState, fill, level_graph, packed_rows, unpacked_state
from hetgraph.envs.handover.reward import INDICATORS, HandoverWeights, credits, indicators, rewards
from hetgraph.envs.handover.sources import Networks, World, world_of
from hetgraph.envs.handover.tables import TrajectoryTables
from hetgraph.envs.handover.users import Timing, UserState
from hetgraph.envs.step import Step
from hetgraph.graph.presets import preset
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import Streams
from hetgraph.graph.trajectories import Trajectories
from hetgraph.kpi_table import Kpi, indicator
from hetgraph.radio.handover import (
    HandoverAction,
    HandoverRule,
    ResourceModel,
    strongest_cells,
)

STRIDE = 61  # networks of a pool between two episodes of an environment; prime, so that all come in turn


class HandoverEnv(GraphEnv[HandoverAction]):
    """``B`` networks of K cells and U users who move; each step their cells may hand them over and set their resource levels.

    A step: users are handed over as far as the rule lets them, by what they reported in the step before; they have moved on, and
    are served. A user can ask for one of the ``neighbours`` strongest cells other than its own (after bias where the rule
    counts it). It goes if the cell is ``margin_db`` stronger, was so in the ``time_to_trigger`` steps before, and takes another
    user; of several the one with the largest gain is first. Episodes begin with every user at its strongest cell, without
    bias, as far as the cells' ``max_users`` allow (:func:`~hetgraph.radio.handover.strongest_cells`), and all levels at the
    highest, so equal.

    Rates: a link has log2(1 + SINR) with all other cells at full power, and :func:`~hetgraph.radio.handover.resource_rates`
    shares each cell among its users. Episodes of all networks end together by the clock (*truncated*), and are then reset
    within the same step (``autoreset`` is ``same_step``): ``obs`` is the first observation of the next episode,
    ``info["final_obs"]`` the last one of the old, ``info["episode"]`` its indicators, means over time (see ``INDICATORS``).

    Environment b, number ``first + b``, has the network of its number in all episodes; of a pool of P networks (``networks``, or given
    trajectories) that of number ``first + b + 61 e`` modulo P in episode e, from a step that the seed draws where trajectories are
    longer than an episode.

    Args:
        scenario: trajectories, or what to draw them from: a preset's name, a scenario, or a graph or batch of graphs; see
            :func:`~hetgraph.envs.handover.sources.world_of`.
        num_envs: networks B; ``None`` for one, or for as many as a batch has.
        first: number of the first one.
        rule: when a user may change its cell; ``None`` for the scenario's rules, and where these are silent a margin of 2.5 dB and
            loads up to 0.85 of 30 users, or of three times the mean number of a cell's users where that is more.
        neighbours: other cells k that a user can ask for; ``None`` for three, or for all where there are fewer.
        resource_model: how levels count.
        levels: number of resource levels.
        weights: of the reward's terms.
        steps: of an episode.
        time_to_trigger: steps before the present one in which a cell has to have been stronger by the margin; ``None`` for the
            scenario's.
        ping_pong_steps: a user that goes back to the cell it left at most so many steps ago is a ping-pong.
        forbid_ping_pong: such handovers are not allowed.
        bias_db: range expansion of cells whose power is below their network's largest, where the rule counts it.
        rate_unit_bps: rate that counts as one in the utility log(1 + rate).
        networks: size P of the pool that is drawn for a scenario; ``None`` for a network for each environment.
        pool_steps: length of its trajectories; ``None`` for an episode's and one step more.
        credit: tell ``info["credit"] [B, U]``, see :func:`~hetgraph.envs.handover.reward.credits`.
        level: of the observations.
        seed: of the trajectories that are drawn for a scenario, and of where episodes begin.
        device: where the tensors are.

    Raises:
        ValueError: a value out of its range.
    """

    kpis: tuple[Kpi, ...] = tuple(indicator(name) for name in (*INDICATORS, "reward"))

    def __init__(
        self,
        scenario: str | Networks = "handover-full",
        num_envs: int | None = None,
        *,
        first: int = 0,
        rule: HandoverRule | None = None,
        neighbours: int | None = None,
        resource_model: ResourceModel = "shared",
        levels: int = 5,
        weights: HandoverWeights = HandoverWeights(),
        steps: int = 50,
        time_to_trigger: int | None = None,
        ping_pong_steps: int = 5,
        forbid_ping_pong: bool = False,
        bias_db: float = 6.0,
        rate_unit_bps: float = 1e5,
        networks: int | None = None,
        pool_steps: int | None = None,
        credit: bool = False,
        level: Level = "neighbourhood",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.scenario: Networks = preset(scenario) if isinstance(scenario, str) else scenario
        given = self.scenario
        num_envs = number_of_networks(given, num_envs)
        rules = given.rules if isinstance(given, Scenario) else Rules()
        check_at_least(
            {
                "num_envs": num_envs,
                "neighbours": 1 if neighbours is None else neighbours,
                "levels": levels,
                "steps": steps,
            },
            1,
        )
        check_at_least(
            {
                "first": first,
                "time_to_trigger": time_to_trigger or 0,
                "ping_pong_steps": ping_pong_steps,
                "bias_db": bias_db,
            },
            0,
        )
        check_terms(rate_unit_bps, resource_model)
        check_level(level)
        self.num_envs, self.weights = num_envs, weights
        self.first, self.pooled = first, networks is not None or isinstance(given, Trajectories)
        self.resource_model, self.levels, self.steps = resource_model, levels, steps
        self.bias_db, self.rate_unit_bps = bias_db, rate_unit_bps
        self._drawn = (networks or num_envs, pool_steps or steps + 1)
        self.credit = credit
        self.level, self.device, self.seed, self.episode = level, torch.device(device), seed, -1
        world = self._world()
        self.neighbours = max(min(3, world.trajectories.cells - 1), 1) if neighbours is None else neighbours
        self.rule = default_rule(rules, world.trajectories) if rule is None else rule
        trigger = rules.time_to_trigger_s / world.trajectories.slot_s
        trigger_steps = round(trigger) if time_to_trigger is None else time_to_trigger
        self.timing = Timing(trigger_steps, ping_pong_steps, forbid_ping_pong)
        self._set_pool(world)
        self.sizes = Sizes(num_envs, self.num_cells, self.num_users, self.neighbours + 1)
        self._graph = empty_graph(self.sizes, self.terms, self.device)
        self.action = specification(self.sizes, levels, self.device)
        self._first = self.num_cells * torch.arange(num_envs, device=self.device).reshape(-1, 1, 1)
        self._start()

    def _world(self) -> World:
        """Trajectories of a scenario are those of the seed; given ones stay."""
        networks, steps = self._drawn
        first = 0 if self.pooled else self.first
        return world_of(self.scenario, networks, steps=steps, seed=self.seed, first=first).to(self.device)

    def _set_seed(self, seed: int) -> None:
        super()._set_seed(seed)
        self._draw_pool()

    def _draw_pool(self) -> None:
        """Draw the pool anew where the seed is another one."""
        if self._pool_seed != self.seed and not isinstance(self.scenario, Trajectories):
            self._set_pool(self._world())

    def _set_pool(self, world: World) -> None:
        """Work out what users receive."""
        trajectories, self.masts = world.trajectories, world.masts
        if trajectories.steps < self.steps:
            raise ValueError(f"steps: got {self.steps}, expected at most the trajectories' {trajectories.steps}")
        if trajectories.cells <= self.neighbours:
            raise ValueError(f"neighbours: got {self.neighbours}, expected fewer than the {trajectories.cells} cells")
        self.num_cells = self.num_stations = trajectories.cells
        self.num_users = trajectories.users
        height_m = self.masts.user_height_m
        self.tables = TrajectoryTables.of(trajectories, self.rule, self.bias_db, self.neighbours, height_m)
        self.terms = Terms(
            self.rule,
            self.resource_model,
            self.levels,
            trajectories.bandwidth_hz,
            trajectories.noise_w,
            trajectories.slot_s,
            self.rate_unit_bps,
            self.steps,
        )
        self._pool_seed: int | None = self.seed

    def _start(self) -> None:
        """Begin the next episode."""
        self.episode += 1
        self._place()
        t = self.tables.trajectories
        received = t.gain.flatten(0, 1)[self._row(0)] * self.power_w.unsqueeze(1)
        cell = strongest_cells(received.log10(), self.rule.max_users)
        self.users = UserState(cell, self.num_cells, self.terms, self.timing)
        self.moved = torch.zeros(self.num_envs, device=self.device)
        self.totals = {name: torch.zeros_like(self.moved) for name in (*INDICATORS, "reward")}
        self.step_number = 0
        self.users.share_cells(self.tables.links(self._row(0), cell).efficiency[..., 0])
        self.users.count_trigger(self.tables, self._row(0))
        self._look()

    def _place(self) -> None:
        """Which networks an episode is of, and from which step."""
        t, b = self.tables.trajectories, self.num_envs
        number = torch.arange(self.first, self.first + b, device=self.device)
        self.network = (number + STRIDE * self.episode) % t.networks if self.pooled else number - self.first
        spare = max(t.steps - self.steps - 1, 0)
        draw = Streams(self.seed, range(self.first, self.first + b)).uniform(f"handover/{self.episode}", 1).squeeze(1)
        self.begin = (draw * (spare + 1)).long().clamp_max(spare).to(self.device)
        self.power_w = t.power_w[self.network]
        self._near = set_network(self._graph, t.bs_pos[self.network], self.power_w)
        set_masts(self._graph, self.masts, self.network, t.tier[self.network])
        self._graphs: dict[Level, HeteroData] = {}

    def _row(self, step: int) -> Tensor:
        return self.tables.rows(self.network, self.begin + step)

    def _look(self) -> None:
        """What users receive at the present step, and where they may go."""
        row = self._row(self.step_number)
        links = self.tables.links(row, self.users.cell)
        node = links.cell + self._first
        count = torch.zeros(self.num_envs * self.num_cells, dtype=links.efficiency.dtype, device=self.device)
        count.scatter_add_(0, node[..., 0].flatten(), count.new_ones(node[..., 0].numel()))
        users, gain_db = (
            count.index_select(0, node.view(-1)).view(node.shape),
            links.biased_db - links.biased_db[..., :1],
        )
        stronger = self.users.stronger(links, gain_db)
        allowed = stronger & (users < self.rule.room)
        stronger[..., 0] = allowed[..., 0] = True
        self.state = StepState(
            row=row,
            links=links,
            node=node,
            count=count.reshape(self.num_envs, -1),
            users=users,
            gain_db=gain_db,
            stronger=stronger,
            allowed=allowed,
            level=self.users.level,
            since=self.users.since,
            rate=self.users.rate,
            moved=self.moved,
            step=torch.full_like(row, self.step_number),
        )

    def step(self, action: HandoverAction) -> Step:
        """Hand users over by their reports, and serve them where they are now.

        Args:
            action: places and levels; places that are not allowed count as staying.

        Raises:
            ValueError: a malformed action.
        """
        self.action.check(action)
        wish, level = action.moves()
        action, place = HandoverAction(wish.long(), level.long().clone()), wish.long().unsqueeze(2)
        refused = (~self.state.allowed.gather(2, place)).squeeze(2).sum(1)
        served = self.users.serve(action, self.state, self.tables)
        reward = rewards(
            served,
            self.num_cells,
            self.weights,
            model=self.resource_model,
            levels=self.levels,
            max_users=self.rule.max_users,
        )
        bandwidth_hz = self.terms.bandwidth_hz
        result = indicators(served, self.power_w, bandwidth_hz=bandwidth_hz, max_users=self.rule.max_users)
        measured = result | {"reward": reward.mean(1)}
        self.totals = {name: total + measured[name] for name, total in self.totals.items()}
        self.moved = result["handover_rate"]
        self.step_number += 1
        over = self.step_number >= self.steps
        info: dict[str, Any] = {"indicators": result, "refused": refused}
        if self.credit:
            info["credit"] = credits(served, self.num_cells, self.weights, self.resource_model)
        self.users.count_trigger(self.tables, self._row(self.step_number))
        self._look()
        if over:
            info["final_obs"] = self.observe(self.level).clone()
            info["episode"] = {name: total / self.steps for name, total in self.totals.items()}
            self._start()
        ended = torch.full((self.num_envs,), over, device=self.device)
        return Step(self.observe(self.level), reward, torch.zeros_like(ended), ended, info)

    def observe(self, level: Level) -> HeteroData:
        """The networks as graphs, a view of the state; see :func:`~hetgraph.envs.handover.observe.fill`.

        Raises:
            ValueError: an unknown level.
        """
        check_level(level)
        if level not in self._graphs:
            self._graphs[level] = level_graph(self._graph, level)
        return fill(self._graphs[level], self.tables, self.terms, self.state, level, self._near)

    @property
    def episode_slots(self) -> int:
        """Length of an episode."""
        return self.steps

    def masks(self) -> dict[str, Tensor]:
        """``allowed [B, U, k + 1]``: where users may go."""
        return {"allowed": self.state.allowed}

    def pack(self) -> dict[str, Tensor]:
        """The present state of each network in 4 bytes a user; see :meth:`unpack`."""
        return packed_rows(self.state, self.network, self.begin, self.num_cells)

    def unpack(self, rows: Mapping[str, Tensor], level: Level) -> HeteroData:
        """Observation of packed states, any number of them, the same as it was then; the environment's own state stays.

        Args:
            rows: of :meth:`pack`, of this environment or of another one of the same trajectories and rules.
            level: of the observation.
        """
        check_level(level)
        state, t = unpacked_state(rows, self.tables, self.terms, self.neighbours + 1), self.tables.trajectories
        sizes = Sizes(len(state.step), self.num_cells, self.num_users, self.neighbours + 1)
        graph = empty_graph(sizes, self.terms, self.device)
        network = rows["network"]
        near = set_network(graph, t.bs_pos[network], t.power_w[network])
        set_masts(graph, self.masts, network, t.tier[network])
        return fill(level_graph(graph, level), self.tables, self.terms, state, level, near)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside the trajectories and the seed."""
        totals = {name: value.clone() for name, value in self.totals.items()}
        episode = {"seed": self.seed, "episode": self.episode, "step": self.step_number}
        return {**episode, "users": self.users.state_dict(), "moved": self.moved.clone(), "totals": totals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.seed, self.episode = state["seed"], state["episode"]
        self._draw_pool()
        self._place()
        self.step_number = state["step"]
        self.users.load_state_dict(state["users"])
        self.moved = state["moved"].to(self.device, copy=True)
        self.totals = {name: value.to(self.device, copy=True) for name, value in state["totals"].items()}
        self._look()
