"""Trajectories: the same network alone and among many, users where they should be, bad input refused."""

from dataclasses import replace

import pytest
import torch

from hetgraph.graph import Trajectories, Waypoints, preset, roaming, user_trajectories
from hetgraph.graph.sample import noise_w

FEW = roaming(cells=9, users=12)


@pytest.mark.parametrize("kind", ["waypoint", "group"])
def test_a_network_is_the_same_alone(kind: str) -> None:
    mobility = Waypoints(kind)  # type: ignore[arg-type]
    many = user_trajectories(FEW, 3, steps=6, mobility=mobility, seed=4)
    alone = user_trajectories(FEW, 1, steps=6, mobility=mobility, seed=4, first=2)
    for name in ("gain", "ue_pos", "speed_mps", "bs_pos", "power_w", "tier"):
        assert torch.equal(getattr(alone, name)[0], getattr(many, name)[2]), name
    assert not torch.equal(many.gain[0], many.gain[1]) and not bool(many.measured.any())
    assert not torch.equal(user_trajectories(FEW, 1, steps=6, mobility=mobility, seed=5).gain[0], many.gain[0])


@pytest.mark.parametrize("kind", ["waypoint", "group"])
def test_users_walk_within_the_area_at_their_speed(kind: str) -> None:
    found = user_trajectories(FEW, 2, steps=40, slot_s=2.0, mobility=Waypoints(kind, speed_mps=(1.0, 3.0), pause_s=4.0))  # type: ignore[arg-type]
    extent = torch.tensor([FEW.layout.width_m, FEW.layout.height_m])
    assert bool((found.ue_pos >= 0).all()) and bool((found.ue_pos <= extent).all())
    went = (found.ue_pos[:, 1:] - found.ue_pos[:, :-1]).norm(dim=-1) / 2.0
    torch.testing.assert_close(found.speed_mps[:, :-1], went)
    fastest = 3.0 if kind == "waypoint" else 6.0  # a member may walk with its group and within it
    assert float(went.max()) <= fastest + 1e-3 and float(went.mean()) > 0.5
    assert bool((went == 0).any()) or kind == "group"


def test_groups_stay_together() -> None:
    mobility = Waypoints("group", groups=3, radius_m=20.0)
    place = user_trajectories(FEW, 2, steps=20, mobility=mobility).ue_pos
    group = torch.arange(12) % 3
    for number in range(3):
        members = place[:, :, group == number]
        assert float((members.unsqueeze(2) - members.unsqueeze(3)).norm(dim=-1).max()) <= 40 + 1e-3


def test_gain_follows_the_place_and_the_scenario() -> None:
    still = user_trajectories(FEW, 1, steps=5, mobility=Waypoints(speed_mps=(0.0, 0.0)))
    assert torch.equal(still.gain[:, 1:], still.gain[:, :1].expand(-1, 4, -1, -1))
    slow = user_trajectories(FEW, 2, steps=60, slot_s=0.02).gain.log10() * 10
    moves = (slow[:, 1:] - slow[:, :-1]).abs()
    assert 0 < float(moves.median()) < 1  # a few centimetres a step, dB; the line of sight is what jumps
    assert still.power_w[0].log10().mul(10).add(30).round().unique().tolist() == [30, 38, 46]
    assert still.tier.tolist() == [[0] + [1] * 3 + [2] * 5]
    scenario = preset("hex-19")
    hexagons = user_trajectories(scenario, 1, steps=3)
    assert hexagons.noise_w == pytest.approx(3 * noise_w(scenario)) and hexagons.cells == 19


@pytest.mark.parametrize("cells", [25, 50, 100])
def test_sizes_for_transfer(cells: int) -> None:
    assert roaming(cells, 10 * cells).num_stations == cells
    assert roaming(cells, 10 * cells).users.count == 10 * cells


def test_bad_input() -> None:
    good = user_trajectories(FEW, 1, steps=2)
    for change, match in (
        ({"gain": good.gain[0]}, r"Trajectories.gain: got \(2, 12, 9\), expected \[P, T, U, K\]"),
        ({"power_w": good.power_w[:, :3]}, r"Trajectories.power_w: got \(1, 3\), expected \(1, 9\)"),
        ({"tier": good.tier.float()}, "Trajectories.tier: got torch.float32, expected torch.int64"),
        ({"gain": good.gain * torch.nan}, "Trajectories.gain: got NaN or infinity"),
        ({"gain": -good.gain}, "Trajectories.gain: got .* expected positive numbers"),
        ({"speed_mps": good.speed_mps - 100}, "Trajectories: got a negative speed"),
        ({"slot_s": 0.0}, "Trajectories.slot_s: got 0.0, expected a finite number > 0"),
    ):
        with pytest.raises(ValueError, match=match):
            Trajectories(**{**vars(good), **change})
    for options, match in (
        ({"networks": 0}, "networks: got 0, expected a positive number"),
        ({"slot_s": -1.0}, "slot_s: got -1.0, expected a positive number"),
        ({"scenario": replace(FEW, channel=replace(FEW.channel, shadowing="independent"))}, "correlated in space"),
    ):
        with pytest.raises(ValueError, match=match):
            user_trajectories(**{"scenario": FEW, **options})  # type: ignore[arg-type]
    for wrong, match in (
        ({"kind": "train"}, "mobility.kind: got 'train'"),
        ({"speed_mps": (3.0, 1.0)}, r"mobility.speed_mps: got \(3.0, 1.0\)"),
        ({"groups": 0}, "mobility: got groups=0"),
    ):
        with pytest.raises(ValueError, match=match):
            Waypoints(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "cells", "users"), [("hex-19x3", 57, 570), ("random-19", 19, 57), ("uma-5bs", 5, 5400)]
)
def test_a_preset_on_a_grid_or_at_fixed_places_keeps_its_own_size(name: str, cells: int, users: int) -> None:
    with pytest.warns(UserWarning, match=f"{name}: keeps its {cells} cells and {users} users; cells=25"):
        scenario = roaming(base=name)
    assert (scenario.num_stations, scenario.users.count) == (cells, users)
