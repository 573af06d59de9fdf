"""Constants of a world of handovers with traffic, and the prices in its reward."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Physics:
    """How cells and users behave from tick to tick.

    Args:
        noise_db: standard deviation of a measurement.
        filter: share of the newest measurement in the filtered one (the L3 filter's coefficient a, TS 38.331, 5.5.3.2).
        activity: share of the last tick in a cell's activity, by which it interferes.
        least_activity: of a cell that has nothing to send: its reference signals.
        interruption_s: time without service in a handover.
        failure_db: SINR below which a link is lost.
        failure_s: time for which it has to be below.
        outage_s: time without service after that; then the user connects to its strongest cell.
        ping_pong_s: a user that is back at the cell it left so long ago at most is a ping-pong.
        patience_s: users whose mean delay is longer are not satisfied.

    Raises:
        ValueError: a value out of its range.
    """

    noise_db: float = 1.0
    filter: float = 0.5
    activity: float = 0.5
    least_activity: float = 0.05
    interruption_s: float = 0.05
    failure_db: float = -8.0
    failure_s: float = 0.5
    outage_s: float = 1.0
    ping_pong_s: float = 2.0
    patience_s: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            share = name in ("filter", "activity", "least_activity")
            fits = abs(value) < float("inf") if name == "failure_db" else 0 <= value < float("inf")
            if not fits or (share and not 0 < value <= 1):
                expected = "a share above 0, at most 1" if share else "a finite number of 0 or more"
                raise ValueError(f"physics.{name}: got {value}, expected {expected}")


@dataclass(frozen=True)
class TrafficWeights:
    """Prices in the reward, in seconds of mean delay.

    A step's reward is minus the mean over users of the bits that wait for a user, integrated over the step, over the bits that come
    for it in a step on average: the mean of minus the rewards is about the mean delay (Little). From it goes a price for each
    event, over users and seconds.

    Args:
        delay: whose mean delay counts: that of ``users``, all alike, or of ``bits``, where users of high rates count most.
        handover: price of a handover. Its interruption costs little by itself: without a price, learned offsets buy the last
            thousandth of delay with any number of handovers.
        ping_pong: of a handover back to the cell before, beside that.
        failure: of a link that is lost, beside the delay of its outage.
        local: weight of a cell's own backlog in place of the team's, 0 for the team's alone.

    Raises:
        ValueError: a number that is negative or not finite, or a weight above 1.
    """

    delay: Literal["users", "bits"] = "users"
    handover: float = 0.02
    ping_pong: float = 0.02
    failure: float = 0.2
    local: float = 0.0

    def __post_init__(self) -> None:
        if self.delay not in ("users", "bits"):
            raise ValueError(f"weights.delay: got {self.delay!r}, expected 'users' or 'bits'")
        for name in ("handover", "ping_pong", "failure", "local"):
            value = getattr(self, name)
            if not 0 <= value < float("inf") or (name == "local" and value > 1):
                raise ValueError(
                    f"weights.{name}: got {value}, expected a finite number of 0 or more, of local at most 1"
                )
