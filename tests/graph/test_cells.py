"""Networks of cells: where sites and users stand, who serves whom, and who is whose neighbour."""

import math

import pytest
import torch

from hetgraph.graph import CHANNEL, NEIGHBOURS, Scenario, preset


def pieces(scenario: Scenario, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = scenario.sample(n, seed=5)
    stations, users = scenario.num_stations, scenario.users.count
    bs = batch["bs"].pos.reshape(n, stations, 3)[..., :2]
    ue = batch["ue"].pos.reshape(n, users, 3)[..., :2]
    return bs, ue, batch[CHANNEL].may_serve.reshape(n, users, stations)


def test_hexagons_hold_their_users_and_serve_them() -> None:
    bs, ue, may_serve = pieces(preset("hex-19:rings=1,users_per_cell=40"), 5)
    own = torch.arange(7).repeat_interleave(40).expand(5, -1)
    assert torch.equal(may_serve.float().argmax(2), own) and bool((may_serve.sum(2) == 1).all())
    offset = ue - bs.gather(1, own.unsqueeze(2).expand(-1, -1, 2))
    assert float(offset.norm(dim=2).min()) >= 35 - 1e-3
    assert bool((offset[..., 0].abs() <= 500 * math.sqrt(3) / 2 + 1e-2).all())
    assert bool((offset[..., 1].abs() + offset[..., 0].abs() / math.sqrt(3) <= 500 + 1e-2).all())
    sixth = ((torch.atan2(offset[..., 1], offset[..., 0]) + math.pi) / (math.pi / 3)).long().clamp_max(5)
    share = torch.bincount(sixth.flatten(), minlength=6) / sixth.numel()
    assert float((share - 1 / 6).abs().max()) < 0.035, "uniform over the hexagon"


def test_scattered_sites_step_from_earlier_ones() -> None:
    bs, ue, may_serve = pieces(preset("random-19"), 5)
    for network in bs:
        for site in range(1, 19):
            parent, turn = network[(site - 1) // 6], (site - 1) % 6 * math.pi / 3
            step = 500 * math.sqrt(3) * torch.tensor([math.cos(turn), math.sin(turn)])
            shift = network[site] - parent - step
            assert bool((shift >= -1e-2).all()) and bool((shift <= 250 + 1e-2).all())
    centre = bs.repeat_interleave(3, 1)
    assert float((ue - centre).abs().max()) <= 250 + 1e-2
    assert torch.equal(may_serve.float().argmax(2), torch.cdist(ue, bs).argmin(2))


@pytest.mark.parametrize("name", ["hex-19", "random-19"])
def test_neighbours_disturb_a_user_of_one_another(name: str) -> None:
    batch = preset(name).sample(3, seed=2)
    loss = batch[CHANNEL].pathloss_db.reshape(3, 57, 19)
    serves = batch[CHANNEL].may_serve.reshape(3, 57, 19)
    expected = set()
    for network in range(3):
        served = {int(s) for s in serves[network].float().argmax(1)}
        for user in range(57):
            own = int(serves[network, user].float().argmax())
            for other in range(19):
                near = float(loss[network, user, other]) < float(loss[network, user, own]) + 8
                if other != own and near and other in served:
                    expected |= {(19 * network + own, 19 * network + other), (19 * network + other, 19 * network + own)}
    assert {tuple(pair) for pair in batch[NEIGHBOURS].edge_index.T.tolist()} == expected
