"""What a handover environment takes where its caller or the scenario says nothing, and what it does not take."""

import math
from collections.abc import Mapping
from typing import get_args

from hetgraph.graph.rules import Rules
from hetgraph.graph.trajectories import Trajectories
from hetgraph.radio.handover import HandoverRule, ResourceModel

CROWD = 3  # users at which a load is one, over the mean number of a cell's users


def default_rule(rules: Rules, trajectories: Trajectories) -> HandoverRule:
    """The scenario's rule of handovers, with defaults where it has none.

    Args:
        rules: of the scenario.
        trajectories: of its users, whose number has to find room.
    """
    usual = HandoverRule()
    crowd = max(usual.max_users, CROWD * math.ceil(trajectories.users / trajectories.cells))
    return HandoverRule(
        margin_db=usual.margin_db if rules.margin_db is None else rules.margin_db,
        max_load=usual.max_load if rules.max_load is None else rules.max_load,
        max_users=crowd if rules.max_users is None else rules.max_users,
    )


def check_at_least(values: Mapping[str, float], least: int) -> None:
    """Refuse numbers below a least one.

    Raises:
        ValueError: the first one.
    """
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}: got {value}, expected at least {least}")


def check_terms(rate_unit_bps: float, resource_model: ResourceModel) -> None:
    """Refuse a unit of rates that is not positive, or an unknown model of resources.

    Raises:
        ValueError: one of them.
    """
    if not 0 < rate_unit_bps < math.inf:
        raise ValueError(f"rate_unit_bps: got {rate_unit_bps}, expected a positive number")
    if resource_model not in get_args(ResourceModel):
        raise ValueError(f"resource_model: got {resource_model!r}, expected 'shared' or 'paper'")
