"""Spatially consistent shadowing and LOS state."""

import math

import pytest
import torch

from hetgraph.channel import LTE, correlated_los, correlated_shadow, draw_field, los_probability

DRAWS = 4000
DISTANCES = {
    "uma": (37.0, 50.0, 50.0),
    "umi": (10.0, 13.0, 50.0),
    "rma": (37.0, 120.0, 60.0),
    "inh-mixed": (10.0, 6.0, 10.0),
    "inh-open": (10.0, 6.0, 10.0),
    "lte": (50.0, 50.0, 50.0),
}


def generators(number, first=0):
    return [torch.Generator().manual_seed(77 + first + i) for i in range(number)]


@pytest.mark.parametrize("model", list(DISTANCES))
def test_correlation_distances_of_the_standard(model):
    clear_m, hidden_m, state_m = DISTANCES[model]
    field = draw_field(1, generators(DRAWS), modes=16)
    for los, distance_m in ((True, clear_m), (False, hidden_m)):
        position = torch.tensor([[300.0, 100.0], [300.0 + distance_m, 100.0]]).expand(DRAWS, -1, -1)
        value = correlated_shadow(model, field, position, los=torch.full((DRAWS, 1, 2), los))[:, 0]
        measured = (value[:, 0] * value[:, 1]).mean().item()
        assert measured == pytest.approx(math.exp(-1.0), abs=4.5 * math.sqrt(1.14 / DRAWS))
    # Two Gaussians with correlation r have the same sign with probability 1/2 + asin(r)/pi.
    position = torch.tensor([[300.0, 100.0], [300.0, 100.0 + state_m]]).expand(DRAWS, -1, -1)
    state = correlated_los(model, field, position, probability=torch.full((DRAWS, 1, 2), 0.5))[:, 0]
    same = (state[:, 0] == state[:, 1]).double().mean().item()
    assert same == pytest.approx(0.5 + math.asin(math.exp(-1.0)) / math.pi, abs=4.5 * 0.5 / math.sqrt(DRAWS))


def test_each_link_reads_its_own_state():
    field = draw_field(2, generators(3))
    position = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0)) * 500.0
    los = torch.rand(3, 2, 5, generator=torch.Generator().manual_seed(1)) < 0.5
    both = {s: correlated_shadow("rma", field, position, los=torch.full_like(los, s)) for s in (True, False)}
    torch.testing.assert_close(
        correlated_shadow("rma", field, position, los=los), torch.where(los, both[True], both[False])
    )


def test_shadowing_stays_put_when_a_user_moves_a_metre():
    field = draw_field(8, generators(400))
    position = torch.rand(400, 10, 2, generator=torch.Generator().manual_seed(0)) * 1000.0
    los = torch.zeros(400, 8, 10, dtype=torch.bool)
    before = correlated_shadow("uma", field, position, los=los)
    assert torch.equal(before, correlated_shadow("uma", field, position.clone(), los=los))
    after = correlated_shadow("uma", field, position + torch.tensor([0.6, 0.8]), los=los)
    step = (after - before).square().mean().item()
    assert step == pytest.approx(2.0 * (1.0 - math.exp(-1.0 / 50.0)), rel=0.1)


def test_los_state_follows_its_probability_and_persists():
    field = draw_field(1, generators(DRAWS), modes=16)
    distance = torch.tensor([5.0, 40.0, 41.0, 100.0, 400.0])
    position = torch.stack((distance, torch.zeros(5)), -1).expand(DRAWS, -1, -1)
    probability = los_probability("umi", distance, ue_height_m=1.5)
    state = correlated_los("umi", field, position, probability=probability.expand(DRAWS, 1, 5))[:, 0]
    assert state.dtype == torch.bool
    spread = (probability * (1 - probability) / DRAWS).sqrt()
    assert bool(((state.float().mean(0) - probability).abs() <= 4.5 * spread).all())
    assert (state[:, 1] != state[:, 2]).float().mean() < 0.12  # independent states would differ in 48%


def test_certain_states():
    field = draw_field(2, generators(20))
    position = torch.rand(20, 30, 2) * 1e3
    ones = torch.ones(20, 2, 30)
    assert bool(correlated_los("uma", field, position, probability=ones).all())
    assert not bool(correlated_los("uma", field, position, probability=0.0 * ones).any())


def test_a_models_own_distance():
    field = draw_field(1, generators(2))
    position = torch.rand(2, 6, 2) * 300.0
    los = torch.zeros(2, 1, 6, dtype=torch.bool)
    near, far = (correlated_shadow(LTE(correlation_m=d), field, position * d, los=los) for d in (1.0, 80.0))
    torch.testing.assert_close(near, far, rtol=1e-3, atol=1e-3)


def test_bad_shapes():
    field = draw_field(2, generators(3))
    position = torch.zeros(3, 5, 2)
    with pytest.raises(ValueError, match=r"los: got torch.bool \(3, 5, 2\), expected torch.bool \(3, 2, 5\)"):
        correlated_shadow("uma", field, position, los=torch.zeros(3, 5, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"los: got torch.float32"):
        correlated_shadow("uma", field, position, los=torch.zeros(3, 2, 5))
    with pytest.raises(ValueError, match=r"probability: got shape \(2, 5\), expected \(3, 2, 5\)"):
        correlated_los("uma", field, position, probability=torch.zeros(2, 5))
    with pytest.raises(ValueError, match="model: got 'none'"):
        correlated_los("none", field, position, probability=torch.zeros(3, 2, 5))
