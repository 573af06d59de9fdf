"""Prices of handovers and of crowded cells, fitted to the training networks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning
import pytest
import torch

from hetgraph.envs.handover.rules import Announced
from hetgraph.envs.handover.search_rules import Negotiated
from hetgraph.models import GraphQMIX, load, save
from hetgraph.nn.candidates import candidates_of
from hetgraph.solvers.announced import PATIENCE
from hetgraph.trainers import QMIX, HandoverDataModule
from hetgraph.trainers.handover import price
from hetgraph.trainers.handover.price import fitted_price


def test_the_price_of_a_handover_fits_the_training_networks(
    make_data: Callable[..., HandoverDataModule],
    fit: Callable[..., tuple[QMIX, lightning.Trainer]],
    mean_utility: Callable[..., float],
    tmp_path: Path,
) -> None:
    data = make_data()
    env = data.environment("train", whole=True)
    assert env.num_envs == 4 > data.num_envs
    grid = (0.05, 0.6, 2.0)
    utility = [mean_utility(env, Announced(price), 7) for price in grid]
    assert len(set(utility)) == 3
    (a, b, c), (u, v, w) = grid, utility
    rise, further = (v - u) / (b - a), (w - v) / (c - b)
    bend = (further - rise) / (c - a)
    top = (a + b) / 2 - rise / (2 * bend)
    expected = top if bend < 0 and a < top < c else grid[utility.index(max(utility))]
    assert fitted_price(env, seed=7, grid=grid) == pytest.approx(expected)
    rising = fitted_price(env, lambda price: Announced(2.0 - price), seed=7, grid=(0.0, 1.0, 2.0))
    assert rising == pytest.approx(2.0 - fitted_price(env, seed=7, grid=(0.0, 1.0, 2.0)))
    with pytest.raises(ValueError, match="grid: got 0 numbers"):
        fitted_price(env, seed=7, grid=())
    module, _ = fit(tmp_path, 1, credit=1.0, intentions=2, patience=None)
    loaded = load(save(module.model, tmp_path / "best.ckpt"))
    price = fitted_price(env, partial(Announced, rounds=2), seed=0)
    assert float(loaded.patience) == float(module.model.patience) == pytest.approx(price)
    assert price != PATIENCE  # so that what follows can fail
    obs = data.environment("val").observe(loaded.level)
    edge = loaded._announced(candidates_of(obs)).edge[:, :, -1]
    loaded.patience.fill_(PATIENCE)
    assert not torch.equal(edge, loaded._announced(candidates_of(obs)).edge[:, :, -1])


@pytest.mark.parametrize(("agreements", "crowding", "rule"), [(0, 0.01, Announced), (2, 0.02, Negotiated)])
def test_the_price_is_fitted_to_the_rule_that_agents_follow(
    agreements: int, crowding: float, rule: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(price, "fitted_price", lambda env, kind, *, seed: asked.append((env, kind, seed)) or 0.25)
    policy = GraphQMIX(intentions=3, agreements=agreements, crowding=crowding, patience=None)
    price.fit_price(policy, lambda: "networks", seed=4)  # type: ignore[arg-type,return-value]
    (env, kind, seed), *more = asked
    assert (env, seed, more) == ("networks", 4, []) and float(policy.get_buffer("patience")) == 0.25
    found = kind(0.7)
    assert type(found) is rule and (found.patience, found.crowding, found.rounds) == (0.7, crowding, 3)
    assert getattr(found, "agreements", 0) == agreements
    for fixed in (GraphQMIX(intentions=1, agreements=agreements), GraphQMIX(patience=None)):
        price.fit_price(fixed, lambda: "networks", seed=4)  # type: ignore[arg-type,return-value]
    assert len(asked) == 1


def test_crowding_is_fitted_after_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, numbers = [], iter([0.25, 0.03, 0.02])
    monkeypatch.setattr(price, "fitted_price", lambda env, kind, **_: rules.append(kind(0.7)) or next(numbers))
    policy = GraphQMIX(intentions=1, agreements=2, patience=None, crowding=None)
    policy.get_buffer("crowding").fill_(0.5)  # of other networks
    price.fit_price(policy, lambda: None, seed=4)  # type: ignore[arg-type,return-value]
    assert [(rule.patience, rule.crowding) for rule in rules] == [(0.7, 0.0), (0.25, 0.7)]
    assert policy.price() == pytest.approx((0.25, 0.03))
    policy = GraphQMIX(intentions=1, agreements=2, patience=0.4, crowding=None)
    price.fit_price(policy, lambda: None, seed=4)  # type: ignore[arg-type,return-value]
    assert (rules[2].patience, rules[2].crowding) == (0.4, 0.7) and policy.price() == pytest.approx((0.4, 0.02))
