"""A model's network as a program of ``torch.export``, with what its inputs and outputs are, and how far it is from the model."""

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch_geometric.data import HeteroData

from hetgraph.models.inference import FIELDS, Given, InferenceNetwork, given_of, inputs_of
from hetgraph.models.weights import Header

Outputs = Mapping[str, Tensor]
MOST = 1e-5  # difference to the model, as part of the largest value of an output


@dataclass(frozen=True)
class Program:
    """A network as a program.

    Args:
        network: what was exported.
        exported: of ``torch.export``.
        example: inputs of the graph that it was made from.
        shapes: symbolic shapes of the inputs.
        units: their units.
        outputs: of the example.
    """

    network: InferenceNetwork
    exported: ExportedProgram
    example: dict[str, Tensor]
    shapes: dict[str, tuple[str, ...]]
    units: dict[str, str]
    outputs: Outputs

    def inputs_of(self, graph: HeteroData) -> dict[str, Tensor]:
        """The program's inputs for another graph."""
        return inputs_of(self.network.model, graph, tuple(self.example))

    def free_sizes(self) -> list[str]:
        """Sizes of the schema that other graphs may have otherwise; a size of one stays one."""
        values = _sizes(self.shapes, self.example)
        fixed = getattr(self.network.model, "fixed_sizes", ())
        return sorted(size for size, number in values.items() if number > 1 and size != "*" and size not in fixed)


@dataclass(frozen=True)
class Comparison:
    """How far a program is from its model.

    Args:
        largest_difference: as part of the largest value of an output.
        graphs: number of graphs that were compared.
        graphs_of_other_sizes: of them, those with another size than the graph that the program was made from.
        sizes: smallest and largest number behind each size of the schema that was not always as it was there.
    """

    largest_difference: float
    graphs: int
    graphs_of_other_sizes: int
    sizes: dict[str, tuple[int, int]]

    @property
    def text(self) -> str:
        """In words, such as ``5 graphs, 4 of them of other sizes (N 2 to 6, U 18 to 51)``."""
        if not self.graphs_of_other_sizes:
            return f"{self.graphs} graphs, none of them of other sizes"
        ranges = ", ".join(
            f"{size} {low} to {high}" if low < high else f"{size} {low}" for size, (low, high) in self.sizes.items()
        )
        return f"{self.graphs} graphs, {self.graphs_of_other_sizes} of them of other sizes ({ranges})"


def make_program(model: Any, graph: HeteroData) -> Program:
    """Program of a model.

    Args:
        model: see :class:`~hetgraph.models.inference.Inferring`.
        graph: a single graph of its task; what it lacks the program does not read, and its sizes of one stay.

    Raises:
        ValueError: a model without ``infer``, or one whose computation depends on values so that no program has it.
    """
    network = InferenceNetwork(model.eval(), graph)
    example = inputs_of(model, graph)
    given = given_of(model, graph)
    shapes = {name: given[name].shape if name in given else FIELDS[name].shape for name in example}
    units = {name: _unit(name, given) for name in example}
    fixed = getattr(model, "fixed_sizes", ())
    free = {
        name: {place: Dim.AUTO for place, size in enumerate(shape) if not size.isdigit() and size not in fixed}
        for name, shape in shapes.items()
    }
    with torch.no_grad(), quiet():
        outputs = network(example)
        try:
            exported = torch.export.export(network, (example,), dynamic_shapes={"inputs": free}, strict=False)
        except Exception as error:  # the exporter has no class of its own for what it cannot do
            raise ValueError(
                f"{model.name}: got a computation that depends on values ({_reason(error)}), expected one that a program has"
            ) from error
    return Program(network, exported, example, shapes, units, outputs)


def _unit(name: str, given: Mapping[str, Given]) -> str:
    return given[name].unit if name in given else FIELDS[name].unit


def difference(wanted: Outputs, found: Outputs) -> float:
    """Largest difference of outputs, as part of the largest magnitude of each; infinite where whole numbers or infinities differ."""
    worst = 0.0
    for name, value in wanted.items():
        other = found[name]
        if value.shape != other.shape:
            return float("inf")
        if not value.is_floating_point():
            worst = max(worst, 0.0 if torch.equal(value, other) else float("inf"))
            continue
        finite = value.isfinite()
        if not torch.equal(value[~finite], other[~finite]):
            return float("inf")
        if bool(finite.any()):
            apart, size = (value - other)[finite].abs().max(), value[finite].abs().max()
            worst = max(worst, float(apart / size) if float(size) > 0 else float(apart))
    return worst


@torch.no_grad()
def checked(program: Program, run: Callable[[dict[str, Tensor]], Outputs], graphs: Iterator[HeteroData]) -> Comparison:
    """Compare a program with its model on some graphs.

    Args:
        program: what it should compute.
        run: computes it.
        graphs: of any sizes.

    Raises:
        ValueError: a difference above 1e-5, or a graph that the program refuses.
    """
    worst, sizes_of_graphs = 0.0, list[dict[str, int]]()
    for graph in graphs:
        inputs = program.inputs_of(graph)
        sizes_of_graphs.append(_named_sizes(program.shapes, inputs))
        sizes = ", ".join(f"{size} {number}" for size, number in sizes_of_graphs[-1].items())
        try:
            found = run(inputs)
        except Exception as error:
            raise ValueError(
                f"program: got {_reason(error)} at sizes {sizes}, expected an answer; not written"
            ) from error
        apart = difference(program.network(inputs), found)
        if not apart <= MOST:
            raise ValueError(
                f"program: got a difference of {apart:.2g} at sizes {sizes}, expected {MOST:g}; not written"
            )
        worst = max(worst, apart)
    own = _named_sizes(program.shapes, program.example)
    ranges = dict[str, tuple[int, int]]()
    for size in sorted(own):
        numbers = {sizes[size] for sizes in sizes_of_graphs}
        if numbers - {own[size]}:
            ranges[size] = min(numbers), max(numbers)
    return Comparison(worst, len(sizes_of_graphs), sum(sizes != own for sizes in sizes_of_graphs), ranges)


def _sizes(shapes: Mapping[str, tuple[str, ...]], inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Numbers behind the sizes of the schema."""
    out: dict[str, int] = {}
    for name, shape in shapes.items():
        out |= {size: number for size, number in zip(shape, inputs[name].shape, strict=True) if not size.isdigit()}
    return out


def _named_sizes(shapes: Mapping[str, tuple[str, ...]], inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """The same without what has no name in the schema."""
    return {size: number for size, number in _sizes(shapes, inputs).items() if size != "*"}


def about(program: Program, header: Header, path: Path, comparison: Comparison) -> dict[str, Any]:
    """What a program's file says of itself.

    Args:
        program: what it holds.
        header: of the checkpoint.
        path: of the checkpoint.
        comparison: with the model.
    """
    free = program.free_sizes()
    sizes = _named_sizes(program.shapes, program.example)
    return {
        "hetgraph": header.version,
        "system": header.system,
        "task": header.task,
        "level": program.network.model.level,
        "options": header.options,
        "columns": header.columns,
        "checkpoint": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "commit": header.commit,
        "settings": program.network.settings,
        "free_sizes": free,
        "fixed_sizes": {size: number for size, number in sizes.items() if size not in free},
        "inputs": [
            {"name": name, "shape": list(program.shapes[name]), "dtype": _dtype(value), "unit": program.units[name]}
            for name, value in program.example.items()
        ],
        "outputs": [{"name": name, "dtype": _dtype(value)} for name, value in program.outputs.items()],
        "checked": asdict(comparison),
    }


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")


@contextmanager
def quiet() -> Iterator[None]:
    """No advice of the exporter, which is for authors of models."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
