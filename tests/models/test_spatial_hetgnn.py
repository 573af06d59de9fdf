"""HetGNN that precodes: symmetries, sizes, budgets, gradients, what its weights do, and what it is trained by."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, Scenario, links_of, preset
from hetgraph.graph.tracing import traced
from hetgraph.models import SpatialHetGNN, load, save
from hetgraph.radio import Allocation, evaluate, policy, violations
from hetgraph.solvers import vector_wmmse

STATIONS, ANTENNAS, BLOCKS = 7, 4, 2


def scenario(antennas: int = ANTENNAS, users: int = 3, layers: int | None = None) -> Scenario:
    """Seven cells; with fewer layers than users, groups take turns."""
    drawn = preset(f"mimo-7:antennas={antennas},users={users},num_rbs={BLOCKS}")
    return drawn if layers is None else replace(drawn, radio=replace(drawn.radio, layers=layers))


def trained_like(**options: object) -> SpatialHetGNN:
    """A model in double precision whose rounds move far from SLNR."""
    torch.manual_seed(3)
    model = SpatialHetGNN(**options).double().eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for last in (model.refine.stream_out[-1], model.refine.edge[-1], model.refine.station[-1]):
            last.weight.copy_(0.3 * torch.randn_like(last.weight))
    return model


def double(graph: HeteroData) -> HeteroData:
    out = graph.clone()
    for store in out.stores:
        for key, value in store.items():
            if isinstance(value, Tensor) and value.dtype in (torch.float32, torch.complex64):
                store[key] = value.to(torch.complex128 if value.is_complex() else torch.float64)
    return out


def permuted(graph: HeteroData, bs: Tensor, ue: Tensor, antenna: Tensor, block: Tensor) -> HeteroData:
    """The same dense network with stations, users, each station's antennas, and blocks in another order."""
    out, (n, u, a) = graph.clone(), (bs.numel(), ue.numel(), antenna.numel())
    edge = torch.arange(u * n).reshape(u, n)[ue][:, bs].flatten()
    nodes = (torch.arange(n * a).reshape(n, a)[bs][:, antenna]).flatten()
    for name, order in (("bs", bs), ("ue", ue), ("antenna", nodes)):
        for key, value in graph[name].items():
            out[name][key] = value[order] if isinstance(value, Tensor) else value
    for key, value in graph[CHANNEL].items():
        if key not in ("edge_index", "slot"):
            out[CHANNEL][key] = value[edge]
    out[CHANNEL].h = out[CHANNEL].h[:, antenna][..., block]
    for store, key in (
        (out["bs"], "rb_power_max_w"),
        (out["ue"], "noise_w"),
        (out[CHANNEL], "gain"),
        (out, "rb_bandwidth_hz"),
    ):
        store[key] = store[key][:, block]
    rank = torch.argsort(bs)
    kind = ("bs", "neighbours", "bs")
    out[kind].edge_index = rank[graph[kind].edge_index]
    return out


@pytest.mark.parametrize("objective", ["sum_rate", "pf"])
@pytest.mark.parametrize("antennas", [True, False])
def test_permuting_users_stations_antennas_and_blocks_permutes_the_answer(objective: str, antennas: bool) -> None:
    graph = double(scenario().sample(1, seed=4)[0])
    users = graph["ue"].pos.shape[0]
    model = trained_like(rounds=3, objective=objective, antennas=antennas)
    generator = torch.Generator().manual_seed(0)
    bs, ue, antenna, block = (torch.randperm(k, generator=generator) for k in (STATIONS, users, ANTENNAS, BLOCKS))
    one = model.allocate(graph).precoder
    other = model.allocate(permuted(graph, bs, ue, antenna, block)).precoder
    assert one is not None and other is not None
    torch.testing.assert_close(other, one[ue][:, antenna][..., block], rtol=1e-6, atol=1e-9)
    assert (one.abs() > 1e-3).any()


def test_a_batch_equals_its_singles() -> None:
    batch = scenario(users=2).sample(3, seed=1)
    model = trained_like(rounds=3).float()
    together = model.allocate(batch).precoder
    alone = [model.allocate(Batch.from_data_list([graph])).precoder for graph in batch.to_data_list()]
    assert together is not None
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{}, {"association": "prices", "objective": "pf"}, {"polish": 2}, {"antennas": False}]
)
@pytest.mark.parametrize(("antennas", "users", "layers"), [(1, 2, None), (4, 3, 2), (12, 2, None)])
def test_answers_are_feasible_for_any_sizes(
    options: dict[str, object], antennas: int, users: int, layers: int | None
) -> None:
    batch = scenario(antennas, users, layers).sample(2, seed=2)
    allocation = trained_like(rounds=2, **options).float().allocate(batch)
    assert violations(batch, allocation) == []
    assert bool((evaluate(batch, allocation, "spatial").sum_rate_bps > 0).all())


def test_budgets_of_antennas_and_blocks_are_kept() -> None:
    batch = scenario().sample(2, seed=3)
    power = batch["bs"].power_max_w
    batch["bs"].antenna_power_max_w = (power / 3).unsqueeze(1).expand(-1, ANTENNAS).contiguous()
    batch["bs"].rb_power_max_w = (0.6 * power).unsqueeze(1).expand(-1, BLOCKS).contiguous()
    assert violations(batch, trained_like(rounds=3).float().allocate(batch)) == []


def test_candidates_on_sparse_edges_are_enough() -> None:
    drawn = scenario()
    sparse = replace(drawn, radio=replace(drawn.radio, candidates=3))
    batch = sparse.sample(2, seed=5)
    assert not links_of(batch).dense
    allocation = trained_like(rounds=2).float().allocate(batch)
    assert violations(batch, allocation) == []


def test_gradients_equal_finite_differences() -> None:
    graph = double(scenario(users=2).sample(1, seed=6))
    model = trained_like(rounds=2)
    weight = model.refine.stream_in.weight

    def value() -> Tensor:
        last: Tensor = model(graph).rounds[-1].utility.sum()
        return last

    (slope,) = torch.autograd.grad(value(), weight)
    row, column, step = 5, 3, 1e-5
    with torch.no_grad():
        weight[row, column] += step
        above = value()
        weight[row, column] -= 2 * step
        below = value()
    torch.testing.assert_close((above - below) / (2 * step), slope[row, column], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("objective", ["sum_rate", "pf"])
def test_utilities_of_rounds_are_those_of_the_judge(objective: str) -> None:
    graph = double(scenario().sample(2, seed=7))
    model = trained_like(rounds=3, objective=objective)
    prediction = model(graph)
    kpis = evaluate(graph, model.allocate(graph), "spatial")
    band = graph.rb_bandwidth_hz.sum(1)
    best = torch.stack([one.utility for one in prediction.rounds]).amax(0)
    judged = kpis.sum_rate_bps / band if objective == "sum_rate" else kpis.pf_utility - band.log()
    torch.testing.assert_close(best, judged, rtol=1e-6, atol=1e-6)


def test_more_rounds_are_never_worse_and_polish_never_descends() -> None:
    graph = double(scenario().sample(3, seed=8))
    model = trained_like(rounds=6)
    values = [evaluate(graph, model.allocate(graph, count), "spatial").sum_rate_bps for count in (1, 3, 6)]
    model.polish = 3
    values.append(evaluate(graph, model.allocate(graph), "spatial").sum_rate_bps)
    for before, after in itertools.pairwise(values):
        assert bool((after >= before * (1 - 1e-9)).all())


def test_the_first_round_is_slnr_and_weights_of_zero_stay_there() -> None:
    batch = scenario().sample(2, seed=9)
    model = SpatialHetGNN(rounds=2)
    with torch.no_grad():
        for last in (model.refine.stream_out[-1], model.refine.edge[-1], model.refine.station[-1]):
            last.weight.zero_()
    slnr = evaluate(batch, policy("slnr")(batch), "spatial").sum_rate_bps
    zero = evaluate(batch, model.allocate(batch), "spatial").sum_rate_bps
    torch.testing.assert_close(zero, slnr, rtol=1e-4, atol=0.0)


def test_antenna_nodes_change_the_answer_and_without_them_directions_are_mrt() -> None:
    graph = double(scenario().sample(1, seed=10))
    model = trained_like(rounds=2)
    other = graph.clone()
    other["antenna"].boresight = graph["antenna"].boresight + torch.tensor([0.5, 0.1])
    assert not torch.equal(model.allocate(graph).power_w, model.allocate(other).power_w)
    blind = trained_like(rounds=2, antennas=False)
    allocation, mrt = blind.allocate(graph), policy("mrt")(graph)
    assert allocation.precoder is not None and mrt.precoder is not None
    aligned = (allocation.precoder.conj() * mrt.precoder).sum(1).abs()
    norms = allocation.precoder.abs().square().sum(1).sqrt() * mrt.precoder.abs().square().sum(1).sqrt()
    torch.testing.assert_close(aligned, norms, rtol=1e-6, atol=1e-9)


def test_prices_associate_anew_at_the_powers_of_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = double(scenario(users=4).sample(2, seed=11))
    one, two = (trained_like(rounds=2, association="prices", stages=k, objective="pf") for k in (1, 2))
    powers, choose = list[Tensor](), two._serving
    monkeypatch.setattr(
        two, "_serving", lambda graph, power, links: powers.append(power) or choose(graph, power, links)
    )
    two.allocate(graph)
    assert len(powers) == 2
    torch.testing.assert_close(powers[1], one.allocate(graph).power_w)


def test_learning_raises_the_sum_rate_of_unseen_networks() -> None:
    torch.manual_seed(0)
    model, drawn = SpatialHetGNN(rounds=3), scenario()
    unseen = drawn.sample(4, seed=99)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    before = evaluate(unseen, model.allocate(unseen), "spatial").sum_rate_bps.mean()
    for number in range(25):
        batch = drawn.sample(4, seed=0, first=4 * number)
        loss = -torch.stack([one.utility for one in model(batch).rounds[1:]]).log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert evaluate(unseen, model.allocate(unseen), "spatial").sum_rate_bps.mean() > 1.02 * before


def test_a_file_gives_the_same_model(tmp_path: Path) -> None:
    batch = scenario().sample(1, seed=12)
    model = trained_like(rounds=2, polish=1).float()
    save(model, tmp_path / "model.ckpt")
    again: Allocation = load(tmp_path / "model.ckpt").allocate(batch)
    assert torch.equal(again.power_w, model.allocate(batch).power_w)


def test_polish_of_proportional_fairness_never_descends() -> None:
    graph = double(scenario(layers=2).sample(2, seed=14))
    model = trained_like(rounds=2, objective="pf", association="prices")
    before = evaluate(graph, model.allocate(graph), "spatial").pf_utility
    model.polish = 3
    after = evaluate(graph, model.allocate(graph), "spatial").pf_utility
    assert bool((after > before).all())


def test_polish_is_wmmse_from_the_network() -> None:
    graph = double(scenario().sample(1, seed=13))
    model = trained_like(rounds=2)
    start = model.allocate(graph)
    model.polish = 2
    assert start.precoder is not None
    expected = vector_wmmse(graph, start.serving, group=start.groups, iterations=2, init=start.precoder).power_w
    torch.testing.assert_close(model.allocate(graph).power_w, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds: got 0, expected at least 1"),
        ({"stages": 0}, "stages: got 0, expected at least 1"),
        ({"polish": -1}, "polish: got -1, expected at least 0"),
        ({"association": "edge"}, "association: got 'edge', expected max_rsrp or prices"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpatialHetGNN(**options)  # type: ignore[arg-type]


def test_a_graph_without_antennas_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"h: got nothing, expected channels of antennas"):
        SpatialHetGNN(rounds=1).allocate(preset("uma-5bs").sample(1, seed=0))


def test_every_antenna_adds_its_own_edges_and_no_more() -> None:
    """Numbers that a forward pass multiplies grow with edges times antennas, as stations have more users than antennas."""
    from torch.utils.flop_counter import FlopCounterMode

    model, flops = SpatialHetGNN(rounds=1), []
    for users in (20, 40):
        batch = preset(f"mimo-7:antennas=4,users={users}").sample(1, seed=1)
        with FlopCounterMode(display=False) as counter:
            model.allocate(batch)
        flops.append(counter.get_total_flops())
    assert flops[1] < 2.6 * flops[0]


def turns() -> HeteroData:
    return scenario(users=5, layers=2).sample(1, seed=15)


def sparse() -> HeteroData:
    drawn = scenario()
    return replace(drawn, radio=replace(drawn.radio, candidates=3)).sample(1, seed=16)


def budgets() -> HeteroData:
    graph = scenario().sample(1, seed=17)
    power = graph["bs"].power_max_w.unsqueeze(1)
    graph["bs"].antenna_power_max_w = (power / 3).expand(-1, ANTENNAS).contiguous()
    graph["bs"].rb_power_max_w = (0.6 * power).expand(-1, BLOCKS).contiguous()
    return graph


def one_user() -> HeteroData:
    drawn = preset(f"mimo-7:antennas={ANTENNAS}")
    return replace(drawn, users=replace(drawn.users, count=1)).sample(1, seed=18)


def one_antenna() -> HeteroData:
    return scenario(antennas=1).sample(1, seed=19)


@pytest.mark.parametrize("options", [{}, {"objective": "pf", "association": "prices"}])
@pytest.mark.parametrize("draw", [turns, sparse, budgets, one_user, one_antenna])
def test_the_ways_of_programs_lead_where_the_model_goes(
    options: dict[str, object], draw: Callable[[], HeteroData]
) -> None:
    graph, model = double(draw()), trained_like(rounds=2, **options)
    wanted = model.infer(graph, {})
    with traced():
        found = model.infer(graph.clone(), {})  # nothing that was kept with the graph
    allocation = model.allocate(graph)
    assert allocation.precoder is not None
    assert torch.equal(torch.view_as_complex(wanted["precoder"]), allocation.precoder)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-9)
