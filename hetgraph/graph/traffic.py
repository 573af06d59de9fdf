"""What users want over time: the kinds of traffic of a scenario."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hetgraph.graph.mobility import Services


@dataclass(frozen=True)
class FullBuffer:
    """Every user always has something to receive."""

    kind: Literal["full-buffer"] = "full-buffer"


@dataclass(frozen=True)
class Packets:
    """Packets of one size that arrive at each user and wait in its queue.

    Args:
        rate_hz: mean packets of a user in a second.
        bits: size of a packet.
        law: ``poisson``, or ``bursts`` of Poisson arrivals with silence between them.
        burst_slots: mean length of a burst.
        duty: share of the time in which a user's bursts last.
        kind: name of this law among the kinds of traffic.
    """

    rate_hz: float = 20.0
    bits: float = 0.5e6
    law: Literal["poisson", "bursts"] = "poisson"
    burst_slots: float = 10.0
    duty: float = 0.25
    kind: Literal["packets"] = "packets"


@dataclass(frozen=True)
class Arrivals:
    """Users who arrive one by one, at most one in a slot, and stay until they have what they came for.

    A network and episode has one of the probabilities and one of the mean demands, all as likely; a user's demand is one of the
    parts of ``spread`` times the mean.

    Args:
        probability: of an arrival in a slot.
        demand: mean demand.
        spread: demands of users as parts of the mean.
        unit: what users want: an amount of ``data``, or a number of ``slots``.
        data_bits: bits in a unit of data.
        asked: fewest and most resource blocks that a user asks for.
        slots: length of an episode.
        crowd: share of the users who come to one place, the flash crowd, while it lasts.
        crowd_radius_m: standard deviation of their places.
        crowd_window: when the crowd comes and goes, as parts of the episode.
        kind: name of this law among the kinds of traffic.
    """

    probability: tuple[float, ...] = (0.5, 0.7, 1.0)
    demand: tuple[float, ...] = (6.0, 8.0, 10.0, 12.0, 14.0)
    spread: tuple[float, ...] = (0.5, 1.0, 1.5)
    unit: Literal["data", "slots"] = "data"
    data_bits: float = 20e6
    asked: tuple[int, int] = (1, 1)
    slots: int = 40
    crowd: float = 0.0
    crowd_radius_m: float = 150.0
    crowd_window: tuple[float, float] = (0.25, 0.5)
    kind: Literal["arrivals"] = "arrivals"


@dataclass(frozen=True)
class Flows:
    """Files and streams that users of one network download, and a flash crowd; a user waits for what its queue holds.

    A user's mean rate is lognormal around ``load_bps``. Users of files get files at the times of a Poisson process, of
    exponential size; users of video get twice their mean rate while their stream lasts, and nothing else. In the crowd's window
    users who are within ``crowd_radius_m`` of one cell of less than the network's largest power want ``crowd`` times as much.

    Args:
        load_bps: mean rate of a user, without the crowd.
        spread: standard deviation of the logarithm of users' mean rates.
        file_bits: mean size of a file.
        video: share of users who receive video.
        on_s: mean length of a stream.
        off_s: mean time between two of them.
        crowd: factor on what users near that cell want; 1 for no crowd.
        crowd_radius_m: distance from the cell up to which users belong to the crowd.
        crowd_window_s: when the crowd comes and goes, from the beginning of an episode.
        kind: name of this law among the kinds of traffic.
    """

    load_bps: float = 2.8e6
    spread: float = 0.8
    file_bits: float = 4e6
    video: float = 0.3
    on_s: float = 10.0
    off_s: float = 10.0
    crowd: float = 4.0
    crowd_radius_m: float = 120.0
    crowd_window_s: tuple[float, float] = (20.0, 40.0)
    kind: Literal["flows"] = "flows"


Traffic: TypeAlias = FullBuffer | Packets | Arrivals | Flows | Services
