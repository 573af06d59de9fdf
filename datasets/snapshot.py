"""Snapshots of networks with teacher labels, in a folder of safetensors shards and one JSON manifest."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.datasets.labels import add_labels
from hetgraph.datasets.network_dataset import Change, Filter, NetworkDataset
from hetgraph.files import locked, write_file
from hetgraph.graph import Scenario
from hetgraph.graph.collate import Stack
from hetgraph.graph.schema import SCHEMA_VERSION
from hetgraph.radio import Allocation, one_shot

FORMAT = "hetgraph-snapshots"


@dataclass(frozen=True)
class SnapshotSpec:
    """What a dataset holds; its folder carries all of it.

    Args:
        scenario: family of networks.
        count: number of networks.
        seed: seed of the layouts.
        teacher: name of the policy that labels them, ``None`` for none.
        shard: networks in a file.
    """

    scenario: Scenario
    count: int
    seed: int = 0
    teacher: str | None = None
    shard: int = 16

    def manifest(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario.to_dict(),
            "scenario_hash": self.scenario.hash,
            "count": self.count,
            "seed": self.seed,
            "teacher": self.teacher,
            "shard": self.shard,
        }

    def shards(self) -> Iterator[tuple[str, int, int]]:
        """File name, first network and number of networks of each shard."""
        for first in range(0, self.count, self.shard):
            yield f"networks-{first:06d}.safetensors", first, min(self.shard, self.count - first)


def generate(
    folder: str | Path,
    spec: SnapshotSpec,
    *,
    teacher: Callable[[HeteroData], Allocation] | None = None,
    quiet: bool = False,
) -> Path:
    """Draw and label the networks of a dataset; goes on where it stopped.

    Every file is written under a temporary name, flushed to disk and renamed, so that a shard is whole or absent. Of several
    processes that are given one folder at once, on one machine or on several with a shared disk, one writes and the others wait
    for it. A folder that is whole is only read.

    Args:
        folder: where to.
        spec: what.
        teacher: labels in place of the policy named in ``spec``.
        quiet: no progress bar.

    Raises:
        ValueError: the folder holds another dataset.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not _progress(folder, spec)[1]:
        return folder
    label = teacher or (one_shot(spec.teacher) if spec.teacher else None)
    with locked(folder):
        manifest, missing = _progress(folder, spec)
        for name, first, count in track(missing, f"Labelling {spec.count} networks", disable=quiet or not missing):
            batch = spec.scenario.sample(count, seed=spec.seed, first=first)
            if label is not None:
                add_labels(batch, label)
            content = save_tensors(_flatten(batch))
            write_file(folder / name, content)
            manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
            write_file(folder / "manifest.json", json.dumps(manifest, indent=1).encode())
    return folder


def _progress(folder: Path, spec: SnapshotSpec) -> tuple[dict[str, Any], list[tuple[str, int, int]]]:
    """Manifest of a folder, and the shards that it lacks."""
    manifest = _read_manifest(folder) if (folder / "manifest.json").exists() else {**spec.manifest(), "sha256": {}}
    _same(folder, manifest, spec)
    return manifest, [s for s in spec.shards() if s[0] not in manifest["sha256"] or not (folder / s[0]).exists()]


class SnapshotDataset(NetworkDataset):
    """Networks of a folder made by :func:`generate`, as a PyG dataset, see :class:`~hetgraph.datasets.NetworkDataset`.

    Nothing in the folder is executed: shards are safetensors and the manifest is JSON, and every shard must have the digest that
    the manifest gives.

    Args:
        root: a dataset's folder.
        transform: of a graph, at every access.
        pre_transform: of a graph, once, when it is first read; the result stays in memory.
        pre_filter: whether a network is in the dataset; the folder keeps all.
        spec: what to draw and label first where the folder lacks it, see :func:`generate`; the folder as it is by default.

    Raises:
        ValueError: a foreign, incomplete or altered folder; the message names the file.

    Example:
        >>> spec = SnapshotSpec(preset("uma-5bs:users=20"), count=6, teacher="pf", shard=3)
        >>> folder = generate(tempfile.mkdtemp(), spec, quiet=True)
        >>> dataset = SnapshotDataset(folder)  # in one step: SnapshotDataset(root, spec=spec)
        >>> len(dataset), dataset[2:5], dataset[torch.tensor([5, 0])]
        (6, SnapshotDataset(3), SnapshotDataset(2))
        >>> next(iter(DataLoader(dataset, batch_size=4)))["ue"].teacher_slot.shape
        torch.Size([80])
    """

    def __init__(
        self,
        root: str | Path,
        transform: Change | None = None,
        pre_transform: Change | None = None,
        pre_filter: Filter | None = None,
        *,
        spec: SnapshotSpec | None = None,
    ) -> None:
        super().__init__(root, transform, pre_transform, pre_filter)
        self.folder = Path(self.root)
        if spec is not None:
            generate(self.folder, spec)
        manifest = _read_manifest(self.folder)
        self.scenario = Scenario.from_dict(manifest["scenario"])
        if self.scenario.hash != manifest["scenario_hash"]:
            raise ValueError(
                f"{self.folder / 'manifest.json'}: got a scenario of another hash, expected {manifest['scenario_hash']}"
            )
        self.spec = SnapshotSpec(
            self.scenario, manifest["count"], manifest["seed"], manifest["teacher"], manifest["shard"]
        )
        self._digests: dict[str, str] = manifest["sha256"]
        for name, _, _ in self.spec.shards():
            if name not in self._digests or not (self.folder / name).exists():
                raise ValueError(
                    f"{self.folder / name}: got no such file, expected it; run `hetgraph generate` again to go on"
                )
        self._template = Stack.from_batch(self.scenario.sample(1, seed=self.spec.seed))
        self._shards: dict[str, Stack] = {}

    @property
    def num_networks(self) -> int:
        """Networks of the folder."""
        return self.spec.count

    def network(self, number: int) -> HeteroData:
        """Network of the folder."""
        return self._read([number]).get_example(0)

    @property
    def processed_file_names(self) -> list[str]:
        """Manifest and shards."""
        return ["manifest.json", *(name for name, _, _ in self.spec.shards())]

    def batch(self, indices: list[int]) -> Batch:
        """Batch of some networks of this dataset, in the given order; without transforms it needs no collating."""
        if self.transform is not None or self.pre_transform is not None:
            return Batch.from_data_list([self[i] for i in indices])
        return self._read([self.kept[self.indices()[i]] for i in indices])

    def _read(self, indices: list[int]) -> Batch:
        """Networks of the folder."""
        by_shard: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            by_shard.setdefault(index // self.spec.shard, []).append(place)
        parts, order = [], []
        for shard, places in by_shard.items():
            local = torch.tensor([indices[p] % self.spec.shard for p in places])
            parts.append(self._shard(shard).select(local))
            order += places
        whole = Stack.concatenate(parts)
        return whole.select(torch.tensor(order).argsort()).to_batch()

    def _shard(self, number: int) -> Stack:
        name = f"networks-{number * self.spec.shard:06d}.safetensors"
        if name not in self._shards:
            path = self.folder / name
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != self._digests[name]:
                raise ValueError(f"{path}: got a file of another digest, expected the one in manifest.json")
            try:
                tensors = load_tensors(content)
            except SafetensorError as error:
                raise ValueError(f"{path}: got no safetensors file ({error}), expected one") from None
            self._shards[name] = _unflatten(tensors, self._template)
        return self._shards[name]


def _flatten(batch: Batch) -> dict[str, Tensor]:
    stack, out = Stack.from_batch(batch), {}
    for name, value in stack.graph.items():
        if isinstance(value, Tensor):
            out[f"graph/{name}"] = value.contiguous()
    for store, attributes in [*stack.nodes.items(), *stack.edges.items()]:
        key = store if isinstance(store, str) else "__".join(store)
        out |= {f"{key}/{name}": value.clone().contiguous() for name, value in attributes.items()}
    return out


def _unflatten(tensors: dict[str, Tensor], template: Stack) -> Stack:
    n = tensors["graph/rb_bandwidth_hz"].shape[0]
    stack = Stack(n, graph=dict(template.graph))
    for key, value in sorted(tensors.items()):  # the order in which they come differs from process to process
        store, name = key.split("/")
        if store == "graph":
            stack.graph[name] = value
        elif "__" in store:
            source, relation, target = store.split("__")
            stack.edges.setdefault((source, relation, target), {})[name] = value
        else:
            stack.nodes.setdefault(store, {})[name] = value
    stack.nodes = {t: stack.nodes[t] for t in template.nodes}
    stack.edges = {t: stack.edges[t] for t in template.edges}
    return stack


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.exists():
        raise ValueError(f"{folder}: got no manifest.json, expected a folder made by `hetgraph generate`")
    try:
        manifest = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path}: got text that is no JSON, expected a dataset's manifest") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path}: got another format, expected {FORMAT!r}")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"{path}: got schema version {manifest.get('schema_version')}, expected {SCHEMA_VERSION}")
    missing = {"scenario", "scenario_hash", "count", "seed", "teacher", "shard", "sha256"} - set(manifest)
    if missing:
        raise ValueError(f"{path}: got no field {sorted(missing)[0]!r}, expected it")
    return manifest


def _same(folder: Path, manifest: dict[str, Any], spec: SnapshotSpec) -> None:
    for name, value in spec.manifest().items():
        if manifest.get(name) != value and name != "scenario":
            raise ValueError(
                f"{folder / 'manifest.json'}: got {name} {manifest.get(name)!r}, expected {value!r}: another dataset"
            )
