"""Shipped models: weights and cards belong together, and names, paths and addresses lead where they should."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import hetgraph
from hetgraph.models import HetGNN, save, systems
from hetgraph.models.checkpoint import MODEL, fill
from hetgraph.models.weights import read_weights
from hetgraph.plugins import plugin_names
from hetgraph.trainers.tasks import task_names, task_of
from hetgraph.weights import shipped
from hetgraph.weights.card import card_of
from hetgraph.weights.shipped import CARD, FOLDER, MOST_BYTES, WEIGHTS, is_weights, shipped_names, weights_path

MOST = 6_000_000  # bytes of all together, so that the wheel stays small
RULES = ("policies", "schedulers", "associations", "handovers", "traffic_handovers", "iot")


def test_there_are_some_and_each_has_its_card() -> None:
    assert shipped_names()
    files = [path for path in FOLDER.iterdir() if path.suffix != ".py" and path.name != "__pycache__"]
    assert {path.name for path in files} == {f"{name}{end}" for name in shipped_names() for end in (WEIGHTS, CARD)}
    assert sum(path.stat().st_size for path in files) < MOST


@pytest.mark.parametrize("name", shipped_names())
def test_a_card_is_of_its_weights(name: str) -> None:
    card, path = card_of(name), weights_path(name)
    header, tensors = read_weights(path)
    assert (card.system, card.task, card.version, card.commit) == (
        *(header.system, header.task),
        *(header.version, header.commit),
    )
    content = path.read_bytes()
    assert card.weights.sha256 == hashlib.sha256(content).hexdigest() and card.weights.size_bytes == len(content)
    own = sum(value.numel() for key, value in tensors.items() if key.startswith(MODEL))
    model = hetgraph.load(name)
    assert card.weights.parameters == own == sum(value.numel() for value in model.state_dict().values())
    assert model.name == card.system and model.name in systems() and not model.training


@pytest.mark.parametrize("group", RULES)
def test_no_rule_has_the_name_of_a_model(group: str) -> None:
    assert plugin_names(f"hetgraph.{group}")
    assert not set(plugin_names(f"hetgraph.{group}")) & set(shipped_names())


def test_all_groups_of_rules_are_looked_at() -> None:
    assert {task_of(name).group for name in task_names()} == {f"hetgraph.{group}" for group in RULES}


def test_a_file_comes_before_a_name_and_what_is_neither_is_told_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = shipped_names()[0]
    assert weights_path(name) == FOLDER / f"{name}{WEIGHTS}"
    save(HetGNN(8, 1, 2), tmp_path / name)
    assert weights_path(name) == Path(name) and hetgraph.load(name).options["hidden"] == 8
    with pytest.raises(FileNotFoundError, match=rf"^nothing: got no such file, .* shipped models .*{name}"):
        hetgraph.load("nothing")


def test_training_may_start_from_a_shipped_model() -> None:
    trained = hetgraph.load("hetgnn-hetnet")
    start = HetGNN(**trained.options)
    fill(start, "hetgnn-hetnet")
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in start.state_dict().items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.ckpt", True), ("a.safetensors", True), ("runs/a", True), ("hf://a/b/c", True), ("pf", False), ("m:a", False)],
)
def test_what_names_weights(text: str, expected: bool) -> None:
    assert is_weights(text) is expected
    assert is_weights(shipped_names()[0])


class Hub(SimpleNamespace):
    """A client of a Hub that has files in a folder."""

    def __init__(self, folder: Path, size: int | None = None) -> None:
        super().__init__(folder=folder, size=size, asked=[])

    def hf_hub_url(self, repo: str, file: str, revision: str | None) -> Path:
        path: Path = self.folder / repo / file
        return path

    def get_hf_file_metadata(self, url: Path) -> SimpleNamespace:
        return SimpleNamespace(size=self.size or url.stat().st_size)

    def hf_hub_download(self, repo: str, file: str, revision: str | None) -> str:
        self.asked.append((repo, file, revision))
        path = self.folder / repo / file
        if not path.is_file():
            raise OSError("404: not there\nfor a reason")
        return str(path)


def _hub(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    monkeypatch.setattr(shipped, "require", lambda package, purpose: hub)
    return hub


def test_addresses_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = _hub(monkeypatch, Hub(tmp_path))
    (tmp_path / "me/nets/deep").mkdir(parents=True)
    save(HetGNN(8, 1, 2), tmp_path / "me/nets/deep/best.safetensors")
    assert hetgraph.load("hf://me/nets/deep/best.safetensors").options["hidden"] == 8
    assert hetgraph.load("hf://me/nets@v1/deep/best.safetensors").options["layers"] == 1
    assert hub.asked == [("me/nets", "deep/best.safetensors", None), ("me/nets", "deep/best.safetensors", "v1")]
    with pytest.raises(
        ValueError, match=r"^hf://me/nets/no: got no file \(404: not there\), expected weights on the Hugging Face Hub$"
    ):
        hetgraph.load("hf://me/nets/no")
    for address in ("hf://me", "hf://me/nets", "hf://me/nets/", "hf://me/nets/../x", "hf://m e/nets/x"):
        with pytest.raises(ValueError, match=r"got another form, expected hf://owner/repo/file"):
            hetgraph.load(address)


def test_what_the_hub_sends_is_refused_as_any_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hub(monkeypatch, Hub(tmp_path))
    (tmp_path / "me/nets").mkdir(parents=True)
    (tmp_path / "me/nets/bad.ckpt").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match="got a pickle, which is never loaded"):
        hetgraph.load("hf://me/nets/bad.ckpt")
    hub = _hub(monkeypatch, Hub(tmp_path, size=MOST_BYTES + 1))
    with pytest.raises(ValueError, match=f"got {MOST_BYTES + 1} bytes, expected at most"):
        hetgraph.load("hf://me/nets/bad.ckpt")
    assert not hub.asked


def test_the_hub_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"^hf://a/b/c: got no huggingface_hub, .*pip install 'hetgraph\[hub\]'$"):
        hetgraph.load("hf://a/b/c")


def test_cards_are_plain_json() -> None:
    for name in shipped_names():
        assert json.loads((FOLDER / f"{name}{CARD}").read_text())["name"] == name
