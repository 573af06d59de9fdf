"""Cells that are no stations of the graph: what users receive of them raises their noise."""

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from hetgraph.graph.power import equal_power_w
from hetgraph.graph.propagation import Propagation, propagate
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import UserState
from hetgraph.units import dbm_to_w


def propagate_with_background(
    scenario: ScenarioFields,
    stations: Tensor,
    users: Tensor,
    streams: Streams,
    *,
    state: UserState | None = None,
    fast_fading: bool = True,
) -> tuple[Propagation, Tensor | None]:
    """The channel of the stations, and the power of the cells of ``scenario.background``.

    Background cells are propagated with the stations, so that they share masts, line of sight and shadowing as stations do, and
    a cell at a load of 1 is the same interference as a station that sends its whole budget and serves nobody.

    Args:
        scenario: see :func:`~hetgraph.graph.propagation.propagate`.
        stations: places of its stations ``[n, N, 2]``, m.
        users: places of users ``[n, U, 2]``, m.
        streams: random numbers.
        state: buildings and heights of these users.
        fast_fading: likewise.

    Returns:
        the channel of the stations, and the power ``[n, U, R]``, W, or over the whole band ``[n, U, 1]`` without fast fading;
        ``None`` without background.
    """
    if not scenario.background:
        return propagate(scenario, stations, users, streams, state=state, fast_fading=fast_fading), None
    values = {field.name: getattr(scenario, field.name) for field in fields(ScenarioFields)}
    wide = ScenarioFields(**values | {"tiers": (*scenario.tiers, *scenario.background), "background": ()})
    places = torch.tensor([place for tier in scenario.background for place in tier.positions])
    everywhere = torch.cat([stations, places.expand(len(stations), -1, -1)], 1)
    paths = propagate(wide, everywhere, users, streams, state=state, fast_fading=fast_fading)
    count = stations.shape[1]
    near: dict[str, Any] = {name: None if value is None else value[:, :count] for name, value in vars(paths).items()}
    power_w = background_power_w(scenario)
    power_w = power_w if fast_fading else power_w.sum(1, keepdim=True)
    return Propagation(**near), torch.einsum("nfur,fr->nur", paths.gain[:, count:], power_w)


def background_power_w(scenario: ScenarioFields) -> Tensor:
    """Mean power that each background cell sends on each resource block ``[F, R]``, W: its budget spread equally, times its load."""
    powers = []
    for tier in scenario.background:
        own = scenario.carrier_of(tier)
        owned = torch.tensor([carrier == own for carrier in scenario.carriers for _ in range(carrier.num_rbs)])
        cap_w = dbm_to_w(tier.power_dbm if tier.rb_power_dbm is None else tier.rb_power_dbm)
        full_w = equal_power_w(torch.tensor([dbm_to_w(tier.power_dbm)]), cap_w * owned.unsqueeze(0).float())
        powers.append(torch.tensor(tier.load or (1.0,) * tier.count).unsqueeze(1) * full_w)
    return torch.cat(powers)
