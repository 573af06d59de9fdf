"""Types of the fields of dataclasses, and what to say of a value that does not fit."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

from hetgraph.serialization import Pairs, Scalar


def positive(where: str, values: Any, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        require(f"{where}.{name}", value, value > 0, "a positive number")


def not_negative(where: str, values: Any, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        require(f"{where}.{name}", value, value >= 0, "0 or more")


def require(name: str, value: Any, valid: bool, expected: str) -> None:
    if not valid:
        raise ValueError(f"{name}: got {value!r}, expected {expected}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def check_types(values: Any, where: str) -> None:
    for name, hint in _hints(values.__class__).items():
        for place, value, expected in _leaves(getattr(values, name), hint, f"{where}{name}"):
            if dataclasses.is_dataclass(value):
                require(place, value, isinstance(value, expected), _name_of(expected))
                check_types(value, f"{place}.")
            else:
                _check_leaf(place, value, expected)


def _leaves(value: Any, hint: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Values within tuples, each with its place and type; of optional ones those that are there."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint == Pairs:
        fits = isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
        require(where, value, fits, "a mapping")
        for name, item in value:
            scalar = type(name) is str and type(item) in typing.get_args(Scalar)
            require(f"{where}.{name}", item, scalar, "a number, a text or a flag")
    elif origin is types.UnionType or origin is typing.Union:
        kinds = tuple(arg for arg in args if arg is not types.NoneType)
        if value is None and len(kinds) < len(args):
            return
        yield from _leaves(value, kinds[0], where) if len(kinds) == 1 else ((where, value, kinds),)
    elif origin is tuple:
        many = args[-1] is Ellipsis
        fits = isinstance(value, tuple) and (many or len(value) == len(args))
        require(where, value, fits, "a tuple" if many else f"a tuple of {len(args)}")
        if many and args[0] is float and set(map(type, value)) <= {float} and all(map(math.isfinite, value)):
            return  # as maps have, which are long
        for i, item in enumerate(value):
            yield from _leaves(item, args[0] if many else args[i], f"{where}[{i}]")
    else:
        yield where, value, hint


def _check_leaf(where: str, value: Any, hint: Any) -> None:
    if typing.get_origin(hint) is Literal:
        require(where, value, value in typing.get_args(hint), " or ".join(map(repr, typing.get_args(hint))))
    elif hint is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        require(where, value, fits, "a finite number")
    else:
        require(where, value, type(value) is hint, _name_of(hint))


def _name_of(hint: Any) -> str:
    if isinstance(hint, tuple):
        return " or ".join(_name_of(kind) for kind in hint)
    return str(getattr(hint, "__name__", hint))
