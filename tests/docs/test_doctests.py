"""The examples in docstrings of public functions are what comes out."""

import doctest
import importlib
import tempfile
from pathlib import Path

import pytest
import torch
from torch_geometric.loader import DataLoader

from hetgraph.envs import ArrivalEnv, ConflictEnv
from hetgraph.graph import from_gain, links_of, preset
from hetgraph.models import HetGNN, keep_options
from hetgraph.radio import Allocation, policy
from hetgraph.trainers import task_of

# What examples may use without importing it, as a reader would have it at hand.
KNOWN = {
    "torch": torch, "tempfile": tempfile, "Path": Path, "DataLoader": DataLoader, "ArrivalEnv": ArrivalEnv,
    "ConflictEnv": ConflictEnv, "from_gain": from_gain, "links_of": links_of, "preset": preset, "HetGNN": HetGNN,
    "Allocation": Allocation, "policy": policy, "task_of": task_of, "keep_options": keep_options,
}  # fmt: skip
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ROOT = Path(__file__).parents[2]


def modules() -> list[str]:
    """Modules whose docstrings have examples."""
    out = []
    for folder in ("hetgraph", "datasets", "trainers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in path.read_text():
                parts = list(path.relative_to(ROOT).with_suffix("").parts)
                parts = parts if parts[0] == "hetgraph" else ["hetgraph", *parts]
                out.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return out


def test_public_functions_have_examples() -> None:
    assert len(modules()) >= 20


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_are_right(name: str) -> None:
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, extraglobs=KNOWN, optionflags=FLAGS)
    assert tried > 0 and failed == 0
