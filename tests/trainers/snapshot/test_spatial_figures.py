"""Figures of stations that precode: beams point at users, powers add up, and files are written."""

from dataclasses import replace
from pathlib import Path

import torch

from hetgraph.graph import CHANNEL, links_of, preset
from hetgraph.radio import policy
from hetgraph.trainers.snapshot.spatial_figures import precoder_figures, radiated


def test_the_beam_of_a_lone_user_points_at_it() -> None:
    drawn = preset("mimo-7:antennas=16,users=1")
    plain = replace(drawn, channel=replace(drawn.channel, fading="none"))
    graph = plain.sample(1, seed=3)
    allocation = policy("mrt")(graph)
    azimuth, power = radiated(graph, allocation)
    links = links_of(graph)
    load = links.users_per_bs(allocation.serving)
    checked = 0
    for user, station in enumerate(allocation.serving.tolist()):
        if load[station] != 1:
            continue
        edge = int(links.first_edge[user] + links.slot_of(allocation.serving)[user])
        east, north = graph[CHANNEL].offset_m[edge].tolist()
        angle = torch.atan2(torch.tensor(north), torch.tensor(east)) % (2 * torch.pi)
        peak = azimuth[power[station].argmax()]
        off = (peak - angle + torch.pi) % (2 * torch.pi) - torch.pi
        assert abs(float(off)) < 0.12, "a lobe of 16 antennas is some 0.3 rad wide"
        gain = float(power[station].max() / graph["bs"].power_max_w[station])
        assert 8 < gain <= 16.001, "sixteen antennas give at most sixteen times the power"
        checked += 1
    assert checked >= 2


def test_figures_of_precoders_are_written(tmp_path: Path) -> None:
    graph = preset("mimo-7:antennas=4,users=2").sample(1, seed=0)
    allocations = {name: policy(name)(graph) for name in ("mrt", "slnr")}
    paths = precoder_figures(graph, allocations, tmp_path)
    assert [path.name for path in paths] == ["beams.png", "power_per_antenna.png"]
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_rules_without_precoders_have_none(tmp_path: Path) -> None:
    graph = preset("uma-5bs:users=20,num_rbs=2").sample(1, seed=0)
    assert precoder_figures(graph, {"max_rsrp": policy("max_rsrp")(graph)}, tmp_path) == []
