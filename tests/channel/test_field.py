"""Random fields: marginals, autocorrelation, stationarity, and independence of the networks of a batch."""

import math

import pytest
import torch

from hetgraph.channel import Field, draw_field, evaluate_field

DRAWS = 4000


def generators(number, first=0):
    return [torch.Generator().manual_seed(1000 + first + i) for i in range(number)]


@pytest.fixture(scope="module")
def sample():
    """Many fields of two stations, correlated by 0.5, at several lags from a place far from the origin."""
    field = draw_field(2, generators(DRAWS), inter_site_correlation=0.5, modes=32, dtype=torch.float64)
    lags = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 20.0], [30.0, 40.0], [-50.0, 0.0], [150.0, 0.0]])
    position = (lags + torch.tensor([700.0, -300.0])).expand(DRAWS, -1, -1)
    return evaluate_field(field, position, correlation_m=50.0), lags.norm(dim=1).double()


def test_a_point_is_standard_normal(sample):
    values = sample[0].flatten(1)  # 12 correlated readings per draw
    error = 1.0 / math.sqrt(DRAWS)
    assert values.mean(0).abs().max() < 4.5 * error
    assert (values.square().mean(0) - 1.0).abs().max() < 4.5 * math.sqrt(2.0) * error
    assert (values.pow(4).mean(0) - 3.0).abs().max() < 4.5 * math.sqrt(96.0) * error
    ordered = values[:, 0].sort().values  # Kolmogorov-Smirnov, 0.1% level
    steps = torch.arange(1, DRAWS + 1, dtype=torch.float64) / DRAWS
    assert (torch.special.ndtr(ordered) - steps).abs().max() < 1.95 * error


def test_variance_is_exactly_one_given_the_waves():
    """Over the amplitudes the variance is cos^2 + sin^2 at every point, whatever waves were drawn."""
    field = draw_field(1, generators(3), dtype=torch.float64)
    modes = field.wave.shape[1]
    unit = torch.eye(2 * modes, dtype=torch.float64).expand(3, -1, -1) / math.sqrt(modes)
    position = torch.tensor([[0.0, 0.0], [3.0, 4.0], [-5e3, 1e4]], dtype=torch.float64).expand(3, -1, -1)
    variance = evaluate_field(Field(field.wave, unit), position, correlation_m=37.0).square().sum(1)
    torch.testing.assert_close(variance, torch.ones(3, 3, dtype=torch.float64), rtol=0.0, atol=1e-12)


def test_autocorrelation_is_exponential_in_any_direction(sample):
    values, lag = sample
    measured = (values[..., :1] * values).mean((0, 1))
    expected = torch.exp(-lag / 50.0)
    assert (measured - expected).abs().max() < 4.5 * math.sqrt(2.0 / DRAWS)


def test_the_spectrum_gives_the_exponential():
    """Averaged over the waves instead of the amplitudes: far less noise, so a tight bound."""
    wave = draw_field(1, generators(400), modes=64, dtype=torch.float64).wave.reshape(-1, 2)
    for x, y in ((0.02, 0.0), (0.1, 0.1), (0.0, 0.7), (-1.5, 1.0), (3.0, 0.0)):
        measured = torch.cos(wave[:, 0] * x + wave[:, 1] * y).mean().item()
        assert measured == pytest.approx(math.exp(-math.hypot(x, y)), abs=0.01)


def test_stationary(sample):
    """The correlation of two places 50 m apart is the same wherever they are."""
    field = draw_field(1, generators(DRAWS, first=10_000), modes=32)
    here = torch.tensor([[0.0, 0.0], [50.0, 0.0], [2e3, 1e3], [2e3, 1.05e3], [-9e3, 5e3], [-9.03e3, 5.04e3]])
    values = evaluate_field(field, here.expand(DRAWS, -1, -1), correlation_m=50.0)[:, 0]
    products = (values[:, 0::2] * values[:, 1::2]).mean(0)
    assert (products - math.exp(-1.0)).abs().max() < 4.5 * math.sqrt(1.14 / DRAWS)


def test_inter_site_correlation(sample):
    values = sample[0][:, :, 0]
    assert (values[:, 0] * values[:, 1]).mean().item() == pytest.approx(0.5, abs=4.5 * math.sqrt(1.25 / DRAWS))
    apart = draw_field(2, generators(DRAWS), modes=8)
    alone = evaluate_field(apart, torch.zeros(DRAWS, 1, 2), correlation_m=10.0)[:, :, 0]
    assert (alone[:, 0] * alone[:, 1]).mean().abs() < 4.5 / math.sqrt(DRAWS)


def test_one_draw_resembles_the_law():
    """Over a large map of one network, mean and variance are the law's within what a finite number of waves allows."""
    field = draw_field(3, generators(1))
    x = torch.arange(0.0, 5000.0, 50.0)
    grid = torch.stack(torch.meshgrid(x, x, indexing="ij"), -1).reshape(1, -1, 2)
    values = evaluate_field(field, grid, correlation_m=50.0)[0]
    assert values.mean(1).abs().max() < 0.3
    assert (values.var(1) - 1.0).abs().max() < 0.4


def test_agrees_with_a_loop():
    field = draw_field(2, generators(2), modes=5, dtype=torch.float64)
    position = torch.tensor([[[1.0, 2.0], [30.0, -4.0], [500.0, 60.0]]], dtype=torch.float64).repeat(2, 1, 1)
    got = evaluate_field(field, position, correlation_m=20.0)
    for b in range(2):
        for n in range(2):
            for u in range(3):
                total = 0.0
                for m in range(5):
                    phase = sum(field.wave[b, m, c].item() * position[b, u, c].item() / 20.0 for c in range(2))
                    total += field.weight[b, n, m].item() * math.cos(phase)
                    total += field.weight[b, n, 5 + m].item() * math.sin(phase)
                assert got[b, n, u].item() == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize(("stations", "users"), [(1, 1), (1, 30), (3, 7), (8, 25), (30, 100)])
def test_a_network_is_the_same_bits_alone_and_among_many(stations, users):
    among = draw_field(stations, generators(16), inter_site_correlation=0.5)
    position = torch.rand(16, users, 2, generator=torch.Generator().manual_seed(1)) * 1000.0
    values = evaluate_field(among, position, correlation_m=50.0)
    assert values.shape == (16, stations, users) and values.dtype == torch.float32
    for i in (0, 5, 15):
        alone = draw_field(stations, generators(1, first=i), inter_site_correlation=0.5)
        assert torch.equal(alone.wave[0], among.wave[i]) and torch.equal(alone.weight[0], among.weight[i])
        assert torch.equal(evaluate_field(alone, position[i : i + 1].clone(), correlation_m=50.0)[0], values[i])


def test_other_users_do_not_matter():
    field = draw_field(4, generators(2))
    position = torch.rand(2, 20, 2, generator=torch.Generator().manual_seed(1)) * 1000.0
    moved = position.clone()
    moved[:, 10:] += 100.0
    before, after = (evaluate_field(field, p, correlation_m=50.0) for p in (position, moved))
    assert torch.equal(before[..., :10], after[..., :10])
    assert not torch.equal(before[..., 10:], after[..., 10:])


def test_selected_stations_and_co_sited_sectors():
    field = draw_field(4, generators(2))
    position = torch.rand(2, 9, 3) * 1000.0
    values = evaluate_field(field, position, correlation_m=50.0)
    part = evaluate_field(field.select(slice(1, 3)), position, correlation_m=50.0)
    torch.testing.assert_close(part, values[:, 1:3])
    sectors = evaluate_field(field.select(torch.tensor([0, 0, 0, 2])), position, correlation_m=50.0)
    torch.testing.assert_close(sectors, values[:, [0, 0, 0, 2]])


def test_nothing_touches_the_global_generator():
    before = torch.random.get_rng_state()
    draw_field(2, generators(2))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inter_site_correlation": 1.5}, r"inter_site_correlation: got 1.5, expected a number in \[0, 1\]"),
        ({"modes": 0}, "modes: got 0"),
        ({"num_masts": 0}, "num_masts: got 0"),
        ({"law": "white"}, "law: got 'white', expected one of exponential, gaussian"),
        ({"generators": []}, "number of generators: got 0"),
    ],
)
def test_bad_draws(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_field(**({"num_masts": 2, "generators": generators(1)} | arguments))


def test_bad_evaluations():
    field = draw_field(2, generators(2))
    with pytest.raises(ValueError, match=r"position_m: got shape \(3, 4, 2\), expected \[2, U, 2\]"):
        evaluate_field(field, torch.zeros(3, 4, 2), correlation_m=50.0)
    with pytest.raises(ValueError, match=r"correlation_m: got 0.0"):
        evaluate_field(field, torch.zeros(2, 4, 2), correlation_m=0.0)


def test_wanted_users_have_the_values_of_all_and_of_the_plain_sum():
    """Many users are evaluated in blocks, of the wanted ones alone."""
    field = draw_field(3, generators(2), inter_site_correlation=0.5)
    place = torch.rand(2, 1300, 2, generator=torch.Generator().manual_seed(1)) * 800.0
    wanted = torch.rand(2, 1300, generator=torch.Generator().manual_seed(2)) < 0.4
    every = evaluate_field(field, place, correlation_m=37.0)
    some = evaluate_field(field, place, correlation_m=37.0, wanted=wanted)
    links = wanted.unsqueeze(1).expand_as(every)
    torch.testing.assert_close(some[links], every[links], rtol=0.0, atol=1e-5)
    phase = torch.einsum("bum,bwm->buw", place.double() / 37.0, field.wave.double())
    basis = torch.cat([phase.cos(), phase.sin()], -1)
    exact = torch.einsum("bnw,buw->bnu", field.weight.double(), basis)
    torch.testing.assert_close(every.double(), exact, rtol=0.0, atol=5e-3)  # of float32 phases of up to 2e5 rad
