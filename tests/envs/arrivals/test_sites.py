"""Arrivals have a geometry: gains are those of the places, rates those of the gains, and Table I is what it was."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.channel import pathloss_db
from hetgraph.envs import ArrivalEnv, DiscreteArrivals, Service
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.table import Table
from hetgraph.graph import CHANNEL, MOUNTED_ON, check
from hetgraph.graph.counters import Networks
from hetgraph.graph.efficiency_places import CARRIER_HZ, gain_of
from hetgraph.graph.streams import stream
from hetgraph.radio import policy

# Mean utility, rejections and completions of 300 episodes (seed 2,000,000) when rates were drawn without places.
BEFORE = {
    (0.5, 6.0, "best_rate"): (1.6925785819689432, 0.0, 18.246666666666666),
    (0.5, 6.0, "argmax_blocking"): (1.6780044051011402, 0.03666666666666667, 16.923333333333332),
    (0.7, 10.0, "best_rate"): (3.2570014230410256, 0.0, 16.32),
    (0.7, 10.0, "argmax_blocking"): (2.96944695631663, 1.8166666666666667, 14.626666666666667),
    (1.0, 14.0, "best_rate"): (4.057322825590769, 3.683333333333333, 9.776666666666667),
    (1.0, 14.0, "argmax_blocking"): (3.8707724610964456, 9.13, 10.536666666666667),
}


def played(scenario: str, slots: int, networks: int = 4, seed: int = 3) -> tuple[ArrivalEnv, list[HeteroData]]:
    """Observations under random choices."""
    env, rule = ArrivalEnv(scenario, networks, probability=1.0, seed=seed), policy("random_station")
    obs, generator, reports = env.reset()[0], torch.Generator().manual_seed(seed), []
    for _ in range(slots):
        reports.append(obs.clone())
        obs = env.step(rule.act(obs, None, generator)[0]).obs
    return env, reports


def former_table(source: DiscreteArrivals, networks: int, generator: torch.Generator) -> tuple[Table, Tensor, Tensor]:
    """Arrivals of the random numbers with which rates were drawn without places; and these rates and their order."""
    shape = (source.slots + 1, networks)

    def number(count: int, *size: int) -> Tensor:
        return torch.randint(count, size, generator=generator)

    probability = torch.tensor(source.probabilities)[number(len(source.probabilities), networks)]
    mean = torch.tensor(source.demands)[number(len(source.demands), networks)]
    comes = torch.rand(shape, generator=generator) < probability
    demand = mean * torch.tensor(source.spread)[number(len(source.spread), *shape)]
    asked = (1 + number(source.most_asked, *shape)).float()
    level = number(len(source.rates), *shape, 3)
    ties = torch.rand(level.shape, generator=generator)
    rate = torch.tensor(source.rates)[level] + source.bonus * (torch.arange(3) == 0)
    order = (rate + ties * 1e-4 * source.rates[0]).argsort(2, descending=True)
    signals = source.signals_of(level.movedim(2, 0), torch.tensor(0), ties.movedim(2, 0))
    layout = source.draw(Networks(0, range(networks))).layout
    return Table(comes, demand, asked, signals, probability, mean, layout), rate.gather(2, order), order


def rate_of_gains(obs: HeteroData, env: ArrivalEnv) -> Tensor:
    """Data per slot of every edge by Shannon's formula from what the graph says, without interference among its own edges."""
    bs, ue = obs[CHANNEL].edge_index
    signal = obs[CHANNEL].gain[:, 0] * obs["bs"].power_max_w[bs]
    floor = (obs["ue"].noise_w + obs["ue"].far_interference_w)[ue, 0]
    bits = obs.rb_bandwidth_hz[0, 0] * obs.slot_s[0] * torch.log1p(signal / floor) / math.log(2)
    return bits / env.source.data_bits


@pytest.mark.parametrize("name", ["grows-3", "grows-tiny", "grows-3:stations=19", "grows-city:stations=21"])
def test_observations_are_contract_graphs_with_stations_users_and_antennas(name: str) -> None:
    env, reports = played(name, 6)
    for obs in reports:
        check(obs)
        assert torch.equal(obs[MOUNTED_ON].edge_index[1].sort().values, torch.arange(4 * env.num_stations))
        assert torch.equal(obs["antenna"].batch[obs[MOUNTED_ON].edge_index[0]], obs["bs"].batch)
        gain, serves = obs[CHANNEL].gain[:, 0], obs["ue"].active[obs[CHANNEL].edge_index[1]]
        assert torch.equal(obs[CHANNEL].known, serves)
        assert bool((gain[serves] > 0).all()) and bool((gain < 1e-3).all())
        assert bool((gain[~serves] == 0).all()) and not torch.equal(gain, obs[CHANNEL].rate)
        places = obs["bs"].pos.reshape(4, -1, 3)
        assert float(torch.cdist(places, places).add(1e9 * torch.eye(env.num_stations)).min()) > 1.0


@pytest.mark.parametrize("name", ["grows-3", "grows-3:stations=19", "grows-tiny"])
def test_rates_are_those_of_the_gains_and_the_levels_are_the_printed_ones(name: str) -> None:
    env, reports = played(name, 20)
    source = env.source
    assert isinstance(source, DiscreteArrivals)
    levels = torch.tensor([*source.rates, *(rate + source.bonus for rate in source.rates)], dtype=torch.float64)
    for obs in reports:
        rate = obs[CHANNEL].rate
        assert rate.dtype == torch.float32
        torch.testing.assert_close(rate_of_gains(obs, env), rate, rtol=1e-6, atol=0)
        nearest = (rate.double().unsqueeze(1) / levels - 1).abs().amin(1)
        assert bool((nearest[rate > 0] < 1e-6).all())


def test_gains_follow_the_law_at_the_users_places_behind_one_wall() -> None:
    """All 27 combinations of signal strengths have a place inside the triangle and one penetration loss toward all stations."""
    env = ArrivalEnv("grows-3", 40, probability=1.0)
    signals = env.table.signals
    stations = signals.bs_pos[:, :2].new_tensor(signals.bs_pos[0].tolist())
    own = stations[signals.station]  # [T, B, K, 3]
    distance = (own - signals.pos)[..., :2].norm(dim=3)
    heights = {"bs_height_m": float(stations[0, 2]), "ue_height_m": float(signals.pos[0, 0, 0, 2])}
    path_db = pathloss_db("lte", distance, carrier_hz=CARRIER_HZ, los=False, **heights)
    loss_db = -10 * signals.gain[..., 0].log10() - path_db
    assert float((loss_db.amax(2) - loss_db.amin(2)).max()) < 1e-3
    assert float(loss_db.min()) > 15 and float(loss_db.max()) < 40  # from one wall to deep indoors
    by_station = signals.rate[..., 0].gather(2, signals.station.argsort(2))
    assert len(by_station.flatten(0, 1).mul(100).round().unique(dim=0)) == 27
    area = torch.cross(own[:, :, 1] - own[:, :, 0], own[:, :, 2] - own[:, :, 0], dim=2)[..., 2].abs()
    parts = [own[:, :, k] - signals.pos[:, :, 0] for k in range(3)]
    inside = sum(torch.cross(parts[k], parts[(k + 1) % 3], dim=2)[..., 2].abs() for k in range(3))
    torch.testing.assert_close(inside, area, rtol=1e-4, atol=0)  # three parts fill the triangle: the place is inside


def test_gains_change_when_any_station_moves() -> None:
    signals = ArrivalEnv("grows-3", 30, probability=1.0).table.signals
    own = signals.bs_pos[0][signals.station]
    distance = (own - signals.pos)[..., :2].norm(dim=3)
    loss_db = -10 * (signals.gain[..., 0] / gain_of(distance, torch.zeros(()))).log10()
    for station in range(3):
        moved = signals.bs_pos[0].clone()
        moved[station, :2] += torch.tensor([7.0, -11.0])
        gain = gain_of((moved[signals.station] - signals.pos)[..., :2].norm(dim=3), loss_db)
        changed = (gain / signals.gain[..., 0] - 1).abs() > 1e-4
        assert float((changed == (signals.station == station)).float().mean()) > 0.99


def test_the_places_of_permuted_rates_are_those_of_permuted_stations() -> None:
    source = DiscreteArrivals(service=Service(3, 9), rates=(0.86, 1.6, 2.34))
    weight, codes = source._efficiency_places.table.weight, torch.cartesian_prod(*[torch.arange(6)] * 3)
    known = ~weight.isnan().any(1) & ((codes == 3).sum(1) + (codes > 3).sum(1) == 1)
    for code in codes[known].tolist():
        number = (code[0] * 6 + code[1]) * 6 + code[2]
        swapped = (code[0] * 6 + code[2]) * 6 + code[1]
        torch.testing.assert_close(weight[swapped], weight[number][[0, 2, 1]], rtol=1e-9, atol=1e-12)


def test_tables_are_what_they_were_without_places() -> None:
    """Stations and rates against the former draw from the same random numbers."""
    table, rate, order = former_table(arrivals("grows-3"), 300, torch.Generator().manual_seed(5))
    assert torch.equal(table.station, order)
    torch.testing.assert_close(table.rate[..., 0], rate, rtol=1e-6, atol=0)


@pytest.mark.parametrize("load", BEFORE)
def test_rules_do_what_they_did_without_places(load: tuple[float, float, str]) -> None:
    chance, demand, name = load
    source, rule, info = arrivals("grows-3", chance, demand), policy(name), {}
    assert isinstance(source, DiscreteArrivals)
    env = ArrivalEnv(source, 300)
    env.load(former_table(source, 300, stream(2_000_000, 0, "arrivals"))[0])
    for _ in range(env.slots):
        info = env.step(rule.act(env.observe(rule.level), None, None)[0]).info
    means = [float(info["episode"][kpi].double().mean()) for kpi in ("utility", "rejections", "completions")]
    assert means == pytest.approx(BEFORE[load], rel=1e-6, abs=1e-6)


def test_drawn_arrivals_are_like_the_former_ones() -> None:
    """Means over many networks of what is drawn: arrivals, demands, and every pair of levels of the first two stations."""
    source = arrivals("grows-3")
    drawn = source.draw(Networks(1, range(4000)))
    former = former_table(source, 4000, torch.Generator().manual_seed(1))[0]
    for name in ("comes", "demand", "rate", "station"):
        one, other = (getattr(table, name)[:, :, ...].double().flatten(2) if name in ("rate", "station") else
                      getattr(table, name).double().unsqueeze(2) for table in (drawn, former))  # fmt: skip
        error = ((one.mean(0).var(0) + other.mean(0).var(0)) / 4000).sqrt()
        assert bool(((one.mean((0, 1)) - other.mean((0, 1))).abs() < 4 * error + 1e-9).all()), name
    codes = drawn.rate[..., 0].mul(100).round().flatten(0, 1)
    counts = codes.unique(dim=0, return_counts=True)[1].double()
    assert float(counts.max() / counts.min()) < 8  # ordered triples of three levels: one or up to six ways


def test_users_of_hundreds_of_stations_hear_the_three_nearest_mutual_neighbours() -> None:
    source = arrivals("grows-3:stations=300")
    assert isinstance(source, DiscreteArrivals)
    short = replace(source, slots=300)
    signals = short.draw(Networks(1, range(6))).signals
    stations, user = signals.bs_pos[0], signals.pos[:, :, 0]
    own = stations[signals.station]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = (own[:, :, one] - own[:, :, other]).norm(dim=2)
        torch.testing.assert_close(apart, torch.full_like(apart, source.spacing_m), rtol=1e-4, atol=0)
    distance = torch.cdist(user[..., :2].reshape(-1, 2), stations[:, :2])
    nearest = distance.topk(3, 1, largest=False).indices.sort(1).values
    assert torch.equal(nearest, signals.station.reshape(-1, 3).sort(1).values)
    again = short.draw(Networks(1, range(6))).signals
    assert torch.equal(again.pos, signals.pos) and torch.equal(again.gain, signals.gain)
    counts = signals.station.flatten().bincount(minlength=300).float()
    rim = torch.cdist(stations, stations).sort(1).values[:, 6] > 1.1 * source.spacing_m  # fewer than six neighbours
    assert float(counts.min()) > 0 and float(counts[rim].mean()) < 0.8 * float(counts[~rim].mean())


def test_users_in_service_keep_the_gain_and_place_of_their_admission() -> None:
    env, rule = ArrivalEnv("grows-3", 50, probability=1.0, seed=2), policy("best_rate")
    obs, on_arrival = env.reset()[0], {}
    for slot in range(15):
        place, signals = rule.act(obs, None, None)[0], env.table.signals
        for b in range(50):
            station = int(signals.station[slot, b, place[b]])
            free = (env.users.left[b, station] <= 0).nonzero()
            if len(free):
                where = (b, station, int(free[0]))
                on_arrival[where] = (signals.gain[slot, b, :, 0].tolist(), signals.pos[slot, b, 0].tolist())
        obs = env.step(place).obs
        gain = obs[CHANNEL].gain.reshape(50, 28, 3)[:, :27].reshape(50, 3, 9, 3)
        pos = obs["ue"].pos.reshape(50, 28, 3)[:, :27].reshape(50, 3, 9, 3)
        for b, station, user in env.users.on.nonzero().tolist():
            assert (gain[b, station, user].tolist(), pos[b, station, user].tolist()) == on_arrival[b, station, user]
        assert bool((gain[~env.users.on] == 0).all())


@pytest.mark.parametrize("name", ["grows-3", "grows-city:stations=21"])
def test_a_state_is_all_that_an_observation_needs(name: str) -> None:
    env, _ = played(name, 9)
    other = ArrivalEnv(name, 4, probability=1.0)
    other.load_state_dict(env.state_dict())
    expected, found = env.observe("global"), other.observe("global")
    for store, field in ((CHANNEL, "gain"), (CHANNEL, "rate"), ("ue", "pos"), ("ue", "far_interference_w")):
        assert torch.equal(found[store][field], expected[store][field]), field
    choice = torch.zeros(4, dtype=torch.long)
    assert torch.equal(other.step(choice).reward, env.step(choice).reward)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"service": Service(4, 2)}, "hears: got 4 of 4 stations, expected 1 to 3"),
        ({"service": Service(5, 2), "hears": 6}, "hears: got 6 of 5 stations, expected 1 to 3"),
        ({"service": Service(3, 2), "rates": (0.2, 3.0)}, "rates: got 0.2, 3, 3 bit/s/Hz"),
        ({"service": Service(2, 2), "rates": (1.0, 9.0), "spacing_m": 5e3}, "expected efficiencies that some place"),
    ],
)
def test_sources_without_a_geometry_say_why(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiscreteArrivals(**changes)  # type: ignore[arg-type]
