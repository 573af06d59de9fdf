"""Users with files and streams move through a network; cells' offsets, or decisions for each user, hand them over."""

import copy
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.base import GraphEnv, check_level, number_of_networks
from hetgraph.envs.handover.defaults import check_at_least, check_terms, default_rule
from hetgraph.envs.handover.graph import Sizes, Terms, empty_graph, set_masts, set_network
from hetgraph.envs.handover.observe import level_graph
from hetgraph.envs.handover.sources import Networks, World
from hetgraph.envs.handover.traffic_actions import Actions, check_decides, traffic_specification
from hetgraph.envs.handover.traffic_kpis import TRAFFIC_INDICATORS, EpisodeSums, rewards
from hetgraph.envs.handover.traffic_observe import TrafficView, fill, packed, unpacked, view_of
from hetgraph.envs.handover.traffic_physics import Physics, TrafficWeights
from hetgraph.envs.handover.traffic_state import HandoverCounters, Limits, TrafficState, hand_over, tick
from hetgraph.envs.handover.traffic_world import Clock, Episode, episode_of, flows_of, traffic_world
from hetgraph.envs.step import Step
from hetgraph.graph.presets import preset
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import Streams
from hetgraph.graph.traffic import Flows
from hetgraph.kpi_table import Kpi, indicator
from hetgraph.radio.handover import HandoverAction
from hetgraph.radio.offsets import centred, stepped_offsets

STRIDE = 61  # networks of a pool between two episodes of an environment; prime, so that all come in turn
WORLD_STRIDE = 1_000_003  # between the seeds of fresh worlds of two episodes
MOST_BPS_HZ = 8.0
SMOOTHING = 0.1  # share of the last step in the moving mean of a user's rate


class HandoverTrafficEnv(GraphEnv[HandoverAction]):
    """``B`` networks of K cells and U users who move and download; a decision a second, handovers on a clock of 0.1 s.

    A tick: bits come (:class:`~hetgraph.graph.traffic.Flows`); users measure, and measurements are filtered; A3 hands over users for
    whom another cell, offsets included, has been stronger by the margin for the time to trigger; users with something to receive
    share their cell's airtime (:func:`~hetgraph.radio.airtime.processor_sharing`), other cells interfering by their activities. A
    handover interrupts service; a link whose SINR is too low for too long is lost for a while; see
    :class:`~hetgraph.envs.handover.traffic_physics.Physics`.

    Actions are changes of the cells' individual offsets by ``-offset_step_db``, 0 or ``+offset_step_db``
    (:func:`~hetgraph.radio.offsets.stepped_offsets`: cut, then shifted to a mean of zero in each network), by which A3 works from
    then on; or, of ``users``, a place and a level for each user, by which it is handed over once, at the first tick, and no A3.
    Policies may give either or both whatever ``actions`` says, offsets in dB in place of changes, and A3's margin and time to
    trigger, which then stay.

    The reward of all cells is the team's (:class:`~hetgraph.envs.handover.traffic_physics.TrafficWeights`), ``info["reward_local"]``
    what the users of each cell add to it, as often as there are cells, so that their mean is the team's without prices.

    Episodes end by the clock (*truncated*) and are reset within the same step; ``info["episode"]`` has the indicators
    (``TRAFFIC_INDICATORS``). Traffic is drawn anew for each episode; networks and ways of users stay, or come from a pool in turn as
    in :class:`~hetgraph.envs.HandoverEnv`, or are drawn anew, too (``fresh``).

    Args:
        scenario: networks, as :class:`~hetgraph.envs.HandoverEnv` takes them; traffic is flows, or none for flows by default.
        num_envs: networks B; ``None`` for one, or for as many as a batch has.
        first: number of the first one.
        actions: ``offsets`` or ``users``: what the action's parts are.
        neighbours: other cells k that a user reports; ``None`` for three, or for all where there are fewer.
        levels: number of resource levels.
        flows: traffic; ``None`` for the scenario's, or flows by default where it has none.
        weights: prices in the reward.
        physics: how cells and users behave.
        steps: decisions of an episode.
        margin_db: of A3; ``None`` for the scenario's, or 1 dB.
        time_to_trigger_s: of A3: how long before the present tick its condition has to have held; ``None`` for the scenario's.
        offset_step_db: by which an action changes an offset.
        offset_max_db: largest offset.
        rate_unit_bps: rate that counts as one in the utility log(1 + rate).
        networks: size P of the pool; ``None`` for a network for each environment.
        fresh: draw networks and ways anew for each episode.
        level: of the observations.
        seed: of everything that is drawn.
        device: where the tensors are.

    Raises:
        ValueError: a value out of its range.
    """

    kpis: tuple[Kpi, ...] = tuple(indicator(name) for name in (*TRAFFIC_INDICATORS, "reward"))
    is_branch = False

    def __init__(
        self,
        scenario: str | Networks = "handover-traffic",
        num_envs: int | None = None,
        *,
        first: int = 0,
        actions: Actions = "offsets",
        neighbours: int | None = None,
        levels: int = 5,
        flows: Flows | None = None,
        weights: TrafficWeights = TrafficWeights(),
        physics: Physics = Physics(),
        steps: int = 60,
        margin_db: float | None = None,
        time_to_trigger_s: float | None = None,
        offset_step_db: float = 1.5,
        offset_max_db: float = 6.0,
        rate_unit_bps: float = 1e5,
        networks: int | None = None,
        fresh: bool = False,
        level: Level = "neighbourhood",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.scenario: Networks = preset(scenario) if isinstance(scenario, str) else scenario
        self.num_envs = number_of_networks(self.scenario, num_envs)
        rules = self.scenario.rules if isinstance(self.scenario, Scenario) else Rules()
        trigger_s = rules.time_to_trigger_s if time_to_trigger_s is None else time_to_trigger_s
        places = 1 if neighbours is None else neighbours
        check_at_least({"num_envs": self.num_envs, "neighbours": places, "levels": levels, "steps": steps}, 1)
        nonnegative = {"first": first, "time_to_trigger_s": trigger_s, "offset_step_db": offset_step_db}
        check_at_least(nonnegative | {"offset_max_db": offset_max_db}, 0)
        check_terms(rate_unit_bps, "shared")
        check_level(level)
        self.first, self.weights, self.levels, self.fresh = first, weights, levels, fresh
        self.offset_step_db, self.offset_max_db, self.rate_unit_bps = offset_step_db, offset_max_db, rate_unit_bps
        self.level, self.device, self.seed, self.episode = level, torch.device(device), seed, -1
        self.flows = flows_of(self.scenario) if flows is None else flows
        self.clock = Clock.of(self.scenario, steps)
        self.pool = networks
        self._world_key: tuple[int, int] | None = None
        world = self._draw_world(0)
        t = world.trajectories
        self.num_cells = self.num_stations = t.cells
        self.num_users = t.users
        self.neighbours = max(min(3, t.cells - 1), 1) if neighbours is None else neighbours
        if t.cells <= self.neighbours:
            raise ValueError(f"neighbours: got {self.neighbours}, expected fewer than the {t.cells} cells")
        most = MOST_BPS_HZ if rules.most_bps_hz is None else rules.most_bps_hz
        self.limits = Limits(physics, self.clock, t.bandwidth_hz, 2.0**most - 1)
        rule = default_rule(rules, t)
        margin = (1.0 if rules.margin_db is None else rules.margin_db) if margin_db is None else margin_db
        self.margin_db, self.trigger_ticks = margin, round(trigger_s / self.clock.tick_s)
        self.terms = Terms(rule, "shared", levels, t.bandwidth_hz, t.noise_w, self.clock.step_s, rate_unit_bps, steps)
        self.sizes = Sizes(self.num_envs, self.num_cells, self.num_users, self.neighbours + 1)
        self._graph = empty_graph(self.sizes, self.terms, self.device)
        self.action = traffic_specification(self.sizes, levels, actions, self.device)
        self._start()

    def _draw_world(self, episode: int) -> World:
        """Networks and ways of an episode; drawn only where they are other ones than the last."""
        key = (self.seed, episode if self.fresh else 0)
        if key != self._world_key:
            seed = self.seed + WORLD_STRIDE * key[1]
            count, first = (self.num_envs, self.first) if self.pool is None else (self.pool, 0)
            world = traffic_world(self.scenario, count, self.clock, seed=seed, first=first)
            self.world, self._world_key = world.to(self.device), key
        return self.world

    def _place(self) -> None:
        """Draw the episode of the present number."""
        world, numbers = self._draw_world(self.episode), range(self.first, self.first + self.num_envs)
        number = torch.arange(self.first, self.first + self.num_envs, device=self.device)
        turn = number - self.first if self.pool is None else number + STRIDE * self.episode
        network = turn % world.trajectories.networks
        streams = Streams(self.seed, numbers, attempt=self.episode)
        self._set_episode(episode_of(world, self.flows, self.clock, network, streams))

    def _set_episode(self, drawn: Episode) -> None:
        """Play an episode from now on."""
        self.drawn, world = drawn, self.world
        network, t = drawn.network, world.trajectories
        self._near = set_network(self._graph, t.bs_pos[network], t.power_w[network])
        set_masts(self._graph, world.masts, network, t.tier[network])
        self.heights = world.masts.user_height_m[network]
        self._graphs: dict[Level, HeteroData] = {}

    def _start(self) -> None:
        self.episode += 1
        self._place()
        start = {"level": self.levels - 1, "trigger_ticks": self.trigger_ticks}
        self.state = TrafficState.start(self.drawn, self.limits, margin_db=self.margin_db, **start)
        self.sums = EpisodeSums.zeros(self.num_envs, self.num_users, self.num_cells, self.device)
        self.step_number = 0
        zero = torch.zeros(self.num_envs, self.num_users, device=self.device)
        self._look(zero, zero.clone(), zero[:, 0])

    def _look(self, rate: Tensor, rate_mean: Tensor, moved: Tensor) -> None:
        """What is known before the next decision."""
        drawn, number = self.drawn, max(self.step_number * self.clock.every - 1, 0)
        place, part = drawn.at(number)
        after = min(place + 1, len(drawn.ue_pos) - 1)
        pos = torch.lerp(drawn.ue_pos[place], drawn.ue_pos[after], part)
        self.view = view_of(
            self.state,
            drawn.received(number),
            drawn.floor(number),
            places=self.neighbours + 1,
            every=self.clock.every,
            rate=rate,
            rate_mean=rate_mean,
            pos=torch.cat([pos, self.heights.unsqueeze(2)], 2),
            speed=drawn.speed_mps[place],
            moved=moved,
            step=self.step_number,
        )

    def twin(self) -> "HandoverTrafficEnv":
        """An equal environment at the start of the same episode; what is drawn for both is shared."""
        twin = copy.copy(self)
        twin._graph = empty_graph(self.sizes, self.terms, self.device)
        twin.episode -= 1
        twin._start()
        return twin

    def branch(self, drawn: Episode, row: Tensor) -> "HandoverTrafficEnv":
        """An environment of some of the networks at their present state, for trying actions; it ends with the episode.

        Args:
            drawn: what their users receive and are offered, of as many networks.
            row: the networks' places in this one, some of them several times.
        """
        branch = copy.copy(self)
        branch.num_envs, branch.is_branch = len(row), True
        branch.sizes = replace(self.sizes, networks=len(row))
        branch._graph = empty_graph(branch.sizes, self.terms, self.device)
        branch.action = replace(self.action, sizes={**self.action.sizes, "B": len(row)})
        branch._set_episode(drawn)
        branch.state = self.state.networks(row)
        branch.sums = EpisodeSums.zeros(len(row), self.num_users, self.num_cells, self.device)
        branch._look(*(getattr(self.view, name)[row] for name in ("rate", "rate_mean", "moved")))
        return branch

    def step(self, action: HandoverAction) -> Step:
        """Set offsets, or send users to cells, and let the ticks of a second pass.

        Args:
            action: offsets, or places and levels; places that are not allowed count as staying.

        Raises:
            ValueError: a malformed action, or one that decides nothing.
        """
        self.action.check(action)
        check_decides(action, self.action)
        counters = HandoverCounters.zeros(self.num_envs, self.num_users, self.num_cells, self.device)
        refused = self.decide(action, counters)
        self.advance(counters, a3=action.offset is not None or action.offset_db is not None)
        reward, local = rewards(counters, self.state.cell, self.drawn.mean_bps, self.weights, self.limits)
        rate = counters.served / self.clock.step_s
        self.sums.add(counters, reward, (rate / self.rate_unit_bps).log1p())
        self.step_number += 1
        over = self.step_number >= self.clock.steps
        info: dict[str, Any] = {"refused": refused, "reward_local": local, "counters": counters}
        self._look(rate, torch.lerp(self.view.rate_mean, rate, SMOOTHING), counters.handovers / self.num_users)
        if over:
            info["final_obs"] = self.observe(self.level).clone()
            info["episode"] = self.sums.indicators(self.limits)
            if not self.is_branch:
                self._start()
        ended = torch.full((self.num_envs,), over, device=self.device)
        return Step(self.observe(self.level), reward, torch.zeros_like(ended), ended, info)

    def decide(self, action: HandoverAction, counters: HandoverCounters) -> Tensor:
        """Let an action take effect before the first tick; how many wishes of each network were refused ``[B]``."""
        state = self.state
        if action.margin_db is not None:
            state.margin_db = action.margin_db.to(state.offset_db)
        if action.trigger_ticks is not None:
            state.trigger_ticks = action.trigger_ticks.long()
        if action.offset is not None:
            state.offset_db = stepped_offsets(state.offset_db, action.offset, self.offset_step_db, self.offset_max_db)
        if action.offset_db is not None:
            state.offset_db = centred(action.offset_db.to(state.offset_db), self.offset_max_db)
        if action.place is None:
            return torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        target, level = action.moves()
        target_place = target.long().unsqueeze(2)
        allowed = self.view.allowed().gather(2, target_place)
        state.level = level.long().clone()
        hand_over(state, self.view.cell.gather(2, target_place * allowed).squeeze(2), self.limits, counters)
        return (~allowed).squeeze(2).sum(1)

    def advance(self, counters: HandoverCounters, *, a3: bool) -> None:
        """Let the ticks of a step pass."""
        begin = self.step_number * self.clock.every
        for number in range(begin, begin + self.clock.every):
            tick(self.state, self.drawn, number, self.limits, counters, a3=a3)

    def observe(self, level: Level) -> HeteroData:
        """The networks as graphs, a view of the state; see :func:`~hetgraph.envs.handover.traffic_observe.fill`.

        Raises:
            ValueError: an unknown level.
        """
        check_level(level)
        if level not in self._graphs:
            self._graphs[level] = level_graph(self._graph, level)
        return fill(self._graphs[level], self.view, self.terms, self.limits, level, self._near)

    @property
    def episode_slots(self) -> int:
        """Length of an episode."""
        return self.clock.steps

    def masks(self) -> dict[str, Tensor]:
        """``allowed [B, U, k + 1]``: where users may go."""
        return {"allowed": self.view.allowed()}

    def pack(self) -> dict[str, Tensor]:
        """The present state of each network, about 80 bytes a user; see :meth:`unpack`."""
        t, network = self.world.trajectories, self.drawn.network
        where = {"network": network.clone(), "bs_pos": t.bs_pos[network], "power_w": t.power_w[network]}
        return packed(self.view, self.num_cells) | where

    def unpack(self, rows: Mapping[str, Tensor], level: Level) -> HeteroData:
        """Observation of packed states, any number of them, the same as it was then; the environment's own state stays.

        Args:
            rows: of :meth:`pack`, of this environment or of another one of the same scenario.
            level: of the observation.
        """
        check_level(level)
        view: TrafficView = unpacked(rows)
        sizes = replace(self.sizes, networks=len(view.step))
        graph = empty_graph(sizes, self.terms, self.device)
        near = set_network(graph, rows["bs_pos"], rows["power_w"])
        set_masts(graph, self.world.masts, rows["network"], self.world.trajectories.tier[rows["network"]])
        return fill(level_graph(graph, level), view, self.terms, self.limits, level, near)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside what the seed draws."""
        state = {field.name: getattr(self.state, field.name).clone() for field in fields(TrafficState)}
        rates = {name: getattr(self.view, name).clone() for name in ("rate", "rate_mean", "moved")}
        place = {"seed": self.seed, "episode": self.episode, "step": self.step_number}
        return {**place, "state": state, "rates": rates, "sums": self.sums.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`; what is drawn is drawn again where seed or episode are others."""
        redraw = (state["seed"], state["episode"]) != (self.seed, self.episode)
        self.seed, self.episode, self.step_number = state["seed"], state["episode"], state["step"]
        if redraw:
            self._place()
        tensors = {name: value.to(self.device, copy=True) for name, value in state["state"].items()}
        self.state = TrafficState(**tensors)
        self.sums.load_state_dict(state["sums"])
        self._look(*(state["rates"][name].to(self.device, copy=True) for name in ("rate", "rate_mean", "moved")))
