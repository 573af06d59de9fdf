"""How users move and what they want over time, as parts of a scenario."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["waypoint", "group"]


@dataclass(frozen=True)
class Waypoints:
    """How users move.

    Random waypoint (Johnson and Maltz 1996): a user walks straight to its next waypoint, rests and goes on. Reference point
    group mobility (Hong et al. 1999): a group's reference point does, and its members wander around it. Waypoints follow the
    law by which the scenario places users, so that crowds stay where they are; where that law ties a user to a cell or a
    place they are anywhere in the area.

    Args:
        kind: ``waypoint`` or ``group``.
        speed_mps: smallest and largest speed, drawn anew at each waypoint.
        pause_s: longest rest at a waypoint.
        groups: number of groups; user i belongs to group i modulo it.
        radius_m: how far members wander from their reference point.
        fast: share of users who move at ``fast_mps`` instead and do not rest, as in vehicles; spread evenly over their numbers.
        fast_mps: their smallest and largest speed.

    Raises:
        ValueError: a value out of its range.
    """

    kind: Kind = "waypoint"
    speed_mps: tuple[float, float] = (0.5, 1.5)
    pause_s: float = 5.0
    groups: int = 25
    radius_m: float = 30.0
    fast: float = 0.0
    fast_mps: tuple[float, float] = (10.0, 15.0)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"mobility.kind: got {self.kind!r}, expected one of {', '.join(get_args(Kind))}")
        for name in ("speed_mps", "fast_mps"):
            low, high = getattr(self, name)
            if not 0 <= low <= high < math.inf:
                raise ValueError(f"mobility.{name}: got {(low, high)}, expected two numbers, 0 <= low <= high")
        if not 0 <= self.fast <= 1:
            raise ValueError(f"mobility.fast: got {self.fast}, expected a share in 0..1")
        if self.groups < 1 or self.pause_s < 0 or self.radius_m < 0:
            got = f"groups={self.groups}, pause_s={self.pause_s}, radius_m={self.radius_m}"
            raise ValueError(f"mobility: got {got}, expected at least one group and nothing negative")


@dataclass(frozen=True)
class Mobility:
    """Users that stand, walk at random or move in groups.

    Args:
        walking: share of users that walk; heading and place change step by step, and the edges of the area turn them back.
        grouped: share of users that move together with others, such as in vehicles; the rest stands.
        group_size: mean number of users in a group.
        group_radius_m: standard deviation of their places within it.
        walk_mps: least and greatest speed of those who walk.
        group_mps: least and greatest speed of a group.
        turn_rad: standard deviation of the change of heading between two places.
        step_s: time between two places; path loss and shadowing change then.
        doppler_hz: least Doppler shift, of whatever moves around a user that stands.
        waypoints: all users go from waypoint to waypoint instead; then ``walking`` and ``grouped`` do not count.
    """

    walking: float = 0.0
    grouped: float = 0.0
    group_size: int = 5
    group_radius_m: float = 10.0
    walk_mps: tuple[float, float] = (0.5, 1.5)
    group_mps: tuple[float, float] = (5.0, 15.0)
    turn_rad: float = 0.5
    step_s: float = 0.1
    doppler_hz: float = 1.0
    waypoints: Waypoints | None = None


@dataclass(frozen=True)
class Services:
    """What users receive: continuous streams (video) or packets in bursts, each with a deadline.

    Bits that are not served within their deadline are of no use any more and are dropped. A promise to a user is kept in a time
    of ``window_s`` if at least the share ``reliability`` of its bits whose fate was settled then was served.

    Args:
        video: share of users with a stream.
        video_bps: rates of streams, all as likely.
        video_jitter: a slot brings the stream's bits times a number between one minus and one plus this.
        video_deadline_s: deadline of a stream's bits.
        bursts_per_s: mean number of bursts of the other users.
        burst_bits: mean size of a burst, exponentially distributed.
        burst_deadline_s: deadline of a burst's bits.
        load: factor on all rates.
        reliability: share of bits that have to be in time.
        window_s: time over which that is judged.
        kind: name of this law among the kinds of traffic.
    """

    video: float = 0.6
    video_bps: tuple[float, ...] = (2.5e6, 5e6, 10e6)
    video_jitter: float = 0.5
    video_deadline_s: float = 0.1
    bursts_per_s: float = 5.0
    burst_bits: float = 7e5
    burst_deadline_s: float = 0.3
    load: float = 1.0
    reliability: float = 0.95
    window_s: float = 0.5
    kind: Literal["services"] = "services"
