"""Policies of worlds with traffic by name, as the entry points of ``hetgraph.traffic_handovers`` find them.

Numbers are the best of 200 draws each (:func:`~hetgraph.envs.handover.tuning.tune`: random ones, then the cross-entropy
method) in mean delay on four validation networks of ``handover-traffic`` (seed 1,000,000), of those with at most 6.8 handovers
of a user in a minute. ``max_weight`` has what was set by hand.
"""

from hetgraph.envs.handover.traffic_rules import (
    A3,
    A3Parameters,
    BalancingParameters,
    LoadBalancing,
    TierOffsets,
    TierParameters,
)
from hetgraph.envs.handover.traffic_user_rules import (
    BestExpectedRate,
    MaxWeight,
    PriceParameters,
    QueuePrice,
    RateParameters,
)

a3 = A3(A3Parameters(margin_db=1.13, trigger_s=0.0))
cre = TierOffsets(TierParameters(margin_db=1.21, trigger_s=0.0, middle_db=3.18, small_db=2.93))
mlb = LoadBalancing(
    BalancingParameters(margin_db=1.46, trigger_s=0.0, gain_db=0.471, cap_db=4.14, period=1.0, backlog=0.254)
)
best_expected_rate = BestExpectedRate(RateParameters(gain=0.174, backup_db=4.08))
dual_price = QueuePrice(PriceParameters(gain=0.308, backup_db=3.13, horizon_s=0.5, pace=0.511))
max_weight = MaxWeight()
