"""Why PyG and Lightning have upper bounds: what hetgraph needs of them that they do not promise."""

import tomllib
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from packaging.requirements import Requirement
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import preset
from hetgraph.trainers.commands.fit import FolderCLI
from hetgraph.trainers.common.best import BestCheckpoint

PRIVATE = {  # method of Lightning -> class that overrides it
    (LightningCLI, "_parse_ckpt_path"): FolderCLI,  # Lightning's own imports the class that a checkpoint names
    (LightningCLI, "_prepare_subcommand_kwargs"): FolderCLI,
    (ModelCheckpoint, "_save_checkpoint"): BestCheckpoint,  # Lightning's own pickles
}


def bounded(package: str) -> bool:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    (requirement,) = [each for each in map(Requirement, project["dependencies"]) if each.name == package]
    return any(each.operator == "<" for each in requirement.specifier)


@pytest.mark.parametrize(("base", "name"), PRIVATE)
def test_methods_that_are_overridden_are_those_that_lightning_calls(base: type, name: str) -> None:
    """One that another version renames would be silently left out."""
    assert bounded("lightning")
    assert name in vars(base) and name in vars(PRIVATE[base, name])


def test_lightning_keeps_what_the_best_checkpoint_uses() -> None:
    callback = ModelCheckpoint()
    for name in ("_save_topk_checkpoint", "_monitor_candidates", "_last_global_step_saved", "_last_checkpoint_saved"):
        assert hasattr(callback, name)


def test_batches_have_the_private_attributes_that_are_written() -> None:
    """Batches that are drawn at once are taken apart by PyG with these."""
    assert bounded("torch-geometric")
    graphs = [HeteroData({"ue": {"x": torch.ones(k, 1)}}) for k in (1, 2)]
    own = Batch.from_data_list(graphs)
    drawn = preset("uma-5bs").scaled(users=0.02).sample(2, seed=0)
    for batch in (own, drawn):
        assert batch._num_graphs == 2 and set(batch._slice_dict) == set(batch._inc_dict)
    assert own._slice_dict["ue"]["x"].tolist() == [0, 1, 3] and own._inc_dict["ue"]["x"].tolist() == [0, 0]
