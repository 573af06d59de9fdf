"""Values of the columns of users and of channel edges."""

import math

import torch
from torch import Tensor

from hetgraph.graph.facts import LEAST_POWER, LEAST_RATE, Facts, power_db, ratio_db
from hetgraph.graph.schema import CHANNEL
from hetgraph.units import w_to_dbm

MOST_NEED, MOST_SLOTS, MOST_RATIO = 20.0, 10, 1000.0  # where needs, slots since a handover and SINRs are cut
ENOUGH_DB = 30.0
_NEPER_DB = 10 / math.log(10)  # decibels of a natural logarithm of one
PACKETS = ("ue.queue_bits", "ue.packet_bits")


def spread_db(f: Facts) -> Tensor:
    """Standard deviation over resource blocks of the gain in dB; sums over blocks as products with a vector are fast."""
    log = f.edge("gain").clamp_min(LEAST_POWER).log_()
    mean = log.new_full((log.shape[1],), 1 / log.shape[1])
    apart = log.sub_(torch.mv(log, mean).unsqueeze(1))  # in place: most of the time would go into fresh memory
    return torch.mv(apart.square_(), mean * _NEPER_DB**2).sqrt_()


def own_gap_db(f: Facts) -> Tensor:
    """Received power over that of the user's own station; 0 dB for users without one."""
    own = f.own(f.links.flat(f.received_w))
    ratio = f.received_w / f.links.from_ue(own).clamp_min(LEAST_POWER)
    gap = f.links.flat(ratio_db(ratio))
    return torch.where((f.serving_slot >= 0)[f.links.ue], gap, torch.zeros((), dtype=gap.dtype, device=gap.device))


def edge_efficiency(f: Facts) -> Tensor:
    """Spectral efficiency that the user would have there."""
    return f.edge("spectral_efficiency")


def edge_load(f: Facts) -> Tensor:
    """Users of the edge's station over those that it can take, as far as they are known."""
    return f.edge("users") / f.real(f.bs("max_users")).clamp_min(1)[f.links.bs]


def edge_log_rate(f: Facts) -> Tensor:
    """log(1 + rate / unit) of an equal share for the edge's user beside those who are there."""
    share = f.edge("spectral_efficiency") / f.users_with_me.clamp_min(1)
    return (share * f.rate_unit_hz[f.links.bs]).log1p()


def edge_presence(f: Facts) -> Tensor:
    r"""What the user adds to the sum of log rates by being there: its own, less what the others lose.

    Of n equal shares each of the others loses :math:`\log(n / (n - 1))` while rates are well above the utility's unit.
    """
    users = f.users_with_me.clamp_min(1)
    others = users - 1
    return edge_log_rate(f) - others * (users / others.clamp_min(1)).log()


def mean_snr_db(f: Facts) -> Tensor:
    """Received power of the whole budget without fading, over the noise of its band."""
    links = f.links
    blocks = links.from_bs(f.real((f.bs("rb_power_max_w") > 0).sum(1)))
    return links.flat(links.lift(f.edge("rsrp_dbm")) - w_to_dbm(f.noise_w * blocks))


def mean_gap_db(f: Facts) -> Tensor:
    """Received power without fading over that of the user's strongest candidate."""
    rsrp = f.links.lift(f.edge("rsrp_dbm"))
    return f.links.flat(rsrp - f.links.from_ue(f.links.max_to_ue(rsrp)))


def mean_sinr_db(f: Facts) -> Tensor:
    """Received power without fading, over the interference of all other stations and noise in the last slot."""
    blocks = f.real((f.bs("rb_power_max_w") > 0).sum(1))[f.links.bs]
    return f.edge("rsrp_dbm") - power_db(f.edge("interference_w") * blocks) - 30


def fading_db(f: Facts) -> Tensor:
    """Mean gain over resource blocks, over what it is without fading."""
    budget_dbm = power_db(f.bs("power_max_w")) + 30
    return power_db(f.edge("gain").mean(1)) - (f.edge("rsrp_dbm") - budget_dbm[f.links.bs])


def edge_need(f: Facts) -> Tensor:
    """Time units that the rest of the user's demand takes if the station were its alone, twenty at most."""
    return f.need.clamp_max(MOST_NEED)


def join_loss(f: Facts) -> Tensor:
    """What the user's equal share of the station, as a logarithm, loses by one more user there."""
    return f.share_log - (f.data_rate / (f.users_with_me + 1)).log1p()


# Users.


def flag_or_one(f: Facts, store: str | tuple[str, str, str], name: str, n: int) -> Tensor:
    """A flag that is true where the graph does not say."""
    values = f.graph[store]
    return f.real(values[name]) if name in values else torch.ones(n, dtype=f.dtype, device=f.links.ue.device)


def edge_or_zero(f: Facts, name: str) -> Tensor:
    """Values of edges that are zero where the graph does not say."""
    if name in f.graph[CHANNEL]:
        return f.real(f.edge(name))
    return torch.zeros(f.links.num_edges, dtype=f.dtype, device=f.links.ue.device)


def packets(f: Facts) -> Tensor:
    """Packets that wait."""
    return f.packets


def level_share(f: Facts) -> Tensor:
    """Power level of the last step, the highest as one."""
    return f.real(f.ue("level")) / f.at_ue(f.real(f.network("levels")) - 1).clamp_min(1)


def since_handover(f: Facts) -> Tensor:
    """Slots since the last handover, ten at most."""
    return f.real(f.ue("since_slots").clamp_max(MOST_SLOTS))


def own_sinr_db(f: Facts) -> Tensor:
    """Received power of the own station against all others and noise, at equal power."""
    return ratio_db(f.own(f.links.flat(f.sinr)))


def own_efficiency(f: Facts) -> Tensor:
    """Spectral efficiency on the own edge."""
    return f.own(edge_efficiency(f))


def interference_db(f: Facts) -> Tensor:
    """Interference of other stations plus noise, over noise, mean over resource blocks of dB."""
    return block_inr_db(f).mean(1)


# Users on each resource block.


def block_snr_db(f: Facts) -> Tensor:
    """The own station's full power over noise."""
    return f.own_snr_of_blocks_db


def block_snr_excess_db(f: Facts) -> Tensor:
    """The part of it above 30 dB."""
    return (block_snr_db(f) - ENOUGH_DB).clamp_min(0)


def block_inr_db(f: Facts) -> Tensor:
    """Interference of other stations plus noise, over noise."""
    return ratio_db(f.ue("interference_w") / f.ue("noise_w"))


def block_reach(f: Facts) -> Tensor:
    """Logarithm of one plus the SINR that the own station's full power would have had."""
    ratio = f.own_full_w / f.ue("interference_w").clamp_min(LEAST_POWER)
    return ratio.clamp_max(MOST_RATIO).log1p()


def block_power(f: Facts) -> Tensor:
    """Root of the part of the block's largest power that was sent to the user."""
    share = (f.ue("power_w") / f.own_max_w.clamp_min(LEAST_POWER)).sqrt()
    return torch.where(f.own_max_w > 0, share, torch.zeros((), dtype=share.dtype, device=share.device))


def block_threat_db(f: Facts) -> Tensor:
    """What neighbouring stations with packets would cause at full power, over noise."""
    power_w = f.bs("rb_power_max_w") * (f.sum_of_users(f.packets) > 0).unsqueeze(1)
    return ratio_db(_from_neighbours(f, power_w) / f.ue("noise_w"))


def block_beyond_db(f: Facts) -> Tensor:
    """The part of the reported interference that is not of neighbouring stations, with the noise, over noise."""
    sent = torch.zeros_like(f.bs("rb_power_max_w")).index_add_(0, f.station.clamp_min(0), f.ue("power_w"))
    rest = f.ue("interference_w") - _from_neighbours(f, sent)
    return ratio_db(torch.maximum(rest / f.ue("noise_w"), torch.ones((), dtype=rest.dtype, device=rest.device)))


def block_harm(f: Facts) -> Tensor:
    r"""Logarithm of one plus what the own station's full power would cost its neighbours.

    The cost is the sum over their users of packets times the loss of :math:`\log(1 + \mathrm{SINR})`, each user weighted by its part
    of its station's packets times rate on the block, as if the station were to serve one of them by it.
    """
    bs, ue = f.links.bs[f.near_edges], f.links.ue[f.near_edges]
    had, own = f.ue("interference_w"), f.own_full_w
    rate = (own / had).clamp_max(MOST_RATIO).log1p()
    value = f.packets.unsqueeze(1) * rate
    station = f.station.clamp_min(0)
    of_station = torch.zeros_like(f.bs("rb_power_max_w")).index_add_(0, station, value)
    share = value / of_station[station].clamp_min(LEAST_RATE)
    more = had[ue] + f.edge("gain")[f.near_edges] * f.bs("rb_power_max_w")[bs]
    loss = rate[ue] - (own[ue] / more).clamp_max(MOST_RATIO).log1p()
    weight = share * f.packets.unsqueeze(1)
    cost = torch.zeros_like(of_station).index_add_(0, bs, weight[ue] * loss)
    return f.of_station(cost).log1p()


def _from_neighbours(f: Facts, power_w: Tensor) -> Tensor:
    """Received powers of neighbouring stations that send ``[N, R]``, summed ``[U, R]``."""
    bs, ue = f.links.bs[f.near_edges], f.links.ue[f.near_edges]
    received = f.edge("gain")[f.near_edges] * power_w[bs]
    return torch.zeros_like(f.ue("noise_w")).index_add_(0, ue, received)
