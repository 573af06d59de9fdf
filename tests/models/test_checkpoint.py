"""Files of weights: what is saved is loaded, and nothing else is."""

import contextlib
import json
import math
import pickle
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

import hetgraph
from hetgraph.models import (
    GROWS,
    GraphQMIX,
    HetGNN,
    HybridMADDPG,
    NeighbourhoodMAPPO,
    keep_options,
    load,
    register,
    save,
    systems,
)
from hetgraph.models.grows_flat import FlatQ
from hetgraph.models.weights import KEY, MOST_BYTES, read_weights

MODELS: dict[str, Callable[[], nn.Module]] = {
    "hetgnn": lambda: HetGNN(8, 1, 2),
    "mappo": lambda: NeighbourhoodMAPPO(8, levels_db=(0.0, -3.0)),
    "grows": lambda: GROWS((8, 4), 2, "full", users=True, dueling=True),
    "dqn": lambda: FlatQ(3, (8,)),
    "qmix": lambda: GraphQMIX(8),
    "maddqn": lambda: HybridMADDPG(8),
}


def content(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Header and tensors of a file, without any check."""
    with safetensors.safe_open(path, "pt") as file:
        header = json.loads(file.metadata()[KEY])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_comes_back(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    path = save(model, tmp_path / "best.ckpt", scenario={"name": "here"})
    loaded = hetgraph.load(path)
    assert type(loaded) is type(model) and not loaded.training
    assert loaded.options == model.options
    own = model.state_dict()
    assert list(own) == list(loaded.state_dict())
    assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())
    assert all(value.device.type == "cpu" for value in loaded.state_dict().values())
    header, _ = read_weights(path)
    assert (header.system, header.task, header.scenario) == (name, model.task, {"name": "here"})
    assert name in systems()


def test_a_file_of_any_header_length_loads(tmp_path: Path) -> None:
    """Some lengths look like the first bytes of other formats."""
    model = HetGNN(8, 1, 2)
    for size in range(256):
        path = save(model, tmp_path / "best.ckpt", commit="x" * size)
        assert load(path).options == model.options


@pytest.mark.parametrize("name", MODELS)
def test_no_flipped_bit_loads(name: str, tmp_path: Path) -> None:
    path = save(MODELS[name](), tmp_path / "best.ckpt")
    whole = path.read_bytes()
    draw = random.Random(0)
    places = [draw.randrange(8 * len(whole)) for _ in range(80)] + [draw.randrange(8 * 2000) for _ in range(20)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"best\.ckpt: got"):
            load(path)


def _edited(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """A file with another header whose digest is right, as somebody could make it on purpose."""
    from hetgraph.models import weights

    header, tensors = content(path)
    edit(header)
    header["sha256"] = "0" * 64
    raw = safetensors.torch.save(tensors, {KEY: json.dumps(header)})
    header["sha256"] = weights._digest(*weights._split(raw))
    path.write_bytes(safetensors.torch.save(tensors, {KEY: json.dumps(header)}))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda h: h["options"].update(layers=10**9), "layers 1000000000, expected at most"),
        (lambda h: h["options"].update(hidden=10**9), "hidden 1000000000, expected at most"),
        (lambda h: h["options"].update(layers=4096), "got more than [0-9]+ parameters"),
        (lambda h: h["options"].update(layers=3), "another model"),
        (lambda h: h["options"].update(layers=-1), "another model|does not take"),
        (lambda h: h["options"].update(colour="red"), "does not take"),
        (lambda h: h["options"].update(encoder="os.system"), "does not take"),
        (lambda h: h.update(system="os.system"), "system: got 'os.system', expected one of"),
        (lambda h: h.update(schema_version=99), "schema 99"),
        (lambda h: h.update(format=7), "format 7"),
        (lambda h: h.update(trap="x"), "damaged"),
    ],
)
def test_a_forged_header_is_refused(edit: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path) -> None:
    path = save(HetGNN(8, 1, 2), tmp_path / "best.ckpt")
    _edited(path, edit)
    start = time.process_time()
    with pytest.raises(ValueError, match=reason):
        load(path)
    assert time.process_time() - start < 2  # the contract has 10, ten times what building 4096 layers would take


def test_nothing_that_a_file_names_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = save(HetGNN(8, 1, 2), tmp_path / "best.ckpt")
    for edit in (
        lambda h: h.update(system="trap:Model"),
        lambda h: h.update(training={"class_path": "trap.Module"}),
        lambda h: h["options"].update(_target_="trap.Model"),
    ):
        _edited(path, edit)
        with contextlib.suppress(ValueError):
            load(path)
        assert "trap" not in sys.modules


def test_foreign_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    model, path = HetGNN(8, 1, 2), tmp_path / "best.ckpt"
    whole = save(model, path).read_bytes()
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": {}}, tmp_path / "lightning.ckpt")
    (tmp_path / "pickle.ckpt").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "text.ckpt").write_text("weights")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    (tmp_path / "short.ckpt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "long.ckpt").write_bytes(whole + b"\0" * 8)
    (tmp_path / "nested.ckpt").write_bytes((10**5).to_bytes(8, "little") + b"[" * 10**5)
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "others.ckpt")
    with (tmp_path / "huge.ckpt").open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # sparse: takes no room
    for name in ("lightning", "pickle", "text", "empty", "short", "long", "nested", "others", "huge"):
        with pytest.raises(ValueError, match=f"{name}.ckpt: got .*, expected") as caught:
            load(tmp_path / f"{name}.ckpt")
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ckpt: got no such file"):
        load(tmp_path / "nowhere.ckpt")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(value: float, tmp_path: Path) -> None:
    model, path = HetGNN(8, 1, 2), tmp_path / "best.ckpt"
    before = save(model, path).read_bytes()
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = value
    with pytest.raises(ValueError, match="not finite"):
        save(model, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["best.ckpt"]
    header, tensors = content(path)
    next(iter(tensors.values())).view(-1)[0] = value
    path.write_bytes(safetensors.torch.save(tensors, {KEY: json.dumps(header)}))
    _edited(path, lambda h: None)
    with pytest.raises(ValueError, match="not finite"):
        load(path)


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    @keep_options
    class Net(nn.Module):
        name, task = "test_net", "snapshot"

        def __init__(self, hidden: int = 4, sizes: tuple[int, ...] = (1, 2)) -> None:
            super().__init__()
            self.linear = nn.Linear(hidden, sum(sizes))

    model = Net(3)
    assert model.options == {"hidden": 3, "sizes": [1, 2]}
    path = save(model, tmp_path / "own.ckpt")
    with pytest.raises(ValueError, match="system: got 'test_net', expected one of"):
        load(path)
    register(Net)
    assert torch.equal(load(path).linear.weight, model.linear.weight)
    with pytest.raises(ValueError, match=r"Other\.name: got 'test_net'"):
        register(type("Other", (nn.Module,), {"name": "test_net", "task": "snapshot"}))
    with pytest.raises(ValueError, match="expected a number, a text"):

        @keep_options
        class Bad(nn.Module):
            def __init__(self, function: Any) -> None:
                super().__init__()

        Bad(print)
