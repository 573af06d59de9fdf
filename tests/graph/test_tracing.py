"""Ways of programs: the same numbers as the shorter ones, and no look at a value."""

import pytest
import torch

from hetgraph.graph import links_of, preset
from hetgraph.graph.sums_of_others import sum_of_other_edges
from hetgraph.graph.tracing import contained, count, exporting, holds, traced


def test_conditions_do_not_hold_in_programs() -> None:
    yes = torch.tensor(True)
    with traced():
        assert exporting() and not holds(yes)
        with traced():
            pass
        assert exporting()
    assert holds(yes) and not holds(~yes) and not exporting()


def test_counts_and_tables_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    number, chosen = (torch.randint(30, (50,), generator=generator) for _ in range(2))
    with traced():
        assert torch.equal(count(number, 30), torch.bincount(number, minlength=30))
        assert torch.equal(contained(number, chosen, 30), torch.isin(number, chosen))


@pytest.mark.parametrize("name", ["random-19", "hex-19"])
def test_links_of_a_program_are_those_of_any_graph(name: str) -> None:
    graph = preset(name).sample(1, seed=0)
    graph = graph[0] if "batch" in graph["bs"] else graph
    links, gain = links_of(graph), graph["bs", "channel", "ue"].gain
    wanted = links.flat(sum_of_other_edges(links.lift(gain), links))
    with traced():
        general = links_of(graph)
        assert general.degree is None and not general.dense
        torch.testing.assert_close(sum_of_other_edges(gain, general), wanted, rtol=1e-5, atol=0)
        torch.testing.assert_close(general.sum_to_bs(gain), links.sum_to_bs(links.lift(gain)), rtol=1e-5, atol=0)
        score = gain.mean(1)
        assert torch.equal(general.argmax_slot(score), links.argmax_slot(links.lift(score)))
