"""Values of the columns of stations and antennas, of pairs of stations and of networks."""

import math

import torch
from torch import Tensor

from hetgraph.graph.facts import Facts, power_db
from hetgraph.graph.schema import NEIGHBOURS

TIME = ("graph.slots_left", "graph.episode_slots")
BALANCED = 0.5  # load that a cell is asked to keep near (QMIX paper, Section III)


def bs_power_dbm(f: Facts) -> Tensor:
    """Budget."""
    return power_db(f.bs("power_max_w")) + 30


def bs_users_per_bs(f: Facts) -> Tensor:
    """Logarithm of the users per station of the network."""
    links = f.links
    users = f.at_bs(links.sum_ue_to_network(torch.ones(links.num_ue, dtype=f.dtype, device=links.ue.device)))
    return (users / _stations(f)).clamp_min(1e-3).log()


def bs_strongest_share(f: Facts) -> Tensor:
    """Users whose strongest candidate the station is, over their mean number."""
    links = f.links
    strongest = links.sum_to_bs(f.real(f.gap_db >= 0))
    users = f.at_bs(links.sum_ue_to_network(torch.ones(links.num_ue, dtype=f.dtype, device=links.ue.device)))
    return strongest * _stations(f) / users.clamp_min(1)


def _stations(f: Facts) -> Tensor:
    ones = torch.ones(f.links.num_bs, dtype=f.dtype, device=f.links.ue.device)
    return f.at_bs(f.links.sum_bs_to_network(ones))


def bs_off_balance(f: Facts) -> Tensor:
    """Distance of the load from a half."""
    return (f.load - BALANCED).abs()


def bs_efficiency_mean(f: Facts) -> Tensor:
    """Mean spectral efficiency of its users' links."""
    return f.sum_of_users(f.own(f.edge("spectral_efficiency"))) / f.users_served


def bs_efficiency_std(f: Facts) -> Tensor:
    """Standard deviation of the spectral efficiency of its users' links."""
    own = f.own(f.edge("spectral_efficiency"))
    mean = f.sum_of_users(own) / f.users_served
    return (f.sum_of_users(own.square()) / f.users_served - mean.square()).clamp_min(0).sqrt()


def bs_leavers_share(f: Facts) -> Tensor:
    """Share of its users that may move to another station."""
    links = f.links
    may = links.sum_to_ue(links.lift(f.real(f.edge("allowed") & ~f.own_edge))) > 0
    return f.sum_of_users(f.real(may)) / f.users_served


def bs_room_share(f: Facts) -> Tensor:
    """Users that it takes now over those that it can take."""
    return f.bs("room") / f.real(f.bs("max_users")).clamp_min(1)


def bs_backlog(f: Facts) -> Tensor:
    """Logarithm of one plus the time units that its users' demands need."""
    return (f.bs("backlog_slots") / f.at_bs(f.network("time_unit"))).log1p()


def bs_queue_mbit(f: Facts) -> Tensor:
    """Bits that wait for its users."""
    return f.sum_of_users(f.ue("queue_bits")) / 1e6


def bs_queue_log(f: Facts) -> Tensor:
    """Logarithm of one plus the Mbit that wait for its users."""
    return bs_queue_mbit(f).log1p()


def bs_power_share(f: Facts) -> Tensor:
    """Part of the budget that was sent."""
    return f.bs("power_w").sum(1) / f.bs("power_max_w").clamp_min(1e-30)


def bs_busy_share(f: Facts) -> Tensor:
    """Part of its resource blocks with power."""
    own = (f.bs("rb_power_max_w") > 0).sum(1).clamp_min(1)
    return f.real((f.bs("power_w") > 0).sum(1)) / own


def pair_distance_m(f: Facts) -> Tensor:
    """Horizontal distance of two stations."""
    source, target = f.graph[NEIGHBOURS].edge_index
    place = f.bs("pos")[:, :2]
    return f.real((place[source] - place[target]).norm(dim=1))


def antenna_cos_azimuth(f: Facts) -> Tensor:
    """Of the direction that the antenna looks in."""
    return f.real(f.antenna("boresight")[:, 0].cos())


def antenna_sin_azimuth(f: Facts) -> Tensor:
    """Of the direction that the antenna looks in."""
    return f.real(f.antenna("boresight")[:, 0].sin())


# Networks.


def time_angle(f: Facts) -> Tensor:
    """Time of the episode, one turn from begin to end."""
    return (
        2 * math.pi * (f.network("episode_slots") - f.network("slots_left")) / f.network("episode_slots").clamp_min(1)
    )


def over_bs(f: Facts, value: Tensor) -> Tensor:
    """Mean over stations ``[N] -> [B]``."""
    return f.links.sum_bs_to_network(value) / f.links.sum_bs_to_network(torch.ones_like(value))


def over_ue(f: Facts, value: Tensor) -> Tensor:
    """Mean over users ``[U] -> [B]``."""
    return f.links.sum_ue_to_network(value) / f.links.sum_ue_to_network(torch.ones_like(value))


def load_variance(f: Facts) -> Tensor:
    """Of loads over stations."""
    return over_bs(f, (f.load - f.at_bs(over_bs(f, f.load))).square())


def ue_std(f: Facts, value: Tensor) -> Tensor:
    """Standard deviation over users ``[U] -> [B]``."""
    return over_ue(f, (value - f.at_ue(over_ue(f, value))).square()).sqrt()


def load_most(f: Facts, sign: float = 1) -> Tensor:
    """Largest load of the network, or minus the largest of negative loads: the smallest."""
    most = f.load.new_full((f.links.num_networks,), -torch.inf)
    return sign * most.scatter_reduce(0, f.links.bs_network, sign * f.load, "amax")


def used_share(f: Facts) -> Tensor:
    """Share of stations with users."""
    return over_bs(f, f.real(f.bs("users") > 0))


def full_share(f: Facts) -> Tensor:
    """Share of stations that take nobody."""
    return over_bs(f, f.real(f.bs("room") <= 0))


def slots_left(f: Facts) -> Tensor:
    """Logarithm of one plus the time units until the end of the episode."""
    return (f.network("slots_left") / f.network("time_unit")).log1p()
