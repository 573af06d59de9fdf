"""Values of graphs: kept while nothing changed, made anew after any change, gone with the graph."""

import copy
import gc
from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, from_gain
from hetgraph.graph.kept import _MOST, Kept


def graph() -> HeteroData:
    gain = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0)) + 0.1
    return from_gain(gain, noise_w=0.3, power_max_w=1.0)


def total(kept: Kept[float], data: HeteroData, key: object = None) -> float:
    return kept.get(data, key, lambda: float(data[CHANNEL].gain.sum()))


def test_a_value_is_made_once() -> None:
    kept, data, calls = Kept[object](), graph(), []
    first = kept.get(data, "key", lambda: calls.append(0) or object())
    assert kept.get(data, "key", object) is first
    assert len(calls) == 1
    assert kept.get(data, "other", object) is not first
    assert kept.get(copy.copy(data), "other", object) is not kept.get(data, "other", object)


def replace(data: HeteroData) -> None:
    data[CHANNEL].gain = data[CHANNEL].gain * 2


def write(data: HeteroData) -> None:
    data[CHANNEL].gain[0] += 1


def write_to_a_view(data: HeteroData) -> None:
    data[CHANNEL].gain.view(-1)[3].zero_()


def add(data: HeteroData) -> None:
    data["ue"].active = torch.ones(4, dtype=torch.bool)


def remove(data: HeteroData) -> None:
    del data["ue"]["noise_w"]


def of_the_graph(data: HeteroData) -> None:
    data.rb_bandwidth_hz = data.rb_bandwidth_hz + 1


@pytest.mark.parametrize("change", [replace, write, write_to_a_view, add, remove, of_the_graph])
def test_after_a_change_it_is_made_anew(change: Callable[[HeteroData], None]) -> None:
    kept, data = Kept[object](), graph()
    first = kept.get(data, None, object)
    change(data)
    second = kept.get(data, None, object)
    assert second is not first
    assert kept.get(data, None, object) is second


def test_it_goes_with_the_graph_and_the_oldest_goes_first() -> None:
    kept, data = Kept[float](), graph()
    total(kept, data)
    del data
    gc.collect()
    assert len(kept._entries) == 0
    many = [graph() for _ in range(_MOST + 1)]
    values = [kept.get(data, None, lambda: torch.rand(1).item()) for data in many]
    assert [total(kept, data) == value for data, value in zip(many[1:], values[1:], strict=True)] == [True] * _MOST
    assert total(kept, many[0]) != values[0]


def test_gradients_and_inference_tensors_are_not_kept() -> None:
    kept, data = Kept[object](), graph()
    with torch.inference_mode():
        assert kept.get(data, None, object) is not kept.get(data, None, object)
    data[CHANNEL].gain.requires_grad_()
    assert kept.get(data, None, object) is not kept.get(data, None, object)
    assert len(kept._entries) == 0
