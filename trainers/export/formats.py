"""Files of programs: pt2 of PyTorch, and ONNX."""

import io
import json
import re
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from hetgraph.trainers.export.program import Outputs, Program, quiet

KEY = "hetgraph"  # of the metadata: a file of a pt2's archive, a property of an ONNX model


class Format(Protocol):
    """A program in a format: it runs, and is written with what it says of itself."""

    def run(self, inputs: dict[str, Tensor]) -> Outputs:
        """The program's outputs."""
        ...

    def content(self, about: dict[str, Any]) -> bytes:
        """The file."""
        ...


class PT2:
    """``torch.export.load`` reads it, in Python and, ahead of time compiled, in C++."""

    def __init__(self, program: Program) -> None:
        self.exported = program.exported
        self.module = program.exported.module()

    def run(self, inputs: dict[str, Tensor]) -> Outputs:
        """The program's outputs."""
        out: Outputs = self.module(inputs)
        return out

    def content(self, about: dict[str, Any]) -> bytes:
        """The file; metadata are the extra file ``hetgraph.json``."""
        buffer = io.BytesIO()
        with quiet():
            torch.export.save(self.exported, buffer, extra_files={f"{KEY}.json": json.dumps(about)})
        return buffer.getvalue()


class ONNX:
    """A model for ONNX Runtime and others.

    Raises:
        ValueError: an operator that ONNX lacks.
    """

    def __init__(self, program: Program) -> None:
        from hetgraph.trainers.export.onnx_operators import translations  # with packages of the extra

        self.names = list(program.outputs)
        with quiet(), torch.no_grad():
            try:
                made = torch.onnx.export(
                    program.exported,
                    (program.example,),
                    dynamo=True,
                    verbose=False,
                    input_names=list(program.example),
                    output_names=self.names,
                    custom_translation_table=translations(),
                )
            except torch.onnx.errors.OnnxExporterError as error:
                system, lacks = program.network.model.name, _lacking(error)
                if _has_complex(program):
                    lacks = f"complex numbers and {lacks}"
                raise ValueError(
                    f"--format: got onnx for {system}, which has {lacks}, expected an operator of ONNX; pt2 has all"
                ) from error
        assert made is not None
        self.model = made.model
        _name_sizes(self.model, program)
        self.session: Any = None

    def run(self, inputs: dict[str, Tensor]) -> Outputs:
        """The program's outputs by ONNX Runtime."""
        import onnxruntime

        if self.session is None:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            self.session = onnxruntime.InferenceSession(self._bytes(), options, providers=["CPUExecutionProvider"])
        known = {each.name for each in self.session.get_inputs()}
        values = self.session.run(self.names, {name: v.numpy() for name, v in inputs.items() if name in known})
        return {name: torch.from_numpy(value) for name, value in zip(self.names, values, strict=True)}

    def content(self, about: dict[str, Any]) -> bytes:
        """The file; metadata are the property ``hetgraph``."""
        self.model.metadata_props[KEY] = json.dumps(about)
        return self._bytes()

    def _bytes(self) -> bytes:
        import onnx_ir

        out: bytes = onnx_ir.serde.serialize_model(self.model).SerializeToString()
        return out


def _name_sizes(model: Any, program: Program) -> None:
    """Sizes of inputs by their names in the schema, which tell more than the exporter's symbols."""
    import onnx_ir

    free = program.free_sizes()
    for value in model.graph.inputs:
        numbers = program.example[value.name].shape
        sizes: list[str | int] = []
        for place, size in enumerate(program.shapes[value.name]):
            name = f"{value.name}_{place}" if size == "*" else size  # an asterisk is a size of its own each time
            sizes.append(name if size in free or (size == "*" and numbers[place] > 1) else int(numbers[place]))
        value.shape = onnx_ir.Shape(sizes)


def _has_complex(program: Program) -> bool:
    """Whether it computes with complex numbers, of which ONNX has no arithmetic."""
    values = (node.meta.get("val") for node in program.exported.graph.nodes if node.op == "call_function")
    return any(isinstance(value, Tensor) and value.is_complex() for value in values)


def _lacking(error: BaseException | None) -> str:
    """What the exporter could not translate."""
    operator = "an operator without a translation"
    while error is not None:
        text = str(error)
        named = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", text)
        if named is not None:
            return f"the operator {named[1]}"
        named = re.search(r"call_function\[target=torch\.ops\.([\w.]+)\]", text)
        if named is not None:
            operator = f"the operator {named[1]} with such arguments"
        error = error.__cause__
    return operator


FORMATS: dict[str, Callable[[Program], Format]] = {"pt2": PT2, "onnx": ONNX}
