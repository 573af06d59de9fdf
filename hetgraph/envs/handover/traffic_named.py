"""Policies of worlds with traffic by name, as the entry points of ``hetgraph.traffic_handovers`` find them."""

from hetgraph.envs.handover.traffic_rules import A3, LoadBalancing, TierOffsets
from hetgraph.envs.handover.traffic_user_rules import BestExpectedRate, MaxWeight, QueuePrice

a3, cre, mlb = A3(), TierOffsets(), LoadBalancing()
best_expected_rate, dual_price, max_weight = BestExpectedRate(), QueuePrice(), MaxWeight()
