"""Handover policies by name, as the entry points of ``hetgraph.handovers`` find them."""

from hetgraph.envs.handover.rules import (
    Announced,
    Greedy,
    ProportionalFair,
    RandomMover,
    RoundRobin,
    Stay,
    StrongestCell,
)
from hetgraph.envs.handover.search_rules import DualPrice, Genetic, Negotiated, Optimum
from hetgraph.solvers.announced import PATIENCE

stay = Stay()
random = RandomMover()
greedy = Greedy()
round_robin = RoundRobin()
max_rsrp = StrongestCell()
cre = StrongestCell(bias_db=5.0, counted_db=1.5)  # the best on validation networks
pf_greedy, pf_announced, pf_negotiated = ProportionalFair(), Announced(), Negotiated()
pf_crowding = Negotiated(crowding=0.03)  # the best on validation networks, for users who only go to stronger cells
genetic = Genetic()
dual_price = DualPrice()
pf_optimum, pf_patient = Optimum(), Optimum(least_gain=PATIENCE)
