"""The rules by which an environment plays: who may be served by whom, how much a station takes, and what is known when."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rules:
    """Rules of a scenario's environments; ``None`` leaves a rule to the environment's own default.

    Args:
        candidates: stations that may serve a user, the strongest ones; 0 for all that have an edge to it.
        blocks: resource blocks of a station that users in service share.
        layers: most users that a station superposes on a resource block.
        max_users: users at which a station's load is one.
        max_load: load up to which a station takes another user.
        margin_db: how much stronger the new station has to be in a handover.
        time_to_trigger_s: how long it has to have been so.
        conflict_db: a user is in conflict with another one whose signal at the other's station comes within so much of the own.
        decide_every: slots between two decisions.
        report_age_slots: age of what stations know, below level ``genie``.
        share: a station's users share it in ``equal`` parts, or in parts like the resource blocks that they ``asked`` for.
        rate_unit: data per slot in the utility ``log(1 + rate / rate_unit)``.
        time_unit_slots: slots in which a station meets as many users as one of three stations does in a slot.
        interference_load: share of full power at which other stations interfere with a user in service.
        least_bps_hz: spectral efficiency below which a station does not take a user.
        most_bps_hz: largest spectral efficiency of a link.
    """

    candidates: int = 0
    blocks: int = 9
    layers: int = 1
    max_users: int | None = None
    max_load: float | None = None
    margin_db: float | None = None
    time_to_trigger_s: float = 0.0
    conflict_db: float = 0.0
    decide_every: int = 1
    report_age_slots: int = 1
    share: Literal["equal", "asked"] = "equal"
    rate_unit: float = 1.0
    time_unit_slots: float = 1.0
    interference_load: float = 1.0
    least_bps_hz: float = 0.0
    most_bps_hz: float | None = None
