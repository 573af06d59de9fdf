"""Line of sight along straight walks: it changes as often as Rice's formula says, and does not flicker."""

import math

import pytest
import torch

from hetgraph.channel import correlated_los, draw_field, los_probability, soft_los

STEP_M, MASTS = 0.5, 2


def walk(
    model: str, walks: int, steps: int, distances: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States and probabilities ``[walks, masts, steps]`` on straight walks, and whether a step counts (0.1 < p < 0.9)."""
    generator = torch.Generator().manual_seed(11)
    low, high = distances
    start = low + (high - low) * torch.rand(walks, 1, generator=generator)
    angle, heading = (2 * math.pi * torch.rand(walks, 1, generator=generator) for _ in range(2))
    way = STEP_M * torch.arange(steps)
    x = start * angle.cos() + way * heading.cos()
    y = start * angle.sin() + way * heading.sin()
    probability = los_probability(model, torch.hypot(x, y), ue_height_m=1.5)
    generators = [torch.Generator().manual_seed(500 + i) for i in range(walks)]
    field = draw_field(MASTS, generators, law="gaussian", modes=64)
    chance = probability.unsqueeze(1).expand(-1, MASTS, -1)
    state = correlated_los(model, field, torch.stack([x, y], -1), probability=chance)
    return state, chance, (chance > 0.1) & (chance < 0.9)


@pytest.mark.parametrize(
    ("model", "distance_m", "walks", "steps", "distances"),
    [
        ("uma", 50.0, 250, 1000, (20.0, 300.0)),
        ("umi", 50.0, 350, 700, (20.0, 200.0)),
        ("rma", 60.0, 150, 1200, (100.0, 2000.0)),
        ("inh-mixed", 10.0, 1500, 100, (2.0, 45.0)),
    ],
)
def test_changes_along_a_walk(
    model: str, distance_m: float, walks: int, steps: int, distances: tuple[float, float]
) -> None:
    state, chance, counts = walk(model, walks, steps, distances)
    both = counts[..., 1:] & counts[..., :-1]
    changed = (state[..., 1:] != state[..., :-1]) & both
    assert int(both.sum()) > 100_000, "steps"
    level = torch.special.ndtri(chance.double())
    rate = math.sqrt(2) / (math.pi * distance_m) * torch.exp(-level.square() / 2)  # changes a metre at a constant level
    plain = float(rate[..., 1:][both].mean()) * STEP_M * int(both.sum())
    assert int(changed.sum()) == pytest.approx(plain, rel=0.15)
    # Where the probability changes along the way the level is crossed more often, by a factor of the slope over that of the
    # field, r (Rice's formula for a moving level).
    r = level.diff(dim=2) / STEP_M / (math.sqrt(2) / distance_m)
    more = torch.exp(-r.square() / 2) + r * math.sqrt(math.pi / 2) * (2 * torch.special.ndtr(r) - 1)
    moving = float((rate[..., 1:] * more)[both].mean()) * STEP_M * int(both.sum())
    assert int(changed.sum()) == pytest.approx(moving, rel=0.12)
    undone = torch.zeros_like(changed)
    for lag in range(1, 6):  # 2.5 m
        undone[..., :-lag] |= changed[..., :-lag] & changed[..., lag:]
    assert int(undone.sum()) <= 0.03 * int(changed.sum()), "no flicker"


def test_the_share_of_states_is_the_probability() -> None:
    generators = [torch.Generator().manual_seed(i) for i in range(400)]
    field = draw_field(4, generators, law="gaussian", modes=64)
    place = torch.tensor([[200.0, 100.0]]).expand(400, -1, -1)
    for p in (0.05, 0.2, 0.5, 0.9):
        state = correlated_los("umi", field, place, probability=torch.full((400, 4, 1), p))
        assert float(state.float().mean()) == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / 1600))


def test_the_soft_state_passes_one_half_where_the_hard_one_changes() -> None:
    generators = [torch.Generator().manual_seed(i) for i in range(5)]
    field = draw_field(3, generators, law="gaussian")
    place = torch.stack([torch.arange(0.0, 400.0), torch.zeros(400)], -1).expand(5, -1, -1)
    chance = torch.full((5, 3, 400), 0.4)
    hard = correlated_los("uma", field, place, probability=chance)
    soft = soft_los("uma", field, place, probability=chance, carrier_hz=3.5e9)
    assert torch.equal(soft >= 0.5, hard)
    assert float(soft.min()) >= 0 and float(soft.max()) <= 1
    assert float((soft[..., 1:] - soft[..., :-1]).abs().max()) < 0.5, "gradual"
    sharper = soft_los("uma", field, place, probability=chance, carrier_hz=60e9)
    assert bool(((sharper - 0.5).abs() >= (soft - 0.5).abs() - 1e-6).all())
