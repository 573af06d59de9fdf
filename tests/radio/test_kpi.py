"""Indicators: a gain without a unit, users whom nobody serves, and the one table of names."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import links_of
from hetgraph.graph.build import from_gain
from hetgraph.kpi_table import DERIVED, difference, share_of_room, vs_reference
from hetgraph.radio import INDICATORS, KPIs, evaluate, indicator, one_shot, pf_gain

METHODS = ("cre", "pf", "wmmse", "wmmse_pf", "pf_teacher_6")


def gains(unreached: int = 0) -> Tensor:
    """Channel of 4 stations, 30 users and 3 blocks whose first users hear nobody."""
    generator = torch.Generator().manual_seed(2)
    gain = 10 ** (-11 + 2 * torch.randn(4, 30, 1, generator=generator, dtype=torch.float64))
    gain = gain * torch.empty(4, 30, 3, dtype=torch.float64).exponential_(generator=generator)
    gain[:, :unreached] = 0
    return gain


def network(bandwidth_hz: float, unreached: int = 0) -> HeteroData:
    return from_gain(gains(unreached), noise_w=1e-13, power_max_w=10.0, rb_bandwidth_hz=bandwidth_hz)


@pytest.mark.parametrize("unreached", [0, 3])
@pytest.mark.parametrize("name", METHODS)
def test_no_unit_counts_in_the_pf_gain(name: str, unreached: int) -> None:
    found = []
    for bandwidth in (1.0, 180e3, 20e6):
        graph = network(bandwidth, unreached)
        one, base = (evaluate(graph, one_shot(n)(graph)) for n in (name, "max_rsrp"))
        found.append(float(pf_gain(one.rate_bps, base.rate_bps, links_of(graph))))
        if one.unserved == base.unserved:
            difference = float(one.pf_utility - base.pf_utility) / (1 - float(base.unserved))
            assert difference == pytest.approx(found[-1], abs=1e-6)
    assert found == pytest.approx(3 * [found[0]], abs=1e-6)


def test_the_gain_is_of_users_whom_both_serve() -> None:
    graph = Batch.from_data_list([network(1.0), network(1.0), network(1.0)])
    rate, base = torch.full((90,), 2.0), torch.full((90,), 1.0)
    rate[0], base[1], rate[2], base[2] = 0.0, 0.0, 0.0, 0.0  # by the reference alone, by the method alone, by neither
    rate[3] = 4.0
    rate[60:], base[60:] = 0.0, 1.0
    found = pf_gain(rate, base, links_of(graph)).tolist()
    assert found == pytest.approx([np.log(2) * 28 / 27, np.log(2), 0.0])


def test_who_has_no_rate_is_unserved_and_counts_at_zero() -> None:
    graph = network(180e3, 3)
    found = evaluate(graph, one_shot("max_rsrp")(graph))
    rate = found.rate_bps.numpy()
    assert (rate[:3] == 0).all() and float(found.unserved) == pytest.approx(0.1)
    assert float(found.p5_rate_bps) == 0 == np.percentile(rate, 5)
    allocation = one_shot("max_rsrp")(graph)
    power = allocation.power_w.clone()
    power[0] = 0  # users of a station that is off have a station and no rate
    off = evaluate(graph, replace(allocation, power_w=power))
    assert float(off.unserved) == pytest.approx(float((off.rate_bps == 0).double().mean())) and off.unserved > 0.1


def test_every_indicator_of_an_allocation_is_in_the_table() -> None:
    assert {field.name for field in fields(KPIs)} <= set(INDICATORS)
    for name, kpi in INDICATORS.items():
        assert kpi.name == name and kpi.unit and kpi.source and kpi.label and kpi.better in ("higher", "lower")
        for suffix, unit in (("_bps", "bit/s"), ("_bpj", "bit/J"), ("_w", "W"), ("_ms", "ms"), ("_slots", "slots")):
            assert not name.endswith(suffix) or kpi.unit == unit, name
    assert not set(INDICATORS) & set(DERIVED)


def test_what_compares_has_a_name_and_a_unit_of_its_own() -> None:
    assert vs_reference("sum_rate_bps") == "sum_rate_vs_reference"
    assert indicator("sum_rate_vs_reference").unit == "1" and indicator("sum_rate_bps").unit == "bit/s"
    assert indicator(difference("anu")).unit == indicator("anu").unit
    assert indicator(share_of_room("pf_utility")).heading.endswith("%")
    assert indicator("sum_rate_vs_reference_low").better == "higher"
    assert indicator("mean_delay_ms_high").unit == "ms" and indicator("mean_delay_ms_high").better == "lower"
    assert indicator("throughput_bps").heading == "throughput, Mbit/s" and indicator("jain").heading == "Jain"
    with pytest.raises(ValueError, match="indicator: got 'sum_rate', expected one of rate_bps"):
        indicator("sum_rate")
