"""Checkpoints: policies from them, weights only, and never anything executed."""

import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import lightning
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from hetgraph.graph.schema import SCHEMA_VERSION
from hetgraph.models import GROWS, GraphQMIX, HetGNN, HybridMADDPG, NeighbourhoodMAPPO
from hetgraph.models.grows_flat import FlatQ
from hetgraph.radio import OneShotPolicy

M = TypeVar("M", bound=nn.Module)
GROWS_OPTIONS = ("widths", "taps", "features", "users", "dueling", "flat")
AGENT_OPTIONS = ("hidden", "hops", "levels_db", "recurrent", "agents", "colours", "overbook")
QMIX_OPTIONS = (
    "hidden", "rounds", "mixing", "encoder", "dueling", "importance", "mixer", "flat_cells", "places", "levels",
    "personal", "intentions",
)  # fmt: skip
QMIX_PRICES = ("patience", "agreements", "crowding")  # which checkpoints may be too old for
HYBRID_OPTIONS = ("hidden", "heads", "agents", "attention", "prior")
HYBRID_KINDS = ("scope", "discrete", "power", "reports", "dueling")  # which a run of IoTMAPPO does not have
MODEL_OPTIONS = ("hidden", "layers", "rounds", "memory", "encoder", "association", "objective")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Content of a Lightning checkpoint, read with ``weights_only=True``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no checkpoint, or one that would run code when loaded.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected a checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the refusal below says it in one sentence
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path}: got a pickle that is no plain checkpoint, expected tensors and numbers; not loaded"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise ValueError(f"{path}: got a file that cannot be read ({reason}), expected a checkpoint") from None
    if not isinstance(content, dict) or "state_dict" not in content or "hyper_parameters" not in content:
        raise ValueError(f"{path}: got a file without state_dict and hyper_parameters, expected a Lightning checkpoint")
    return content


def load_model(path: str | Path) -> HetGNN:
    """HetGNN of a checkpoint (``.ckpt``) or of exported weights (``.safetensors``).

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign file, or a checkpoint of another model.
    """
    path = Path(path)
    options, state = _read_weights(path) if path.suffix == ".safetensors" else _from_checkpoint(path)
    if not set(MODEL_OPTIONS) <= set(options):
        missing = sorted(set(MODEL_OPTIONS) - set(options))[0]
        raise ValueError(f"{path}: got no option {missing!r}, expected a checkpoint of HetGNN")
    model = HetGNN(**{name: options[name] for name in MODEL_OPTIONS})
    _fill(model, state, path)
    return model.eval()


def load_agents(path: str | Path) -> NeighbourhoodMAPPO:
    """Agents of a checkpoint of neighbourhood MAPPO.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign file, or a checkpoint of another model.
    """
    return _load(path, AGENT_OPTIONS, NeighbourhoodMAPPO, "MAPPO")


def load_association(path: str | Path) -> GROWS:
    """GROWS, or its network without a graph, of a checkpoint of Double DQN.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign file, or a checkpoint of another model.
    """
    return _load(path, GROWS_OPTIONS, association_agent, "DoubleDQN")


def load_handovers(path: str | Path) -> GraphQMIX:
    """GraphQMIX, or one of its ablations, of a checkpoint of QMIX.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign file, or a checkpoint of another model.
    """
    known = set(QMIX_PRICES) & set(read_checkpoint(path)["hyper_parameters"])
    return _load(path, (*QMIX_OPTIONS, *known), GraphQMIX, "QMIX")


def load_hybrid(path: str | Path) -> HybridMADDPG:
    """Agents of IoT networks of a checkpoint of MADDQN-DMADDPG, of its rivals or of MAPPO on these networks.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a foreign file, or a checkpoint of another model.
    """
    kinds = set(HYBRID_KINDS) & set(read_checkpoint(path)["hyper_parameters"])
    return _load(path, (*HYBRID_OPTIONS, *sorted(kinds)), HybridMADDPG, "MADDQNDMADDPG")


def _load(path: str | Path, names: Sequence[str], build: Callable[..., M], kind: str) -> M:
    path = Path(path)
    options, state = _from_checkpoint(path, "policy.")
    missing = sorted(set(names) - set(options))
    if missing:
        raise ValueError(f"{path}: got no option {missing[0]!r}, expected a checkpoint of {kind}")
    model = build(**{name: options[name] for name in names})
    _fill(model, state, path)
    return model.eval()


def association_agent(
    widths: Sequence[int], taps: int, features: Any, users: bool, dueling: bool, flat: int = 0
) -> GROWS:
    """GROWS, or with ``flat`` the network without a graph for so many stations."""
    if flat:
        return FlatQ(flat, tuple(widths), features)
    return GROWS(tuple(widths), taps, features, users, dueling)


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Copy a checkpoint's weights into a model, nothing else of it.

    Raises:
        ValueError: a checkpoint of another model.
    """
    path = Path(path)
    _, state = _read_weights(path) if path.suffix == ".safetensors" else _from_checkpoint(path)
    _fill(model, state, path)


def load_policy(path: str | Path) -> OneShotPolicy:
    """Policy of a checkpoint of HetGNN; its name is the run's folder and the file."""
    model = load_model(path)
    return OneShotPolicy(f"{Path(path).parent.name}/{Path(path).stem}", model.allocate)


def save_weights(model: HetGNN, options: dict[str, Any], path: str | Path) -> Path:
    """Export weights as safetensors, with the model's options and the schema version in its header."""
    path = Path(path)
    header = {
        "hetgraph": json.dumps({"options": {k: options[k] for k in MODEL_OPTIONS}, "schema_version": SCHEMA_VERSION})
    }
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path, metadata=header)
    return path


def _from_checkpoint(path: Path, prefix: str = "model.") -> tuple[dict[str, Any], dict[str, Any]]:
    content = read_checkpoint(path)
    state = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
    return dict(content["hyper_parameters"]), state


def _read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import safe_open

    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected exported weights")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["hetgraph"])
        return header["options"], load_file(path)
    except (SafetensorError, KeyError, json.JSONDecodeError):
        raise ValueError(f"{path}: got a foreign file, expected weights exported by hetgraph") from None


def _fill(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    own = model.state_dict()
    for name, value in own.items():
        got = tuple(state[name].shape) if name in state else None
        if got != tuple(value.shape):
            raise ValueError(f"{path}: got {name} {got or 'nowhere'}, expected {tuple(value.shape)}: another model")
    extra = sorted(set(state) - set(own))
    if extra:
        raise ValueError(f"{path}: got weights {extra[0]!r} that the model lacks: another model")
    model.load_state_dict(state)


class RandomState(lightning.Callback):
    """Keep the global random state with the checkpoint, so that a resumed run ends bit-equal."""

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Store the states of torch's generators, of the processor and of the device."""
        checkpoint["random_state"] = torch.get_rng_state()
        device = trainer.strategy.root_device  # the module itself is not there yet when a checkpoint is loaded
        if device.type == "cuda":
            checkpoint["device_random_state"] = torch.cuda.get_rng_state(device)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Put it back."""
        if "random_state" in checkpoint:
            torch.set_rng_state(checkpoint["random_state"])
        device = trainer.strategy.root_device
        if "device_random_state" in checkpoint and device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint["device_random_state"].cpu(), device)
