"""GROWS's columns against the formulas of its first edition, on observations of arrivals."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import ArrivalEnv
from hetgraph.graph import check
from hetgraph.models import GROWS
from hetgraph.models.grows import COLUMNS, SERVED, Arrival
from hetgraph.radio import policy
from hetgraph.radio.arriving import arriving, in_service
from hetgraph.radio.offer import Offer, offer_of


def station_oracle(offer: Offer) -> Tensor:
    """Columns of stations, from the offer."""
    unit = offer.time_unit.unsqueeze(1)
    rate, users = offer.rate * unit, offer.users
    demand = offer.demand.unsqueeze(1).expand_as(rate)
    columns = [users, offer.utility, rate, demand, offer.free, offer.asked.unsqueeze(1).expand_as(rate)]
    columns += [(offer.backlog / unit).log1p(), (demand / rate.clamp_min(1e-6)).log1p(), (rate / (users + 1)).log1p()]
    wide = (
        (offer.slots_left.unsqueeze(1) / unit).log1p(),
        offer.probability.unsqueeze(1),
        offer.mean_demand.unsqueeze(1),
    )
    return torch.stack(columns + [value.expand_as(rate) for value in wide], 2)


def users_oracle(env: ArrivalEnv, offer: Offer) -> Tensor:
    """Columns of users in service, one after the other."""
    b, k = offer.rate.shape
    out = torch.zeros(b, k, env.places, len(SERVED))
    for i in range(b):
        for j in range(k):
            n, unit = int(offer.station[i, j]), float(offer.time_unit[i])
            count = float(env.users.on[i, n].sum())
            for c in range(env.places):
                left, rate, asked = (float(getattr(env.users, name)[i, n, c]) for name in ("left", "rate", "asked"))
                if left <= 0:
                    continue
                need = torch.tensor(left / (rate * unit))
                now, later = (torch.tensor(rate * unit / (count + more)).log1p() for more in (0, 1))
                out[i, j, c] = torch.stack(
                    [
                        torch.tensor(1.0),
                        torch.tensor(left).log1p(),
                        torch.tensor(rate * unit).log1p(),
                        torch.tensor(asked / 5),
                        need.log1p(),
                        need.clamp_max(20) / 10,
                        now,
                        now - later,
                    ]
                )
    return out


def observed(name: str, slots: int) -> tuple[ArrivalEnv, HeteroData]:
    env, rule = ArrivalEnv(name, 5, seed=1), policy("random_station")
    obs, generator = env.reset()[0], torch.Generator().manual_seed(0)
    for _ in range(slots):
        obs = env.step(rule.act(obs, None, generator)[0]).obs
    return env, obs


@pytest.mark.parametrize("name", ["grows-3", "grows-3:stations=12", "grows-city:stations=36", "hetnet-3tier"])
def test_columns_are_those_of_the_first_edition(name: str) -> None:
    env, obs = observed(name, 25)
    agent, offer = GROWS(features="full", users=True), offer_of(obs)
    found = agent.views(obs)
    comes = offer.comes.reshape(-1, 1, 1)
    torch.testing.assert_close(found.station * comes, station_oracle(offer) * comes, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.user, users_oracle(env, offer), rtol=1e-5, atol=1e-5)
    assert torch.equal(found.room, offer.room) and bool(found.user[..., 0].any())
    few = GROWS(features="paper").views(obs)
    assert torch.equal(few.station, found.station[..., :4]) and few.user.shape[2] == 0
    assert len(COLUMNS) == found.station.shape[2]


def test_parts_of_observations_are_graphs() -> None:
    _, obs = observed("grows-3", 12)
    part = arriving(obs)
    assert len(part["ue"].demand) == 5 and torch.equal(
        part[("bs", "channel", "ue")].slot.reshape(5, 3)[0], torch.arange(3)
    )
    served = in_service(obs, offer_of(obs).station)
    assert len(served["ue"].demand) == 5 * 27 and int(served["ue"].active.sum()) == int(obs["bs"].users.sum())
    check(obs)


def test_a_station_without_room_is_never_chosen_and_none_rejects() -> None:
    env, obs = observed("grows-3", 12)
    torch.manual_seed(0)
    agent = GROWS()
    seen = agent.views(obs)
    value = agent(Arrival(seen.station, torch.zeros_like(seen.room), seen.user))
    assert bool(value.isinf().all())
    quiet = ArrivalEnv("grows-3", 64, probability=0.2, seed=2)
    action, _ = agent.act(quiet.reset()[0], None, None)
    asked = offer_of(quiet.observe("neighbourhood"))
    assert torch.equal(action == 3, ~asked.room.any(1)) and bool((action == 3).any()) and bool((action < 3).any())
    assert env.masks()["place_mask"].shape == (5, 4)
