"""What is drawn at the beginning of an episode of IoT networks and does not depend on actions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.iot.channels import Channels
from hetgraph.envs.iot.deadlines import OfferedTraffic, draw_traffic
from hetgraph.envs.iot.networks import Networks, Values
from hetgraph.envs.iot.resolve import Rules
from hetgraph.envs.iot.transmission import Budget
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.streams import Streams


@dataclass(frozen=True)
class Draw:
    """Which episode of which networks.

    Args:
        seed: of everything that is random.
        networks: numbers of the networks.
        episode: its number.
        slots: its length.
        layout_seed: of stations, line of sight and shadowing that all networks and episodes share; ``None`` for new ones.
        mean_users: active users are Poisson with this mean; ``None`` for all.
        sic_residual: part of a cancelled layer's power that remains.
    """

    seed: int
    networks: range
    episode: int
    slots: int
    layout_seed: int | None
    mean_users: float | None
    sic_residual: float


@dataclass(frozen=True)
class Episode:
    """``B`` networks.

    Args:
        channels: gains slot by slot; they go on with the episode.
        offered: traffic.
        rules: who may be served by whom.
        budget: powers, noise, bandwidth.
        stations: fixed attributes of stations ``[B, N, *]``.
        positions: places of users ``[B, P, U, 3]``, m; ``None`` where they are unknown.
        layout: row of the source's fixed attributes ``[B]``.
        values: attributes that the networks do not share, by store and name ``[B, *]``.
    """

    channels: Channels
    offered: OfferedTraffic
    rules: Rules
    budget: Budget
    stations: dict[str, Tensor]
    positions: Tensor | None
    layout: Tensor
    values: Values


def draw_episode(source: Networks, draw: Draw, like: Tensor) -> Episode:
    """Draw networks, users, traffic and channels.

    Args:
        source: where networks come from.
        draw: which ones.
        like: a tensor of the wanted dtype and device.
    """
    sizes, device = source.sizes, like.device
    streams = Streams(draw.seed, draw.networks, draw.episode)
    same = draw.layout_seed is not None
    geography = Streams(draw.layout_seed or 0, [0] * len(draw.networks)) if same else streams
    drop = source.drop(streams, geography, draw.slots + 1)
    seeds = (draw.seed, draw.networks, draw.episode)
    channels = Channels(source.channel, drop.large_scale, sizes.slot_s, sizes.subchannels, seeds, like)
    active = _active(streams, draw.networks, sizes.users, draw.mean_users).to(device)
    drawn = draw_traffic(source.services, streams, sizes.users, draw.slots + 1, sizes.slot_s)
    offered = OfferedTraffic(
        drawn.bits.to(device) * active,
        drawn.mean_bps.to(like) * active,
        drawn.deadline_slots.to(device),
        drawn.video.to(device),
    )
    layout, may_serve = drop.layout.to(device), None if drop.may_serve is None else drop.may_serve.to(device)
    given = source.attributes(layout, like.dtype)
    stations = {name: value for (store, name), value in given.items() if store == "bs"}
    values: Values = {key: value.to(like) for key, value in drop.values.items()}
    power, noise = stations["power_max_w"], values.get(("ue", "noise_w"), given["ue", "noise_w"]).contiguous()
    values["ue", "active"], values["ue", "deadline_slots"] = active, offered.deadline_slots
    values["ue", "offered_bps"] = offered.mean_bps
    if may_serve is not None:
        values[CHANNEL, "may_serve"] = may_serve.flatten(1)
    return Episode(
        channels,
        offered,
        Rules(active, may_serve, *_limits(stations)),
        Budget(power, noise, sizes.subchannel_hz, sizes.slot_s, draw.sic_residual),
        stations,
        None if drop.positions is None else drop.positions.to(like),
        layout,
        values,
    )


def _limits(stations: dict[str, Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """Users that stations take, and caps on subchannels as fractions of the budget; ``None`` where nothing is limited."""
    most = stations.get("max_users")
    cap = stations["rb_power_max_w"] / stations["power_max_w"].unsqueeze(2)
    limited = most is not None and bool((most > 0).any())
    return most if limited else None, cap if bool((cap < 1).any()) else None


def _active(streams: Streams, networks: Sequence[int], users: int, mean: float | None) -> Tensor:
    """Active users ``[B, U]``: all, or the first of a Poisson number."""
    if mean is None:
        return torch.ones(len(networks), users, dtype=torch.bool)
    rate = torch.tensor([mean])
    count = torch.stack([torch.poisson(rate, generator=g) for g in streams.generators("present")])
    return torch.arange(users) < count.clamp_min(1)
