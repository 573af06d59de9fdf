"""Sections of IoT networks: rules, variants of the strong one, and which decision makes the gap between agents and rules."""

import sys
from typing import Any, Literal

import torch
from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.envs.iot.max_weight import MaxWeight, Memory
from hetgraph.envs.iot.rules import at_station, deal, equal_power, max_rsrp
from hetgraph.graph.schema import Level
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot import priors
from hetgraph.models.iot.decision import Discrete
from hetgraph.radio import Schedule
from hetgraph.radio.schedule import budgeted
from hetgraph.radio.spectrum import spectrum_of
from hetgraph.solvers.layers import layer_gains, layered_wmmse
from hetgraph.trainers.judge.trial import difference
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods
from hetgraph.trainers.reproduce.iot_tables import STARTED_RUN, judged, scenario_of
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table
from hetgraph.trainers.reproduce.tables import Measure, trial_table

COLUMNS = tuple(
    Measure(kpi)
    for kpi in ("throughput_bps", "bit_per_j", "qos_violation", "jain", "jain_rate", "handover_rate", "utilisation")
)
Source = Literal["paper", "strong", "agents"]


class Parts(MaxWeight):
    """Association, clusters and powers, each of the paper's baseline, of the strong classical policy or of agents.

    Args:
        agents: the agents.
        association: max RSRP, PF, or theirs.
        clusters: dealt to the best users in turn, max-weight, or theirs.
        powers: sum-rate WMMSE, WMMSE by urgency, or theirs.
    """

    level: Level = "global"

    def __init__(self, agents: HybridMADDPG, association: Source, clusters: Source, powers: Source) -> None:
        super().__init__(
            every=10 if association == "strong" else sys.maxsize
        )  # the base class associates in slot 0 alone
        self.agents, self.association, self.clusters, self.powers = agents, association, clusters, powers

    @torch.inference_mode()
    def act(self, obs: HeteroData, state: Memory, generator: Generator | None) -> tuple[Schedule, Memory]:
        """Schedule of a slot."""
        self.views = self.agents.views(obs)
        self.states = self.agents.encode(self.views)
        if self.association == "agents":
            station = self.agents.choose(self.views, self.states).station
        elif self.association == "paper":
            station = max_rsrp(spectrum_of(obs))
        else:
            return super().act(obs, state, generator)
        memory = Memory(state.slot or 1, station, state.fading, state.correlation)
        return super().act(obs, memory, generator)

    def _schedule(self, view: Any, station: Any, gain: Any) -> Schedule:
        agents, views = self.agents, self.views
        sinr = priors.expected_sinr(views.spectrum, station)
        bid = agents.pair_bid(views, self.states, station, sinr)
        if self.clusters == "agents":
            user = agents.clusters(views, self.states, station, bid, sinr)
        elif self.clusters == "paper":
            user = deal(view, station, at_station(view, station, view.gain).mean(2))
        else:
            user, _ = self._fill(view, station, gain, at_station(view, station, view.candidate_interference_w()))
        choice = Discrete(station, user, self.states.station.new_zeros(()), bid, sinr)
        if self.powers == "agents":
            return Schedule(station, user, agents.shares(views, self.states, choice))
        if self.powers == "paper":
            gains = layer_gains(view.gain, user, view.noise_w, view.power_max_w)
            power = layered_wmmse(gains, (user >= 0).to(view.gain.dtype), equal_power(user).to(view.gain.dtype), 30)
            return Schedule(station, user, budgeted(power, view.cap))
        power, _ = self._powers(view, gain, user, equal_power(user).to(view.gain.dtype))
        return Schedule(station, user, budgeted(power, view.cap))


DECISIONS = ("association", "clusters", "powers")


def gap(bench: Bench) -> Section:
    """Which part of the gap to WMMSE + max RSRP, and to the strong rule, is association, clusters and powers."""
    networks, slots = bench.count(40, 1), bench.count(200, 6)
    agents = bench.members(STARTED_RUN)[:1] or [HybridMADDPG()]
    rivals: tuple[Source, ...] = ("paper", "strong")
    methods: Methods = {"agents": Method(agents, "rule + learned")}
    for rival in rivals:
        for place in range(3):
            methods |= {
                _name(parts): Method([Parts(agents[0], *parts)], "rule + learned") for parts in _swapped(rival, place)
            }
        methods[_name((rival,) * 3)] = Method([Parts(agents[0], rival, rival, rival)])
    trial = judged(bench, scenario_of(bench), methods, networks, slots)
    rows = []
    for rival in rivals:
        for place, part in enumerate(DECISIONS):
            one, other = _swapped(rival, place)
            lost = difference(trial, "agents", _name(one), "throughput_bps").scaled(1e-6)
            won = difference(trial, _name(other), _name((rival,) * 3), "throughput_bps").scaled(1e-6)
            rows.append(Row(f"{part}, {rival}", "", {"lost": lost, "won": won}))
    columns = [
        Column("lost", "agents less agents with the rival's part, Mbit/s", "+.1f", ".1f"),
        Column("won", "rival with the agents' part less the rival, Mbit/s", "+.1f", ".1f"),
    ]
    note = "Rows name association, clusters and powers: of the paper's baseline, of the strong rule (one filling) or of the agents."
    tables = (Table("gaps by part", columns, rows), trial_table(trial, methods, "iot-noma", COLUMNS))
    return Section(tables, (note,), networks=f"{networks} networks of iot-noma, {slots} slots; the first training seed")


def _name(parts: tuple[Source, ...]) -> str:
    return " + ".join(parts)


def _swapped(rival: Source, place: int) -> tuple[tuple[Source, Source, Source], tuple[Source, Source, Source]]:
    """Agents with one part of a rival, and the rival with that part of the agents."""
    one: list[Source] = ["agents"] * 3
    other: list[Source] = [rival] * 3
    one[place], other[place] = rival, "agents"
    return (one[0], one[1], one[2]), (other[0], other[1], other[2])


def weights(bench: Bench) -> Section:
    """Variants of the strong rule, under a light and a heavy load."""
    networks, slots, tables = bench.count(40, 1), bench.count(200, 6), []
    variants: dict[str, MaxWeight] = {
        "urgency (wmmse_pf)": MaxWeight(),
        "queue": MaxWeight("queue"),
        "need": MaxWeight("need"),
        "fair": MaxWeight("fair"),
        "max RSRP": MaxWeight(associate="max_rsrp"),
        "least path loss (wmmse_path_loss)": MaxWeight(associate="path_loss"),
        "equal power": MaxWeight(power="equal"),
        "no prediction": MaxWeight(predict=False),
        "all power": MaxWeight(margin=0.0),
        "one round": MaxWeight(rounds=1),
        "three rounds": MaxWeight(rounds=3),
        "60 rounds of WMMSE": MaxWeight(iterations=60),
    }
    methods: Methods = {name: Method([policy]) for name, policy in variants.items()}
    for users in (100.0, 200.0)[: bench.count(2, 1)]:
        trial = judged(bench, scenario_of(bench, users=users), methods, networks, slots)
        tables.append(trial_table(trial, methods, f"iot-noma, {users:g} users", COLUMNS))
    return Section(tuple(tables), networks=f"{networks} networks each, {slots} slots")
