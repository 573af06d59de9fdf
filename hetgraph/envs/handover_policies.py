"""Handover policies by name, as the entry points of ``hetgraph.handovers`` find them."""

from hetgraph.envs.mover_search import DualPrice, Genetic, Optimum
from hetgraph.envs.movers import Greedy, ProportionalFair, RandomMover, RoundRobin, Stay, StrongestCell

stay = Stay()
random = RandomMover()
greedy = Greedy()
round_robin = RoundRobin()
max_rsrp = StrongestCell()
cre = StrongestCell(bias_db=2.0)
pf_greedy = ProportionalFair()
genetic = Genetic()
dual_price = DualPrice()
pf_optimum = Optimum()
