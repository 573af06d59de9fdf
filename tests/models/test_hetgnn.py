"""HetGNN: equivariance by node type, independence of a batch's networks, any sizes, feasible answers."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, Scenario, from_gain, links_of, preset
from hetgraph.models import HetGNN
from hetgraph.models.allocating import to_allocation
from hetgraph.models.checkpoint import build, save
from hetgraph.models.weights import read_weights
from hetgraph.nn.hetgnn_inputs import inputs_of
from hetgraph.radio import evaluate, feasible
from hetgraph.radio.relaxed import channels_of, edge_rates, pull, utility


def small(users: int = 40, blocks: int = 5, candidates: int = 0) -> Scenario:
    scenario = preset("hetnet-3tier").scaled(users=users / 600, stations=1 / 3)
    radio = dataclasses.replace(scenario.radio, num_rbs=blocks, candidates=candidates)
    return dataclasses.replace(scenario, radio=radio)


def moving() -> Scenario:
    return dataclasses.replace(small(), users=dataclasses.replace(small().users, speed_mps=10.0))


def trained_like(**options: object) -> HetGNN:
    """A model whose weights are far from their symmetric start."""
    with torch.random.fork_rng():
        torch.random.manual_seed(3)
        model = HetGNN(**options)  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.double()


def double(graph: HeteroData) -> HeteroData:
    graph = graph.clone()
    for store in [graph._global_store, *graph.stores]:
        for key, value in store.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                store[key] = value.double()
    return graph


def permuted(graph: HeteroData, bs: Tensor, ue: Tensor, block: Tensor) -> HeteroData:
    """The same dense network with stations, users and blocks in another order."""
    n, u = bs.numel(), ue.numel()
    out = graph.clone()
    edge = torch.arange(u * n).reshape(u, n)[ue][:, bs].flatten()
    for node, order in (("bs", bs), ("ue", ue)):
        for key, value in graph[node].items():
            out[node][key] = value[order] if isinstance(value, Tensor) else value
    for key, value in graph[CHANNEL].items():
        if key not in ("edge_index", "slot"):
            out[CHANNEL][key] = value[edge]
    for store, key in (
        (out["bs"], "rb_power_max_w"),
        (out["ue"], "noise_w"),
        (out[CHANNEL], "gain"),
        (out, "rb_bandwidth_hz"),
    ):
        store[key] = store[key][:, block]
    rank = torch.empty_like(bs)
    rank[bs] = torch.arange(n)
    for kind in (("antenna", "mounted_on", "bs"), ("bs", "neighbours", "bs")):
        index = graph[kind].edge_index.clone()
        index[1] = rank[index[1]]
        if kind[0] == "bs":
            index[0] = rank[index[0]]
        out[kind].edge_index = index
    return out


@pytest.mark.parametrize("encoder", ["hetero", "sage", "no_antennas", "homogeneous", "bs_only", "edge_mlp"])
@pytest.mark.parametrize("velocity", [False, True])
def test_permuting_stations_users_and_blocks_permutes_the_answer(encoder: str, velocity: bool) -> None:
    graph = double(moving().sample(1, seed=4)[0])
    model = trained_like(rounds=3, encoder=encoder, velocity=velocity)
    generator = torch.Generator().manual_seed(0)
    bs, ue, block = (torch.randperm(k, generator=generator) for k in (7, 40, 5))
    first, second = model.allocate(graph), model.allocate(permuted(graph, bs, ue, block))
    torch.testing.assert_close(second.power_w, first.power_w[bs][:, block], rtol=1e-9, atol=1e-12)
    assert torch.equal(bs[second.serving], first.serving[ue])
    assert first.power_w.std(1).max() > 1e-3, "the test needs powers that differ between blocks"


def test_permuting_antennas_permutes_their_logits_and_nothing_else() -> None:
    graph = double(small().sample(1, seed=5)[0])
    model = trained_like(rounds=2)
    order = torch.randperm(graph["antenna"].offset.shape[0], generator=torch.Generator().manual_seed(1))
    other = graph.clone()
    for key in ("offset", "boresight"):
        other["antenna"][key] = graph["antenna"][key][order]
    station = graph["antenna", "mounted_on", "bs"].edge_index[1]
    other["antenna", "mounted_on", "bs"].edge_index = torch.stack([torch.arange(order.numel()), station[order]])
    first, second = model(graph), model(other)
    torch.testing.assert_close(second.antenna_logits, first.antenna_logits[order])
    torch.testing.assert_close(second.rounds[-1].fraction, first.rounds[-1].fraction)
    assert first.antenna_logits.std() > 1e-4


def test_a_change_in_network_1_leaves_network_0_bit_equal() -> None:
    batch = small().sample(2, seed=6)
    model = trained_like(rounds=3).float()
    before = model.allocate(batch)
    changed = batch.clone()
    half = batch[CHANNEL].gain.shape[0] // 2
    changed[CHANNEL].gain[half:] *= torch.rand(half, 1)
    after = model.allocate(changed)
    assert torch.equal(before.power_w[:7], after.power_w[:7])
    assert torch.equal(before.serving[:40], after.serving[:40])
    assert not torch.equal(before.power_w[7:], after.power_w[7:])


@pytest.mark.parametrize("association", ["price", "edge"])
@pytest.mark.parametrize("rounds", [0, 2])
def test_answers_are_feasible_for_any_sizes(association: str, rounds: int) -> None:
    model = trained_like(rounds=rounds, association=association).float()
    for users, blocks, candidates in ((30, 1, 0), (55, 7, 3), (10, 2, 1)):
        batch = small(users, blocks, candidates).sample(3, seed=7)
        allocation = model.allocate(batch)
        assert feasible(batch, allocation)
        assert bool((allocation.serving >= 0).all())


def test_sparse_and_dense_layouts_agree() -> None:
    """A ragged graph with an extra unreachable candidate gives the answer of the dense one."""
    graph = double(small().sample(1, seed=8)[0])
    dense = links_of(graph)
    sparse = dataclasses.replace(dense, dense=False)
    ragged = dataclasses.replace(dense, dense=False, degree=None)
    fraction = torch.rand(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 5
    results = []
    for links in (dense, sparse, ragged):
        channels = channels_of(graph, links)
        rates = edge_rates(channels, links, fraction)
        association = links.softmax(rates.rate)
        results.append((links.flat(rates.rate), *pull(rates, association, channels, links)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("objective", ["pf", "sum_rate"])
def test_pull_is_the_derivative_of_the_utility(objective: str) -> None:
    graph = double(small().sample(2, seed=9))
    links = links_of(graph)
    channels = channels_of(graph, links)
    log_power = (
        torch.rand(14, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).sub(3).requires_grad_()
    )
    rates = edge_rates(channels, links, log_power.exp())
    association = links.softmax(rates.rate.detach() / 2)
    total = utility(rates, association, links, objective).sum()  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(total, log_power)
    own, harm, load = pull(rates, association, channels, links, objective)  # type: ignore[arg-type]
    torch.testing.assert_close(own - harm, gradient, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(load.sum(), torch.tensor(80.0, dtype=torch.float64))


def test_relaxed_rates_equal_the_judge_when_the_association_is_hard() -> None:
    graph = double(small().sample(1, seed=10)[0])
    model = trained_like(rounds=2)
    prediction = model(graph)
    links, last = prediction.links, prediction.rounds[-1]
    allocation = to_allocation(graph, links, last.scores, last.fraction)
    rate = evaluate(graph, allocation).rate_bps
    slot = links.argmax_slot(last.scores)
    full = links.pick(links.flat(last.rates.rate), slot) * graph.rb_bandwidth_hz.sum()
    load = links.users_per_bs(allocation.serving, torch.ones(40, dtype=torch.float64))
    torch.testing.assert_close(full / load[allocation.serving], rate)


def test_one_station_and_bare_gains_work() -> None:
    gain = torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0))
    graph = from_gain(gain, noise_w=1e-2, power_max_w=1.0)
    allocation = HetGNN().allocate(graph)
    assert feasible(graph, allocation)
    batch = Batch.from_data_list([graph, graph])
    both = HetGNN().allocate(batch)
    assert both.serving.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("options", [{}, {"encoder": "no_antennas"}, {"rounds": 0, "association": "edge"}])
def test_zeroing_the_output_of_the_shared_encoder_changes_decisions(options: dict[str, object]) -> None:
    batch, model = small().sample(3, seed=12), trained_like(**options).float()
    before = model.allocate(batch)
    with model.encoder.graph.register_forward_hook(  # type: ignore[union-attr,operator]
        lambda module, args, states: {store: torch.zeros_like(state) for store, state in states.items()}
    ):
        blind = model.allocate(batch)
    assert bool((before.serving != blind.serving).any())
    assert float((before.power_w - blind.power_w).abs().max()) > 1e-2 * float(before.power_w.max())
    assert torch.equal(model.allocate(batch).power_w, before.power_w)


@pytest.mark.parametrize("options", [{}, {"encoder": "sage", "rounds": 0, "association": "edge"}])
def test_a_graph_written_in_place_gets_the_answer_of_a_new_one(options: dict[str, object]) -> None:
    graph, model = small().sample(2, seed=13), trained_like(**options).float()
    before = model.allocate(graph)
    assert torch.equal(model.allocate(graph).power_w, before.power_w)
    with torch.inference_mode():
        model.allocate(graph)
    model(graph).rounds[-1].fraction.std().backward()  # nothing of inference mode was kept
    graph[CHANNEL].gain *= torch.rand(graph[CHANNEL].gain.shape, generator=torch.Generator().manual_seed(2))
    after, new = model.allocate(graph), model.allocate(graph.clone())
    assert torch.equal(after.power_w, new.power_w) and torch.equal(after.serving, new.serving)
    assert not torch.equal(after.power_w, before.power_w)


@pytest.mark.parametrize("candidates", [0, 3])
def test_sums_made_once_give_the_states_of_propagate(candidates: int) -> None:
    graph, model = double(small(candidates=candidates).sample(2, seed=14)), trained_like()
    inputs = inputs_of(graph, torch.float64)
    bs, ue = model.encoder(inputs)
    plain = model.encoder.graph({**inputs.of_layers, "links": None})  # type: ignore[operator,union-attr]
    torch.testing.assert_close(bs, plain["bs"])
    torch.testing.assert_close(ue, plain["ue"])


def test_unknown_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="encoder: got 'gat', expected one of hetero"):
        HetGNN(encoder="gat")  # type: ignore[arg-type]


@pytest.mark.parametrize(("objective", "indicator"), [("pf", "pf_utility"), ("sum_rate", "sum_rate_bps")])
def test_more_rounds_are_never_worse_for_any_network(objective: str, indicator: str) -> None:
    graph = small().sample(4, seed=3)
    model = trained_like(objective=objective)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.refine.parameters():  # rounds that go astray
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
    last, strayed = torch.full((4,), -torch.inf), False
    for rounds in range(7):
        value = getattr(evaluate(graph, model.allocate(graph, rounds)), indicator)
        prediction = model(graph, rounds)
        seen = prediction.rounds[-1]
        with torch.no_grad():
            raw = getattr(
                evaluate(graph, to_allocation(graph, prediction.links, seen.scores, seen.fraction)), indicator
            )
        slack = 1e-5 * value.abs()
        assert bool((value >= last - slack).all()) and bool((value >= raw - slack).all())
        strayed |= bool((raw < value - 10 * slack).any())
        last = value
    assert strayed, "a last round that is not the best one must occur for the test to mean anything"


def test_a_checkpoint_from_before_candidates_reads_all_stations(tmp_path: Path) -> None:
    save(HetGNN(), tmp_path / "best.ckpt")
    header, tensors = read_weights(tmp_path / "best.ckpt")
    old = dataclasses.replace(header, options={k: v for k, v in header.options.items() if k != "candidates"})
    assert build("old.ckpt", header, tensors).candidates == 8
    assert build("old.ckpt", old, tensors).candidates == 0


@pytest.mark.parametrize("encoder", ["hetero", "sage", "no_antennas", "homogeneous"])
def test_velocities_are_read_where_asked(encoder: str, tmp_path: Path) -> None:
    graph = moving().sample(1, seed=7)
    turned = graph.clone()
    turned["ue"].velocity = -graph["ue"].velocity
    for velocity in (False, True):
        model = trained_like(rounds=1, encoder=encoder, velocity=velocity).float()
        answers = [model(each).rounds[-1].fraction for each in (graph, turned)]
        assert torch.equal(*answers) is not velocity
        save(model, tmp_path / "best.ckpt")
        header, tensors = read_weights(tmp_path / "best.ckpt")
        assert torch.equal(build("best.ckpt", header, tensors)(turned).rounds[-1].fraction, answers[1])
    old = dataclasses.replace(header, options={k: v for k, v in header.options.items() if k != "velocity"})
    with pytest.raises(ValueError, match="another model"):
        build("old.ckpt", old, tensors)  # who names no velocity reads none
    del turned["ue"].velocity
    with pytest.raises(ValueError, match=r"ue\.velocity: got nothing, expected it for the column 'velocity_x_mps'"):
        model(turned)
