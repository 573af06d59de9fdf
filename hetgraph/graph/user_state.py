"""What belongs to a user and is the same toward all stations: height, building, floor, penetration loss (TR 38.901 sec. 7.4.3)."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from hetgraph import channel
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams


@dataclass(frozen=True)
class UserState:
    """State of ``U`` users in each of ``n`` networks, ``[n, U]`` each.

    Args:
        height_m: antenna height above the ground.
        indoor: the user is in a building.
        floor: its floor, 0 for the ground floor and outdoors.
        indoor_distance_m: distance from the outer wall; 0 outdoors.
        high_loss: the building has a high penetration loss.
        normal: standard normal number of the penetration loss.
    """

    height_m: Tensor
    indoor: Tensor
    floor: Tensor
    indoor_distance_m: Tensor
    high_loss: Tensor
    normal: Tensor

    def repeat(self, times: int) -> "UserState":
        """The same users at ``times`` places each: all users at the first one, then all at the second, and so on."""
        return UserState(*(getattr(self, field.name).repeat(1, times) for field in fields(self)))

    def repeat_interleave(self, times: int) -> "UserState":
        """The same users at ``times`` places each: the first user at all of its places, then the second, and so on."""
        return UserState(*(getattr(self, field.name).repeat_interleave(times, 1) for field in fields(self)))

    def select(self, networks: slice) -> "UserState":
        """Users of some of the networks."""
        return UserState(*(getattr(self, field.name)[networks] for field in fields(self)))

    def penetration_loss_db(self, carrier_hz: float | Tensor) -> Tensor:
        """Loss of the building at a carrier, dB; zero outdoors. A carrier of ``[C, 1]`` gives ``[n, C, U]``."""
        wide = isinstance(carrier_hz, Tensor) and carrier_hz.dim() == 2
        high_loss, distance_m, normal, indoor = (
            value.unsqueeze(1) if wide else value
            for value in (self.high_loss, self.indoor_distance_m, self.normal, self.indoor)
        )
        loss = channel.penetration_loss_db(carrier_hz, high_loss=high_loss, indoor_distance_m=distance_m, normal=normal)
        return loss * indoor


def draw_user_state(scenario: ScenarioFields, streams: Streams, count: int | None = None) -> UserState | None:
    """State of a scenario's users, each from streams of its own; ``None`` where all are outdoors at one height.

    Args:
        scenario: users.
        streams: random numbers.
        count: number of users, where it is not the scenario's.
    """
    users, n = scenario.users, len(streams.networks)
    count = users.count if count is None else count
    if users.indoor_fraction == 0 and not any(users.indoor) and not any(users.floor):
        return None
    if users.indoor:
        indoor = torch.tensor(users.indoor).expand(n, -1)
    else:
        indoor = streams.uniform("users/indoor", count) < users.indoor_fraction
    if users.floor:
        floor = torch.tensor(users.floor).expand(n, -1)
    else:
        low, high = users.floors
        building = low + (streams.uniform("users/building", count) * (high - low + 1)).long().clamp_max(high - low)
        floor = (streams.uniform("users/floor", count) * building).long().clamp_max(building - 1)
    floor = floor * indoor
    distance_m = users.indoor_distance_m * streams.uniform("users/inside", count, 2).amin(2)
    return UserState(
        height_m=users.height_m + channel.FLOOR_HEIGHT_M * floor,
        indoor=indoor,
        floor=floor,
        indoor_distance_m=distance_m * indoor,
        high_loss=(streams.uniform("users/glass", count) < users.high_loss_fraction) & indoor,
        normal=streams.normal("users/penetration", count),
    )
