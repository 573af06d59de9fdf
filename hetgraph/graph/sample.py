"""The vectorised sampler: n networks of a scenario at once."""

import math

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph import channel
from hetgraph.graph.antennas import antenna_attributes
from hetgraph.graph.background import propagate_with_background
from hetgraph.graph.build import complete_edges
from hetgraph.graph.collate import Stack
from hetgraph.graph.conflict import conflict_networks
from hetgraph.graph.efficiency_users import behind_walls
from hetgraph.graph.masts import image_shifts, masts_of
from hetgraph.graph.placement import place_stations, place_users
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.propagation import Propagation
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import UserState, draw_user_state
from hetgraph.units import bearing_to_azimuth_rad, dbm_to_w


def sample(scenario: ScenarioFields, n: int = 1, *, seed: int = 0, first: int = 0) -> Batch:
    """Draw networks ``first .. first + n - 1`` of a scenario.

    Args:
        scenario: what to draw.
        n: number of networks.
        seed: seed of all streams, keyed by (seed, network, purpose).
        first: number of the first network.

    Raises:
        ValueError: ``n`` is not positive.
    """
    check_numbers(n, first)
    if scenario.users.placement == "conflicts":
        return conflict_networks(scenario, n, float(_block_noise_w(scenario)[0]))
    streams = Streams(seed, range(first, first + n))
    stations, users = _place(scenario, streams)
    state = draw_user_state(scenario, streams)
    paths, background_w = propagate_with_background(scenario, stations, users, streams, state=state)
    losses_db = None
    if scenario.users.placement == "efficiencies":
        paths, losses_db = behind_walls(scenario, paths, streams)
    stack = Stack(n)
    stack.graph = _graph_attributes(scenario, n)
    stack.nodes["bs"] = station_attributes(scenario, stations)
    stack.nodes["ue"] = _user_attributes(scenario, users, state, streams)
    if background_w is not None:
        stack.nodes["ue"]["noise_w"] += background_w
    if losses_db is not None:
        stack.nodes["ue"]["penetration_loss_db"] = losses_db
    stack.nodes["antenna"], mounted = antenna_attributes(scenario, n)
    stack.edges[CHANNEL], far_w = _channel_attributes(scenario, paths)
    if far_w is not None:
        stack.nodes["ue"]["far_interference_w"] = far_w
    stack.edges[MOUNTED_ON] = {"edge_index": mounted}
    stack.edges[NEIGHBOURS] = {"edge_index": nearest_stations(stations, _neighbours(scenario), image_shifts(scenario))}
    stack.edges[CONFLICTS] = {"edge_index": torch.zeros(n, 2, 0, dtype=torch.long)}
    if scenario.users.nearest_only:
        nearest = _nearest_cell(paths)  # [n, U]
        stack.edges[CHANNEL]["may_serve"] = stack.edges[CHANNEL]["edge_index"][:, 0] == nearest.repeat_interleave(
            stack.edges[CHANNEL]["slot"].shape[1] // nearest.shape[1], 1
        )
    return _to_batch(stack, _disturbed(scenario, paths) if scenario.radio.neighbour_db > 0 else None)


def check_numbers(n: int, first: int) -> None:
    """Refuse numbers of networks that there cannot be.

    Raises:
        ValueError: ``n`` below 1, or ``first`` below 0.
    """
    if n < 1 or first < 0:
        raise ValueError(f"sample: got n={n}, first={first}, expected n of 1 or more and first of 0 or more")


def _place(scenario: ScenarioFields, streams: Streams) -> tuple[Tensor, Tensor]:
    """Stations and users; drawn anew where a station is nearest to fewer or more users than ``users.per_station`` says.

    Raises:
        ValueError: no such network in a hundred attempts.
    """
    stations = place_stations(scenario, streams)
    users = place_users(scenario, stations, streams)
    if scenario.users.per_station is None:
        return stations, users
    for attempt in range(1, 101):
        wrong = ~_within(stations, users, scenario.users.per_station)
        if not bool(wrong.any()):
            return stations, users
        again = Streams(streams.seed, streams.networks, attempt)
        others = place_stations(scenario, again)
        people = place_users(scenario, others, again)
        stations = torch.where(wrong.reshape(-1, 1, 1), others, stations)
        users = torch.where(wrong.reshape(-1, 1, 1), people, users)
    raise ValueError(f"users.per_station: got {scenario.users.per_station}, expected numbers that some network meets")


def _neighbours(scenario: ScenarioFields) -> int:
    """Cells in a cell's neighbourhood: those of ``radio.neighbours`` masts and the others on its own."""
    masts = int(masts_of(scenario).max()) + 1
    return (scenario.radio.neighbours + 1) * -(-scenario.num_stations // masts) - 1


def _within(stations: Tensor, users: Tensor, limits: tuple[int, int]) -> Tensor:
    nearest = torch.cdist(users, stations).argmin(2)
    count = torch.zeros(stations.shape[:2]).scatter_add(1, nearest, torch.ones(nearest.shape))
    return (count.amin(1) >= limits[0]) & (count.amax(1) <= limits[1])


def _nearest_cell(paths: Propagation) -> Tensor:
    """Nearest cell of each user ``[n, U]``: of the cells on the nearest mast the one that looks at it."""
    distance = paths.distance_m.transpose(1, 2)  # [n, U, N]
    loss = (paths.pathloss_db - paths.antenna_gain_db).transpose(1, 2)
    return loss.masked_fill(distance > distance.amin(2, keepdim=True), torch.inf).argmin(2)


def _disturbed(scenario: ScenarioFields, paths: Propagation) -> Tensor:
    """Whether stations are neighbours by path loss ``[n, N, N]``: within ``neighbour_db`` for a user that one of them serves."""
    loss = paths.pathloss_db.transpose(1, 2)  # [n, U, N]
    nearest = _nearest_cell(paths).unsqueeze(2)
    close = loss < loss.gather(2, nearest) + scenario.radio.neighbour_db
    serves = torch.zeros_like(close).scatter(2, nearest, True)
    loaded = serves.any(1)  # [n, N]
    pair = torch.einsum("nub,nuc->nbc", serves.float(), close.float()) > 0
    pair = (pair | pair.transpose(1, 2)) & loaded.unsqueeze(1) & loaded.unsqueeze(2)
    return pair & ~torch.eye(pair.shape[1], dtype=torch.bool)


def _to_batch(stack: Stack, neighbours: Tensor | None) -> Batch:
    """The batch; neighbours that are another number in each network enter it afterwards."""
    batch = stack.to_batch()
    if neighbours is not None:
        network, target, source = neighbours.nonzero().unbind(1)
        batch[NEIGHBOURS].edge_index = torch.stack([source, target]) + network * neighbours.shape[1]
        count = torch.bincount(network, minlength=stack.n)
        batch._slice_dict[NEIGHBOURS]["edge_index"] = torch.cat([torch.zeros_like(count[:1]), count.cumsum(0)])
    return batch


def _graph_attributes(scenario: ScenarioFields, n: int) -> dict[str, Tensor | str | int]:
    radio = scenario.radio
    band = torch.cat([torch.full((c.num_rbs,), c.bandwidth_hz / c.num_rbs) for c in scenario.carriers])
    return {
        "rb_bandwidth_hz": band.expand(n, -1).contiguous(),
        "carrier_hz": torch.full((n,), scenario.carriers[0].carrier_hz),
        "slot_s": torch.full((n,), radio.slot_s),
        "scenario": scenario.name,
        "scenario_hash": scenario.hash,
        "schema_version": SCHEMA_VERSION,
        **({"layers": torch.full((n,), radio.layers)} if scenario.channel.mimo else {}),
    }


def _per_station(scenario: ScenarioFields, attribute: str) -> Tensor:
    """A tier's number for each of its stations ``[N]``."""
    return torch.tensor([float(getattr(tier, attribute)) for tier in scenario.tiers for _ in range(tier.count)])


def station_attributes(scenario: ScenarioFields, stations: Tensor) -> dict[str, Tensor]:
    """Attributes of stations at ``stations [n, N, 2]``, m, each ``[n, N, *]``."""
    n, cells = stations.shape[0], [tier for tier in scenario.tiers for _ in range(tier.count)]
    bearings = [b for tier in scenario.tiers for b in tier.per_cell("azimuth_deg")]
    # An omnidirectional cell looks nowhere; it keeps the angle zero.
    azimuth = [bearing_to_azimuth_rad(b) if t.directional else 0.0 for t, b in zip(cells, bearings, strict=True)]
    owner, frequency = _carriers(scenario)
    limit_w = [dbm_to_w(tier.power_dbm if tier.rb_power_dbm is None else tier.rb_power_dbm) for tier in cells]
    columns = {
        "tier": torch.tensor([i for i, tier in enumerate(scenario.tiers) for _ in range(tier.count)]),
        "site": masts_of(scenario),
        "azimuth_rad": torch.tensor(azimuth),
        "tilt_rad": torch.tensor([t for tier in scenario.tiers for t in tier.downtilts_deg()]).deg2rad(),
        "carrier_hz": frequency,
        "power_max_w": torch.tensor([dbm_to_w(tier.power_dbm) for tier in cells]),
        "rb_power_max_w": torch.tensor(limit_w).unsqueeze(1) * owner,
        "circuit_power_w": _per_station(scenario, "circuit_power_w"),
        "amplifier_efficiency": _per_station(scenario, "amplifier_efficiency"),
        "max_users": _per_station(scenario, "max_users").long(),
    }
    if all(tier.row for tier in scenario.tiers):
        columns["row"] = torch.tensor([row for tier in scenario.tiers for row in tier.row])
    height = _per_station(scenario, "height_m").expand(n, -1).unsqueeze(2)
    attributes = {"pos": torch.cat([stations, height], 2)}
    return attributes | {name: value.expand(n, *value.shape).contiguous() for name, value in columns.items()}


def _carriers(scenario: ScenarioFields) -> tuple[Tensor, Tensor]:
    """Which resource blocks each cell's carrier owns ``[N, R]``, and its frequency ``[N]``, Hz."""
    number = [scenario.carriers.index(scenario.carrier_of(tier)) for tier in scenario.tiers for _ in range(tier.count)]
    of_block = torch.tensor([i for i, carrier in enumerate(scenario.carriers) for _ in range(carrier.num_rbs)])
    frequency = torch.tensor([scenario.carriers[i].carrier_hz for i in number])
    return torch.tensor(number).unsqueeze(1) == of_block, frequency


def _user_attributes(
    scenario: ScenarioFields, users: Tensor, state: UserState | None, streams: Streams
) -> dict[str, Tensor]:
    n, count = users.shape[0], users.shape[1]
    heading = 2 * math.pi * streams.uniform("heading", count)
    velocity = scenario.users.speed_mps * torch.stack([heading.cos(), heading.sin()], -1)
    height = torch.full((n, count), scenario.users.height_m) if state is None else state.height_m
    serving = -torch.ones(n, count, dtype=torch.long)
    if scenario.users.placement == "pairs":
        serving = torch.arange(count).expand(n, -1).clone()
    attributes = {
        "pos": torch.cat([users, height.unsqueeze(2)], 2),
        "velocity": velocity,
        "active": torch.ones(n, count, dtype=torch.bool),
        "serving_slot": serving,
        "noise_w": _block_noise_w(scenario).expand(n, count, -1).contiguous(),
        "rate_min_bps": torch.full((n, count), scenario.users.rate_min_bps),
    }
    if state is not None:
        losses = [state.penetration_loss_db(c.carrier_hz).unsqueeze(2) for c in scenario.carriers]
        blocks = [loss.expand(-1, -1, c.num_rbs) for loss, c in zip(losses, scenario.carriers, strict=True)]
        attributes |= {"indoor": state.indoor, "floor": state.floor, "indoor_distance_m": state.indoor_distance_m}
        attributes["penetration_loss_db"] = torch.cat(blocks, 2)
    return attributes


def noise_w(scenario: ScenarioFields) -> float:
    """Noise power per resource block, W (eq. 8).

    Raises:
        ValueError: several carriers, whose resource blocks may differ.
    """
    if len(scenario.carriers) > 1:
        got = ", ".join(carrier.name for carrier in scenario.carriers)
        raise ValueError(f"radio.carriers: got {got}, expected one carrier where all cells share the band")
    return float(_block_noise_w(scenario)[0])


def _block_noise_w(scenario: ScenarioFields) -> Tensor:
    """Noise power of each resource block ``[R]``, W."""
    radio = scenario.radio
    powers = [
        radio.noise_w
        if radio.noise_w is not None
        else channel.thermal_noise_w(c.bandwidth_hz / c.num_rbs, noise_figure_db=radio.noise_figure_db)
        for c in scenario.carriers
        for _ in range(c.num_rbs)
    ]
    return torch.tensor(powers, dtype=torch.float64).float()


def _channel_attributes(scenario: ScenarioFields, paths: Propagation) -> tuple[dict[str, Tensor], Tensor | None]:
    """Attributes of the candidate edges ``[n, U * k, *]``, and the far interference ``[n, U, R]`` when k < N."""
    n, stations, users = paths.gain.shape[:3]
    index = complete_edges(stations, users).expand(n, -1, -1)
    values = {name: value.transpose(1, 2) for name, value in vars(paths).items() if value is not None}  # [n, U, N, *]
    kept = min(scenario.radio.candidates or stations, stations)
    far_w = None
    if kept < stations:
        chosen = values["rsrp_dbm"].topk(kept, dim=2).indices.sort(2).values  # [n, U, k]
        budgets = station_attributes(scenario, paths.gain.new_zeros(1, stations, 2))
        per_rb_w = equal_power_w(budgets["power_max_w"][0], budgets["rb_power_max_w"][0])
        received_w = values["gain"] * per_rb_w
        near = torch.zeros(n, users, stations, dtype=torch.bool).scatter(2, chosen, True)
        far_w = received_w.masked_fill(near.unsqueeze(3), 0).sum(2) * scenario.radio.far_load
        values = {name: _choose(value, chosen) for name, value in values.items()}
        index = torch.stack([chosen.flatten(1), torch.arange(users).repeat_interleave(kept).expand(n, -1)], 1)
    edges = {name: value.reshape(n, users * kept, *value.shape[3:]) for name, value in values.items()}
    edges["slot"] = torch.arange(kept).repeat(users).expand(n, -1)
    if scenario.users.placement == "pairs":
        edges["may_serve"] = index[:, 0] == index[:, 1]
    return {"edge_index": index, **edges}, far_w


def _choose(value: Tensor, chosen: Tensor) -> Tensor:
    position = chosen.reshape(*chosen.shape, *([1] * (value.dim() - 3))).expand(*chosen.shape, *value.shape[3:])
    return value.gather(2, position)


def nearest_stations(stations: Tensor, neighbours: int, shifts: Tensor | None = None) -> Tensor:
    """Edges from each station's nearest others to it ``[n, 2, N * m]``.

    Args:
        stations: places ``[n, N, 2]``, m.
        neighbours: edges m into each station, as far as there are others.
        shifts: shifts of the images of every station where the layout wraps around ``[I, 2]``, m.
    """
    n, count, _ = stations.shape
    kept = min(neighbours, count - 1)
    images = stations.new_zeros(1, 2) if shifts is None else shifts
    distance = torch.stack([torch.cdist(stations, stations + shift) for shift in images]).amin(0)
    distance = distance + torch.diag(torch.full((count,), torch.inf))
    source = distance.topk(kept, dim=2, largest=False).indices.sort(2).values.flatten(1)
    target = torch.arange(count).repeat_interleave(kept).expand(n, -1)
    return torch.stack([source, target], 1)
