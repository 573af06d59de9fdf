"""Path-loss models against their printed formulas, one link at a time in plain Python, and the known traps."""

import math

import pytest
import torch

from hetgraph.channel import COST231, LTE, FreeSpace, InH, LogDistance, RMa, UMa, pathloss_db

C = 299_792_458.0
ALIASES = ["uma", "umi", "rma", "inh-mixed", "inh-open", "cost231", "lte", "log-distance", "free-space"]


def loss(model, distance, *, carrier=2e9, bs=25.0, ue=1.5, los=True):
    distance = torch.as_tensor(distance, dtype=torch.float64)
    return pathloss_db(model, distance, carrier_hz=carrier, bs_height_m=bs, ue_height_m=ue, los=los)


def friis(d3, carrier):
    return 20 * math.log10(4 * math.pi * d3 * carrier / C)


def oracle(model, d, f, hb, hu, los):
    """TR 38.901 Table 7.4.1-1 for one link."""
    d3, g = math.hypot(d, hb - hu), f / 1e9
    if model in ("uma", "umi"):
        a, n, m = (28.0, 22.0, 9.0) if model == "uma" else (32.4, 21.0, 9.5)
        bp = 4 * (hb - 1) * (hu - 1) * f / C
        if d <= bp:
            clear = a + n * math.log10(d3) + 20 * math.log10(g)
        else:
            clear = a + 40 * math.log10(d3) + 20 * math.log10(g) - m * math.log10(bp**2 + (hb - hu) ** 2)
        if model == "uma":
            hidden = 13.54 + 39.08 * math.log10(d3) + 20 * math.log10(g) - 0.6 * (hu - 1.5)
        else:
            hidden = 22.4 + 35.3 * math.log10(d3) + 21.3 * math.log10(g) - 0.3 * (hu - 1.5)
    elif model == "rma":
        h, w, bp = 5.0, 20.0, 2 * math.pi * hb * hu * f / C

        def first(x):
            return (
                20 * math.log10(40 * math.pi * x * g / 3)
                + min(0.03 * h**1.72, 10) * math.log10(x)
                - min(0.044 * h**1.72, 14.77)
                + 0.002 * math.log10(h) * x
            )

        clear = first(d3) if d <= bp else first(bp) + 40 * math.log10(d3 / bp)
        hidden = (
            161.04
            - 7.1 * math.log10(w)
            + 7.5 * math.log10(h)
            - (24.37 - 3.7 * (h / hb) ** 2) * math.log10(hb)
            + (43.42 - 3.1 * math.log10(hb)) * (math.log10(d3) - 3)
            + 20 * math.log10(g)
            - (3.2 * math.log10(11.75 * hu) ** 2 - 4.97)
        )
    else:
        clear = 32.4 + 17.3 * math.log10(d3) + 20 * math.log10(g)
        hidden = 17.3 + 38.3 * math.log10(d3) + 24.9 * math.log10(g)
    return clear if los else max(clear, hidden)


@pytest.mark.parametrize("model", ["uma", "umi", "rma", "inh-mixed", "inh-open"])
@pytest.mark.parametrize("los", [True, False])
def test_38901_against_loop_oracle(model, los):
    bs = {"uma": 25.0, "umi": 10.0, "rma": 35.0}.get(model, 3.0)
    distances = [1.0, 10.0, 18.0, 60.0, 250.0, 300.0, 900.0, 2500.0, 5000.0, 9000.0]
    for carrier in (0.7e9, 3.5e9, 28e9):
        for ue in (1.1, 1.5, 9.0):
            got = loss(model, distances, carrier=carrier, bs=bs, ue=ue, los=los)
            expected = [oracle(model, d, carrier, bs, ue, los) for d in distances]
            torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=0.0, atol=1e-9)


def test_nlos_is_never_below_los():
    distance = torch.logspace(0, 4, 300, dtype=torch.float64)
    for model in ALIASES:
        for carrier in (0.5e9, 2e9, 30e9):
            clear, hidden = (loss(model, distance, carrier=carrier, los=state) for state in (True, False))
            assert bool((hidden >= clear).all()), model
    # Close to the station the NLOS formula alone would be below the LOS one.
    printed = 17.3 + 38.3 * math.log10(math.hypot(1.0, 1.5)) + 24.9 * math.log10(2.0)
    near = loss("inh-open", 1.0, bs=3.0, los=False)
    assert near == loss("inh-open", 1.0, bs=3.0, los=True)
    assert near.item() > printed + 8.0


def test_breakpoint_takes_2d_distance_and_heights_less_one_metre():
    breakpoint_m = 4 * 24.0 * 0.5 * 2e9 / C
    assert breakpoint_m == pytest.approx(320.2, abs=0.1)
    d2 = breakpoint_m - 0.01  # the 3D distance, 321.1 m, is beyond the breakpoint
    d3 = math.hypot(d2, 23.5)
    assert d3 > breakpoint_m
    assert loss("uma", d2).item() == pytest.approx(28.0 + 22.0 * math.log10(d3) + 20.0 * math.log10(2.0), abs=1e-9)
    beyond = loss("uma", breakpoint_m + 0.01).item()
    d3 = math.hypot(breakpoint_m + 0.01, 23.5)
    expected = 28 + 40 * math.log10(d3) + 20 * math.log10(2) - 9 * math.log10(breakpoint_m**2 + 23.5**2)
    assert beyond == pytest.approx(expected, abs=1e-9)


def test_rma_takes_its_parameters():
    denser = loss(RMa(building_height_m=10.0, street_width_m=10.0), 1000.0, bs=35.0, los=False).item()
    assert denser > loss("rma", 1000.0, bs=35.0, los=False).item()
    assert loss(RMa(building_height_m=40.0), 100.0, bs=35.0).isfinite().item()


def test_inh_variants_differ_in_los_probability_only():
    distance = torch.linspace(1, 150, 40)
    torch.testing.assert_close(loss(InH(open=True), distance, bs=3.0), loss(InH(open=False), distance, bs=3.0))


def test_cost231_by_hand():
    f, hb, hu, km = 1800.0, 30.0, 1.5, 3.0
    mobile = (1.1 * math.log10(f) - 0.7) * hu - (1.56 * math.log10(f) - 0.8)
    expected = 46.3 + 33.9 * math.log10(f) - 13.82 * math.log10(hb) - mobile
    expected += (44.9 - 6.55 * math.log10(hb)) * math.log10(km)
    medium = loss("cost231", 1000 * km, carrier=f * 1e6, bs=hb).item()
    assert medium == pytest.approx(expected, abs=1e-9)
    large = loss(COST231(large_city=True), 1000 * km, carrier=f * 1e6, bs=hb).item()
    assert large - medium == pytest.approx(3.0)


def test_lte_wants_kilometres():
    got = loss("lte", [1000.0, 100.0, 2000.0])
    expected = torch.tensor([128.1, 90.5, 128.1 + 37.6 * math.log10(2.0)], dtype=torch.float64)
    torch.testing.assert_close(got, expected)


def test_lte_and_cost231_never_fall_below_free_space():
    distance = torch.tensor([0.0, 1.0, 5.0, 15.0, 20.0, 22.0, 50.0], dtype=torch.float64)
    for model in ("lte", "cost231"):
        for bs in (1.5, 25.0):
            assert bool((loss(model, distance, bs=bs) >= loss("free-space", distance, bs=bs) - 1e-12).all())
    # On the level of the user the LTE formula crosses free space at about 21 m.
    level = [(loss("lte", d, bs=1.5) - loss("free-space", d, bs=1.5)).item() for d in (10.0, 20.5, 21.0, 30.0)]
    assert level[0] == 0.0 and level[1] == 0.0
    assert level[2] > 0.0 and level[3] > 2.0


def test_free_space_and_log_distance():
    assert loss("free-space", 1000.0, bs=1.5).item() == pytest.approx(friis(1000.0, 2e9), abs=1e-9)
    assert loss("free-space", 30.0, bs=41.5).item() == pytest.approx(friis(50.0, 2e9), abs=1e-9)
    assert loss(LogDistance(2.0), 400.0, bs=1.5).item() == pytest.approx(friis(400.0, 2e9), abs=1e-9)
    fixed = LogDistance(3.5, reference_distance_m=10.0, reference_loss_db=60.0)
    assert loss(fixed, 1000.0, bs=1.5).item() == pytest.approx(60.0 + 35.0 * 2.0)
    assert loss(fixed, 3.0, bs=1.5).item() == 60.0  # the loss at the reference distance is the least


def test_distances_below_a_metre_count_as_a_metre():
    for model in ALIASES:
        at_zero, at_one = loss(model, 0.0, bs=1.5, ue=1.5), loss(model, 1.0, bs=1.5, ue=1.5)
        assert at_zero.isfinite().item(), model
        assert at_zero.item() == pytest.approx(at_one.item()), model


def test_models_are_equal_to_their_aliases():
    distance = torch.logspace(0.5, 4, 50)
    for model, alias in ((UMa(), "uma"), (RMa(), "rma"), (LTE(), "lte"), (FreeSpace(), "free-space")):
        assert torch.equal(loss(model, distance), loss(alias, distance))


@pytest.mark.parametrize("model", ALIASES)
def test_broadcasting_and_dtype(model):
    los = torch.tensor([[True], [False]])
    for dtype in (torch.float32, torch.float64):
        distance = torch.linspace(10.0, 3000.0, 7, dtype=dtype)
        heights = torch.tensor([10.0, 30.0], dtype=torch.float64).reshape(2, 1, 1)
        got = pathloss_db(model, distance, carrier_hz=3.5e9, bs_height_m=heights, ue_height_m=1.5, los=los)
        assert got.shape == (2, 2, 7) and got.dtype == dtype
        got += 1.0  # writable: no expanded memory behind it
        single = pathloss_db(model, distance[3], carrier_hz=3.5e9, bs_height_m=30.0, ue_height_m=1.5, los=False)
        torch.testing.assert_close(got[1, 1, 3] - 1.0, single)
    number = pathloss_db(model, 100, carrier_hz=3.5e9, bs_height_m=25, ue_height_m=1.5, los=True)
    assert number.shape == () and number.dtype == torch.get_default_dtype()


@pytest.mark.parametrize("model", ALIASES)
def test_gradient_is_the_slope(model):
    distance = torch.linspace(120.0, 4000.0, 9, dtype=torch.float64, requires_grad=True)
    total = loss(model, distance, los=False).sum()
    (slope,) = torch.autograd.grad(total, distance)
    step = 1e-4
    numeric = (loss(model, distance + step, los=False) - loss(model, distance - step, los=False)) / (2 * step)
    torch.testing.assert_close(slope, numeric.detach(), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"distance_2d_m": -1.0}, "distance_2d_m"),
        ({"distance_2d_m": torch.tensor([1.0, math.nan])}, "distance_2d_m"),
        ({"distance_2d_m": math.inf}, "distance_2d_m"),
        ({"carrier_hz": 0.0}, "carrier_hz"),
        ({"carrier_hz": math.nan}, "carrier_hz"),
        ({"bs_height_m": -5.0}, "bs_height_m"),
        ({"bs_height_m": math.inf}, "bs_height_m"),
        ({"ue_height_m": 0.0}, "ue_height_m"),
        ({"ue_height_m": math.nan}, "ue_height_m"),
        ({"los": torch.tensor(1.0)}, "los"),
    ],
)
@pytest.mark.parametrize("model", ALIASES)
def test_bad_values_are_named(model, change, name):
    values = {"distance_2d_m": 100.0, "carrier_hz": 2e9, "bs_height_m": 25.0, "ue_height_m": 1.5, "los": True} | change
    with pytest.raises(ValueError, match=f"^{name}: got .*, expected"):
        pathloss_db(model, values.pop("distance_2d_m"), **values)


@pytest.mark.parametrize("model", ["uma", "umi"])
def test_street_models_need_users_above_their_environment(model):
    with pytest.raises(ValueError, match="ue_height_m: got 1, expected a finite number > 1"):
        loss(model, 100.0, ue=1.0)


def test_unknown_alias():
    with pytest.raises(ValueError, match="model: got 'uma2', expected one of uma, umi, rma"):
        loss("uma2", 100.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RMa(building_height_m=0.0),
        lambda: RMa(street_width_m=math.nan),
        lambda: LogDistance(exponent=-2.0),
        lambda: LogDistance(reference_distance_m=0.0),
        lambda: LogDistance(reference_loss_db=math.nan),
        lambda: LTE(sigma_db=-1.0),
        lambda: FreeSpace(correlation_m=0.0),
    ],
)
def test_bad_model_parameters(make):
    with pytest.raises(ValueError, match=r"got .*, expected a finite number"):
        make()
