"""The rule that IoT agents correct, on the own view of each station: the classical rival of schedulers that see no more."""

from typing import Any

import torch
from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.iot.priors import Rule, expected_sinr
from hetgraph.models.iot.views import tables_of
from hetgraph.radio.auction import auction
from hetgraph.radio.schedule import Schedule, budgeted, contest

ROUNDS = 4  # of the auction for each layer
# Mean of the last generation of hetgraph.trainers.iot.tuning.tune_own_view on small networks under high load
# (`iot-noma:users=20,small_cells=3,subchannels=10,load=4`), population 16, elites 4, generations 6.
TUNED = {
    "budget": 1.06,
    "rate": 1.965,
    "urgency": 0.205,
    "stay": 0.398,
    "weight": 0.447,
    "spread": 2.573,
    "margin": 0.776,
    "toll": 0.665,
}


class OwnViewRule:
    """Association by part of the difference of budgets, an auction of subchannels and WMMSE powers among a station's own users.

    :class:`~hetgraph.models.iot.priors.Rule` without what others' users report. A user that changes its station is scheduled from
    the next slot on, as only then the new one has its reports.

    Args:
        rounds: rounds of the auction for each layer.
        toll: price of a watt on a subchannel, in place of what others' users would announce
            (:func:`~hetgraph.models.iot.priors.announced_price`).
        constants: of the rule that are not its defaults.
    """

    level: Level = "local"
    name = "own_view"

    def __init__(self, rounds: int = ROUNDS, toll: float = 0.0, **constants: float) -> None:
        self.rounds, self.toll, self.rule = rounds, toll, Rule(**constants)  # type: ignore[arg-type]

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot."""
        views = tables_of(obs)
        view, rule = views.spectrum, self.rule
        bid = rule.association_bid(view)
        station = contest(bid, view.active.unsqueeze(1).expand_as(bid))
        known = torch.where((station == view.station) | (view.station < 0), station, -1)
        sinr, (b, n, _, s) = expected_sinr(view, station), view.shape
        bits = rule.bits_of(view, known, sinr, view.gain.new_zeros(b, n, s))
        pair_bid = rule.subchannel_bid(views, sinr)
        user = auction(pair_bid, bits, rule.wanted_bits(view), known, n, view.layers, self.rounds)
        price = (self.toll * view.power_max_w).unsqueeze(2).expand(b, n, s)
        return Schedule(station, user, budgeted(rule.powers(view, user, sinr, price), view.cap)), state


own_view = OwnViewRule(ROUNDS, **TUNED)
