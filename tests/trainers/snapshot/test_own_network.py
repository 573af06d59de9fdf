"""A network of one's own, as docs/add-a-system.md says: trained by `SupervisedModule`, then compared and fine-tuned."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hetgraph import load
from hetgraph.graph import preset
from hetgraph.models import AllocatingModel, HetGNN, keep_options
from hetgraph.models.allocating import best_round
from hetgraph.radio import evaluate
from hetgraph.trainers import SupervisedModule
from hetgraph.trainers.cli import main

DOCS = Path(__file__).parents[3] / "docs" / "add-a-system.md"
NET = """
import torch
from torch import nn
from hetgraph.graph.schema import CHANNEL
from hetgraph.models import AllocatingModel, keep_options
from hetgraph.nn import HeteroEncoder

COLUMNS = {"bs": ("power_dbm",), "ue": ("best_snr_db",), CHANNEL: ("snr_db", "gap_db")}


@keep_options
class Net(AllocatingModel):
    name = "net_of_mine"

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        self.encoder, self.edge, self.power = HeteroEncoder(COLUMNS, hidden, 1), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)

    def forward(self, graph):
        state = self.encoder(graph)
        bs, ue = graph[CHANNEL].edge_index
        edge = (self.edge(state["bs"])[bs] * state["ue"][ue]).sum(1)
        return {"edge_logits": edge, "power_logits": self.power(state["bs"]).expand_as(graph["bs"].rb_power_max_w)}
"""


def run(*arguments: str) -> Any:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return done.value.code


def test_a_network_of_ones_own_is_trained_compared_and_fine_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(NET)
    text = re.search(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert text is not None
    (tmp_path / "own.yaml").write_text(
        text.group(1).replace("train: 64", "train: 8").replace("max_epochs: 5", "max_epochs: 2")
    )
    try:
        assert run("fit", "--config", "own.yaml") in (0, None)
        best = "runs/mine/best.ckpt"
        assert (
            run("compare", "--scenario", "uma-5bs", "--layouts", "2", "--policies", f"max_rsrp,{best}", "--no-figures")
            == 2
        )
        assert "net_of_mine" in capsys.readouterr().err  # nothing that a file names is imported
        common = ("--models", "mine:Net", "--scenario", "uma-5bs", "--layouts", "2")
        assert run("compare", *common, "--policies", f"max_rsrp,{best}", "--no-figures", "--out", "judged") == 0
        assert "mine" in (tmp_path / "judged" / "results.csv").read_text()
        tuned = ("finetune", "--ckpt", best, *common, "--epochs", "1", "--batches", "2", "--out", "tuned")
        assert run(*tuned) == 0
        assert type(load("tuned/best.ckpt")).__name__ == "Net"
    finally:
        from hetgraph.models import checkpoint

        checkpoint._REGISTERED.pop("net_of_mine", None)
        sys.modules.pop("mine", None)


@keep_options
class Logits(AllocatingModel):
    """Logits that are given."""

    name = "logits"

    def __init__(self) -> None:
        super().__init__()
        self.out: dict[str, torch.Tensor] = {}
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, graph: Any) -> dict[str, torch.Tensor]:
        return {name: self.scale * value for name, value in self.out.items()}


def test_logits_become_the_best_edge_and_parts_of_the_budget() -> None:
    graph, model = preset("uma-5bs").sample(2, seed=3), Logits()
    source, target = graph["bs", "channel", "ue"].edge_index
    edge, power = torch.randn(len(source)), torch.randn(graph["bs"].rb_power_max_w.shape)
    model.out = {"edge_logits": edge, "power_logits": power}
    allocation = model.allocate(graph)
    for user in range(graph["ue"].num_nodes):
        mine = (target == user).nonzero().squeeze(1)
        assert int(allocation.serving[user]) == int(source[mine[edge[mine].argmax()]])
    whole = torch.cat([power, torch.zeros(len(power), 1)], 1).softmax(1)[:, :-1] * graph["bs"].power_max_w.unsqueeze(1)
    torch.testing.assert_close(
        allocation.power_w, torch.minimum(whole, graph["bs"].rb_power_max_w), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("out", [{}, {"edge_logits": torch.zeros(3)}, torch.zeros(3)])
def test_other_outputs_are_refused_in_a_sentence(out: Any) -> None:
    class Wrong(Logits):
        def forward(self, graph: Any) -> Any:
            return out

    with pytest.raises(ValueError, match=r"model: got (edge|power)_logits .*, expected a dict with"):
        Wrong().allocate(preset("uma-5bs").sample(1, seed=0))


def test_hetgnn_and_ones_own_share_losses_and_decoder() -> None:
    graph = preset("uma-5bs").sample(1, seed=0)
    module = SupervisedModule(hidden=8, rounds=2)
    assert isinstance(module.model, HetGNN) and module.model.rounds == 2
    prediction = module.model.predict(graph)
    first = best_round(graph, prediction, "pf")
    assert torch.equal(first.serving, module.model.allocate(graph).serving)
    assert bool((evaluate(graph, first).rate_bps > 0).any())
