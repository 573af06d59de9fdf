"""Cells that are no stations: at a load of 1 they are the interference of stations that send all they have and serve nobody."""

import dataclasses

import pytest
import torch

from hetgraph.graph import CHANNEL, Carrier, Channel, Layout, Radio, Scenario, Tier, Users, check
from hetgraph.graph.background import background_power_w
from hetgraph.graph.facts import Facts
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.walks import user_trajectories

NEAR = Tier("near", 2, placement="fixed", positions=((100.0, 100.0), (700.0, 300.0)), site=("a", "b"))
FAR = Tier(
    "far",
    3,
    power_dbm=43.0,
    placement="fixed",
    positions=((1400.0, 300.0), (1400.0, 300.0), (-600.0, 900.0)),
    azimuth_deg=(270.0, 30.0, 120.0),
    pattern="38.901",
)
CARRIERS = (Carrier("low", 2e9, 10e6, 3), Carrier("high", 3.5e9, 20e6, 4))
TWO = Radio(bandwidth_hz=30e6, num_rbs=7, carriers=CARRIERS)


def scenario(tiers: tuple[Tier, ...], background: tuple[Tier, ...] = (), radio: Radio = Radio(num_rbs=3)) -> Scenario:
    users = Users(12, indoor_fraction=0.5)
    return Scenario("s", Layout(800, 400), tiers, users, Channel(2e9), radio, background=background)


def loaded(*load: float) -> Tier:
    return dataclasses.replace(FAR, load=load)


@pytest.mark.parametrize("radio", [Radio(num_rbs=3), TWO])
def test_a_full_far_cell_is_a_station_that_serves_nobody(radio: Radio) -> None:
    far = dataclasses.replace(FAR, carrier="high" if radio.carriers else "")
    inside = scenario((NEAR, far), radio=radio).sample(2, seed=3)
    outside = scenario((NEAR,), (far,), radio).sample(2, seed=3)
    check(outside)
    shape = (2, 12, 5)
    gain = inside[CHANNEL].gain.reshape(*shape, -1)
    near = outside[CHANNEL].gain.reshape(2, 12, 2, -1)
    assert torch.equal(gain[:, :, :2], near), "the channel of the stations is that of the same network"
    facts = Facts(inside).links.flat(Facts(inside).sinr).reshape(shape)[:, :, :2]
    got = Facts(outside).links.flat(Facts(outside).sinr).reshape(2, 12, 2)
    torch.testing.assert_close(got, facts)
    power_w, far_w = 10 ** ((46 - 30) / 10) / 3, 10 ** ((43 - 30) / 10) / 3
    noise_w = inside["ue"].noise_w.reshape(2, 12, -1)
    blocks = range(3)
    for n in range(2):  # a slow oracle: each user, block by block
        for u in range(12):
            signal = sum(float(gain[n, u, 0, r]) * power_w for r in blocks) / 3
            other = sum(float(gain[n, u, 1, r]) * power_w for r in blocks) / 3
            if not radio.carriers:
                other += sum(float(gain[n, u, m, r]) * far_w for m in (2, 3, 4) for r in blocks) / 3
            noise = sum(float(noise_w[n, u, r]) for r in blocks) / 3
            assert float(got[n, u, 0]) == pytest.approx(signal / (other + noise), rel=1e-4)


def test_interference_goes_with_the_load_of_each_cell() -> None:
    clean = scenario((NEAR,)).sample(1)["ue"].noise_w
    full = scenario((NEAR,), (FAR,)).sample(1)["ue"].noise_w - clean
    assert (full > 0).all()
    parts = [scenario((NEAR,), (loaded(*load),)).sample(1)["ue"].noise_w - clean for load in ((0.5, 0, 0), (0, 0.2, 1))]
    again = scenario((NEAR,), (loaded(0, 1, 1),)).sample(1)["ue"].noise_w - clean
    halves = scenario((NEAR,), (loaded(0.5, 0.5, 0.5),)).sample(1)["ue"].noise_w - clean
    torch.testing.assert_close(halves, full / 2, rtol=1e-3, atol=0)
    torch.testing.assert_close(2 * parts[0] + again, full, rtol=1e-3, atol=1e-16)
    assert torch.allclose(scenario((NEAR,), (loaded(0, 0, 0),)).sample(1)["ue"].noise_w, clean)


def test_carriers_do_not_disturb_each_other() -> None:
    far = dataclasses.replace(FAR, carrier="high", load=(0.5, 0.25, 1.0))
    power_w = background_power_w(scenario((NEAR,), (far,), TWO))
    each = 10 ** ((43 - 30) / 10) / 4
    torch.testing.assert_close(power_w, torch.tensor([[0.0] * 3 + [each * load] * 4 for load in (0.5, 0.25, 1.0)]))


def test_candidates_and_background_add_up() -> None:
    radio = Radio(num_rbs=3, candidates=1)
    with_far = scenario((NEAR,), (FAR,), radio).sample(2)
    check(with_far)
    assert (with_far["ue"].far_interference_w > 0).all()
    kept = scenario((NEAR,), radio=radio).sample(2)["ue"]
    assert (with_far["ue"].noise_w > kept.noise_w).all()


def test_users_on_their_way_have_it_too() -> None:
    one = Radio(num_rbs=1)
    still = dataclasses.replace(scenario((NEAR,), (FAR,), one), channel=Channel(2e9, fading="none"))
    whole = dataclasses.replace(scenario((NEAR, FAR), (), one), channel=Channel(2e9, fading="none"))
    ways = user_trajectories(still, 2, steps=4, mobility=Waypoints(), seed=1)
    full = user_trajectories(whole, 2, steps=4, mobility=Waypoints(), seed=1)
    assert ways.background_w is not None and ways.background_w.shape == (2, 4, 12)
    far_w = (full.gain[..., 2:] * full.power_w[:, 2:].reshape(2, 1, 1, 3)).sum(3)
    torch.testing.assert_close(ways.background_w, far_w)
    torch.testing.assert_close(ways.gain, full.gain[..., :2])
    assert user_trajectories(scenario((NEAR,), radio=one), 1, steps=2).background_w is None
    with pytest.raises(ValueError, match=r"Trajectories.background_w: got \(1, 4, 12\), expected \(2, 4, 12\)"):
        dataclasses.replace(ways, background_w=far_w[:1])


def test_background_is_part_of_the_scenario() -> None:
    made = scenario((NEAR,), (loaded(0.1, 0.2, 0.3),))
    assert Scenario.from_yaml(made.to_yaml()) == made and made.num_stations == 2
    assert len({made.hash, scenario((NEAR,), (FAR,)).hash, scenario((NEAR,)).hash}) == 3
    many = made.sample(3, seed=4)
    assert torch.equal(many.get_example(2)["ue"].noise_w, made.sample(1, seed=4, first=2)["ue"].noise_w)
    for tier, message in (
        (loaded(0.5), r"background\[0\].load: got 1, expected 3 numbers, or none"),
        (loaded(0.5, 1, 1.5), r"background\[0\].load: got \(0.5, 1.5\), expected shares in 0..1"),
        (Tier(), r"background\[0\].placement: got 'uniform', expected cells at 'fixed' places"),
    ):
        with pytest.raises(ValueError, match=message):
            scenario((NEAR,), (tier,))
