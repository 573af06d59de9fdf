"""Specification of an action: what it looks like, in networks side by side, and the check of one, made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

A = TypeVar("A")
Kind = Literal["choice", "real", "bool", "complex"]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Part:
    """One tensor of an action.

    Args:
        name: attribute of the action.
        shape: sizes by symbol: ``B`` networks, ``N`` stations, ``U`` users, ``R`` blocks, ``S`` subchannels, ``L`` layers, or
            products of them, such as ``BU``.
        kind: ``choice`` for integers, ``real``, ``bool`` or ``complex``, whose real and imaginary parts have the range.
        n: number of choices, counted from ``first``.
        first: smallest choice; -1 where -1 stands for none.
        low: smallest real number.
        high: largest real number, ``None`` for no limit.
        mask: boolean attribute ``[*shape, n]`` (or broadcastable to it) of what an observation's ``mask`` gives; a choice
            outside it is a wish that the environment resolves, not an error.
        optional: may be ``None``.
    """

    name: str
    shape: tuple[str, ...]
    kind: Kind = "choice"
    n: int | None = None
    first: int = 0
    low: float = 0.0
    high: float | None = None
    mask: str | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if (self.kind == "choice") != (self.n is not None):
            raise ValueError(f"{self.name}.n: got {self.n}, expected a number for a choice, else None")

    def sizes(self, sizes: Sizes) -> tuple[int, ...]:
        """Shape in numbers; of a symbol such as ``BU`` the product."""
        return tuple(int(np.prod([sizes[letter] for letter in symbol])) for symbol in self.shape)

    def check(self, value: Any, shape: tuple[int, ...]) -> None:
        """Refuse a value that is no tensor of this part.

        Raises:
            ValueError: no tensor, or another shape, dtype or range; NaN and infinity are out of every range.
        """
        where = f"action.{self.name}"
        if not isinstance(value, Tensor):
            raise ValueError(f"{where}: got {type(value).__name__}, expected a tensor of shape {shape}")
        if value.shape != shape or not self._fits(value):
            got = f"{value.dtype} {tuple(value.shape)}"
            kinds = {"choice": "integers", "real": "real numbers", "bool": "booleans", "complex": "complex numbers"}
            raise ValueError(f"{where}: got {got}, expected {kinds[self.kind]} of shape {shape}")
        if self.kind == "bool" or not value.numel():
            return
        ends = torch.aminmax(torch.view_as_real(value) if value.is_complex() else value)
        low, high = ends[0].item(), ends[1].item()  # NaN comes out of both
        least, most = (self.first, self.first + (self.n or 0) - 1) if self.kind == "choice" else (self.low, self.high)
        if not (low >= least and high <= (float_max(value) if most is None else most)):
            expected = f"{least}..{most}" if most is not None else f"finite numbers of {least:g} or more"
            raise ValueError(f"{where}: got values from {low} to {high}, expected {expected}")

    def _fits(self, value: Tensor) -> bool:
        """Whether the dtype is of this kind."""
        if self.kind == "real":
            return value.is_floating_point()
        if self.kind == "complex":
            return value.is_complex()
        return value.dtype == torch.bool if self.kind == "bool" else value.dtype in (torch.int64, torch.int32)

    def sample(self, shape: tuple[int, ...], generator: Generator | None, device: torch.device) -> Tensor:
        """Uniform numbers of this part; a real part without a limit is drawn from ``low`` to ``low + 1``."""
        if self.kind == "choice":
            assert self.n is not None
            return torch.randint(self.first, self.first + self.n, shape, generator=generator).to(device)
        if self.kind == "bool":
            return (torch.rand(shape, generator=generator) < 0.5).to(device)
        high = self.low + 1 if self.high is None else self.high
        return (self.low + (high - self.low) * torch.rand(shape, generator=generator)).to(device)


def float_max(value: Tensor) -> float:
    """Largest finite number of a tensor's dtype: infinity is above it."""
    return (
        torch.finfo(value.dtype).max
        if value.is_floating_point() or value.is_complex()
        else float(torch.iinfo(value.dtype).max)
    )


def attribute(action: Any, name: str) -> Any:
    """Attribute of an action, ``None`` where it has none of that name."""
    return getattr(action, name, None)


@dataclass(frozen=True)
class ActionSpec(Generic[A]):
    """The actions of an environment.

    Args:
        fields: tensors of the action, as :meth:`check` wants them.
        parts: what is chosen freely and makes an action; the adapters' arrays are these. Often the same as the fields.
        sizes: value of each symbol in the shapes.
        build: action of the parts' tensors.
        get: value of a field of an action; by default the attribute of that name.
        device: where actions are.
    """

    fields: tuple[Part, ...]
    parts: tuple[Part, ...]
    sizes: Sizes
    build: Callable[[Mapping[str, Tensor]], A]
    get: Callable[[A, str], Any] = field(default=attribute)
    device: torch.device = torch.device("cpu")

    @property
    def agents(self) -> int:
        """Number of agents: stations."""
        return self.sizes["N"]

    def shape(self, part: Part) -> tuple[int, ...]:
        """Shape of a part for all networks."""
        return part.sizes(self.sizes)

    @cached_property
    def _field_shapes(self) -> tuple[tuple[Part, tuple[int, ...]], ...]:
        return tuple((part, self.shape(part)) for part in self.fields)

    def check(self, action: A) -> None:
        """Refuse a malformed action; a well-formed one that the rules do not allow is the environment's to resolve.

        Raises:
            ValueError: a field that is missing or of another shape, dtype or range, or not finite.
        """
        for part, shape in self._field_shapes:
            value = self.get(action, part.name)
            if value is not None or not part.optional:
                part.check(value, shape)

    def sample(self, generator: Generator | None = None) -> A:
        """A random action, masks apart."""
        return self.build({part.name: part.sample(self.shape(part), generator, self.device) for part in self.parts})

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> A:
        """Action of the parts as arrays.

        Raises:
            ValueError: a part that is missing, or of another shape or range.
        """
        tensors = {}
        for part in self.parts:
            if part.name not in arrays:
                raise ValueError(f"action.{part.name}: got nothing, expected an array of shape {self.shape(part)}")
            value = torch.as_tensor(np.asarray(arrays[part.name]), device=self.device)
            value = value.long() if part.kind == "choice" and not value.is_floating_point() else value
            part.check(value, self.shape(part))
            tensors[part.name] = value
        return self.build(tensors)
