"""Frozen dataclasses as plain dictionaries, lists and numbers, and back, with complaints that name the field."""

import dataclasses
import types
import typing
from typing import Any, Literal, TypeVar

T = TypeVar("T")


def changed(values: Any) -> Any:
    """Plain form of the fields of a dataclass that have other values than by default."""
    if isinstance(values, tuple):
        return [changed(value) for value in values]
    if not dataclasses.is_dataclass(values):
        return values
    kind: Any = type(values)
    blank = kind()
    held = {f.name: getattr(values, f.name) for f in dataclasses.fields(values)}
    return {name: changed(value) for name, value in held.items() if value != getattr(blank, name)}


def build(kind: type[T], values: Any, where: str) -> T:
    """A dataclass from plain values.

    Args:
        kind: the dataclass.
        values: a mapping of its fields; missing ones take their defaults.
        where: its place, for complaints.

    Raises:
        ValueError: no mapping, an unknown field, or a value of another type.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}: got {type(values).__name__}, expected a mapping")
    hints = typing.get_type_hints(kind)
    unknown = sorted(map(str, set(values) - set(hints)))
    if unknown:
        raise ValueError(f"{where}.{unknown[0]}: got an unknown field, expected one of {', '.join(hints)}")
    return kind(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, where)
    if origin is types.UnionType:
        return None if value is None else _convert(args[0], value, where)
    if origin is tuple and args == (float, ...) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return (float(value),)
    if origin is tuple and isinstance(value, (list, tuple)):
        if args[-1] is Ellipsis:
            return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(value) == len(args):
            return tuple(
                _convert(h, item, f"{where}[{i}]") for i, (h, item) in enumerate(zip(args, value, strict=True))
            )
    if origin is Literal and value in args:
        return value
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    if origin is tuple:
        word = (
            {float: "a number or a list of numbers"}.get(args[0], "a list")
            if args[-1] is Ellipsis
            else f"{len(args)} values"
        )
        raise ValueError(f"{where}: got {value!r}, expected {word}")
    expected = " or ".join(map(repr, args)) if origin is Literal else getattr(hint, "__name__", str(hint))
    raise ValueError(f"{where}: got {value!r}, expected {expected}")
