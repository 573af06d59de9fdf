"""What the contract refuses, and how it says so."""

from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, NEIGHBOURS, check, features, from_gain, preset, schema_markdown


def set_(store: object, key: str, value: object) -> None:
    store[key] = value  # type: ignore[index]


def poke(graph: HeteroData, value: float) -> None:
    graph[CHANNEL].gain[3, 0] = value


BAD: list[tuple[Callable[[HeteroData], object], str]] = [
    (lambda g: poke(g, float("nan")), r"\.gain: got NaN values"),
    (lambda g: poke(g, float("inf")), r"\.gain: got infinite values"),
    (lambda g: poke(g, -1.0), r"\.gain: got -1, expected no negative values"),
    (
        lambda g: set_(g[CHANNEL], "gain", g[CHANNEL].gain[:-1]),
        r"\.gain: got shape \(\d+, 12\), expected \[E=\d+, R=12\]",
    ),
    (
        lambda g: set_(g[CHANNEL], "gain", g[CHANNEL].gain.half()),
        r"\.gain: got dtype torch.float16, expected float32 or",
    ),
    (lambda g: set_(g["bs"], "power_max_w", g["bs"].power_max_w.double()), "power_max_w: got dtype torch.float64"),
    (lambda g: set_(g["ue"], "noise_w", torch.zeros(12, 12)), "noise_w: got zero, expected positive"),
    (lambda g: g[CHANNEL].edge_index[0].fill_(99), "got bs index 99, expected 0..6"),
    (lambda g: g[CHANNEL].edge_index[1].fill_(-1), "got ue index -1"),
    (lambda g: set_(g[CHANNEL], "edge_index", g[CHANNEL].edge_index.flip(1)), "expected them sorted by user"),
    (lambda g: g[CHANNEL].edge_index[1].clamp_(max=10), "got no candidate station for user 11"),
    (lambda g: g[CHANNEL].slot.zero_(), "slot: got other values"),
    (lambda g: g["ue"].serving_slot.fill_(7), "serving_slot: got a slot that the user does not have"),
    (lambda g: g.__delattr__("rb_bandwidth_hz"), "rb_bandwidth_hz: got nothing"),
    (lambda g: set_(g["bs"], "power_max_w", 3.0), "power_max_w: got float, expected a tensor"),
    (lambda g: set_(g, "schema_version", 99), r"schema_version: got \[99\], expected 2"),
    (lambda g: g[NEIGHBOURS].edge_index.fill_(50), "got bs index 50"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_a_spoiled_graph_gets_one_sentence(spoil: Callable[[HeteroData], object], message: str) -> None:
    graph = preset("hetnet-3tier").scaled(users=0.02, stations=1 / 3).sample(1, seed=0)[0]
    check(graph)
    spoil(graph)
    with pytest.raises(ValueError, match=message) as caught:
        check(graph)
    assert "\n" not in str(caught.value)


def test_other_objects_and_missing_stores_are_refused() -> None:
    with pytest.raises(ValueError, match="graph: got dict, expected"):
        check({})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="graph: got no node type 'bs'"):
        check(HeteroData())


def test_an_edge_between_two_networks_is_refused() -> None:
    graph = from_gain(torch.rand(2, 3, 1) + 0.1, noise_w=1.0, power_max_w=1.0)
    batch = Batch.from_data_list([graph, graph])
    check(batch)
    batch[CHANNEL].edge_index[0, 0] = 3
    with pytest.raises(ValueError, match="between two networks"):
        check(batch)


@pytest.mark.parametrize(
    ("gain", "options", "message"),
    [
        (torch.rand(2, 3), {}, r"gain: got \(2, 3\), expected a real floating-point tensor \[N, U, R\]"),
        (torch.ones(2, 3, 1, dtype=torch.long), {}, "gain: got"),
        (torch.rand(2, 0, 1), {}, "expected at least one station, user and resource block"),
        (torch.rand(2, 3, 1), {"noise_w": 0.0}, "noise_w: got zero"),
        (torch.rand(2, 3, 1), {"noise_w": float("nan")}, "noise_w: got NaN"),
        (torch.rand(2, 3, 1), {"power_max_w": -1.0}, "power_max_w: got -1"),
        (torch.rand(2, 3, 1), {"power_max_w": torch.ones(5)}, r"power_max_w: got shape \(5,\), expected"),
    ],
)
def test_from_gain_refuses(gain: torch.Tensor, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_gain(gain, **({"noise_w": 1.0, "power_max_w": 1.0} | options))  # type: ignore[arg-type]


def test_from_gain_keeps_the_dtype_and_one_station_is_fine() -> None:
    for dtype in (torch.float32, torch.float64):
        graph = from_gain(torch.rand(1, 3, 2, dtype=dtype), noise_w=0.1, power_max_w=1.0)
        assert graph[CHANNEL].gain.dtype == dtype == features(graph, "bs", ["power_dbm"]).dtype
    gain = torch.rand(3, 4, 2)
    graph = from_gain(gain, noise_w=0.1, power_max_w=1.0)
    assert torch.equal(graph[CHANNEL].gain.reshape(4, 3, 2).transpose(0, 1), gain)


def test_the_schema_documents_itself() -> None:
    text = schema_markdown()
    assert "`(bs, channel, ue).gain`" in text
    assert "index" not in {line.split("`")[1].split(".")[-1] for line in text.splitlines()[2:]} - {"edge_index"}


def test_what_was_written_to_since_the_last_check_is_looked_at_again() -> None:
    graph = preset("hetnet-3tier").scaled(users=0.02, stations=1 / 3).sample(2, seed=0)
    for _ in range(2):
        check(graph)
    for store, name, value, message in (
        ("bs", "power_max_w", -1.0, "power_max_w: got -1, expected no negative"),  # static
        ("ue", "noise_w", 0.0, "noise_w: got zero"),
        (CHANNEL, "gain", float("nan"), "gain: got NaN"),  # dynamic
        (CHANNEL, "slot", 1, "slot: got other values"),  # structure
        (NEIGHBOURS, "edge_index", 99, "got bs index 99"),
    ):
        tensor = graph[store][name]
        kept = tensor.flatten()[0].clone()
        tensor.view(-1)[0] = value
        with pytest.raises(ValueError, match=message):
            check(graph)
        tensor.view(-1)[0] = kept
        check(graph)
        bad = tensor.clone()
        bad.view(-1)[0] = value
        graph[store][name] = bad
        with pytest.raises(ValueError, match=message):
            check(graph)
        graph[store][name] = tensor
        check(graph)


def test_tensors_without_versions_are_looked_at_every_time() -> None:
    with torch.inference_mode():
        graph = from_gain(torch.rand(2, 3, 1) + 0.1, noise_w=torch.ones(3, 1), power_max_w=torch.ones(2))
        check(graph)
        graph["bs"].power_max_w[0] = -1
        with pytest.raises(ValueError, match="power_max_w: got -1"):
            check(graph)


def test_complex_channels_and_precoders_have_places_for_the_same_antennas() -> None:
    graph = from_gain(torch.rand(2, 3, 4) + 0.1, noise_w=1.0, power_max_w=1.0)
    graph[CHANNEL].h = torch.zeros(6, 8, 4, dtype=torch.complex64)
    graph["ue"].precoder = torch.zeros(3, 8, 4, dtype=torch.complex64)
    check(graph)
    graph["ue"].precoder = graph["ue"].precoder[:, :7]
    with pytest.raises(ValueError, match=r"ue\.precoder: got shape \(3, 7, 4\), expected \[U=3, Amax=8, R=4\]"):
        check(graph)
    graph["ue"].precoder = torch.zeros(3, 8, 4)
    with pytest.raises(ValueError, match=r"ue\.precoder: got dtype torch.float32, expected torch.complex64"):
        check(graph)
