"""Frozen dataclasses as plain dictionaries, lists and numbers, and back, with complaints that name the field."""

import dataclasses
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

T = TypeVar("T")
Scalar: TypeAlias = bool | int | float | str
Pairs: TypeAlias = tuple[tuple[str, Scalar], ...]  # a mapping, kept as pairs so that a dataclass stays frozen


def plain(values: Any) -> Any:
    """Dictionaries, lists and numbers of a dataclass."""
    if isinstance(values, tuple):
        return list(values) if _are_floats(values) else [plain(value) for value in values]
    if not dataclasses.is_dataclass(values):
        return values
    hints = typing.get_type_hints(type(values))
    own = {f.name: getattr(values, f.name) for f in dataclasses.fields(values)}
    return {name: dict(value) if hints[name] == Pairs else plain(value) for name, value in own.items()}


def _are_floats(values: Sequence[Any]) -> bool:
    """Whether all are, as in long lists, which are then taken as they are."""
    return set(map(type, values)) == {float}


def changed(values: Any) -> Any:
    """Plain form of the fields of a dataclass that have other values than by default.

    A field of several types says which one it has by its ``kind``, where that is not the default's.
    """
    if isinstance(values, tuple):
        return list(values) if _are_floats(values) else [changed(value) for value in values]
    if not dataclasses.is_dataclass(values):
        return values
    kind: Any = type(values)
    blank, out = kind(), {}
    for field in dataclasses.fields(values):
        value, default = getattr(values, field.name), getattr(blank, field.name)
        if value != default:
            out[field.name] = changed(value)
            if type(value) is not type(default) and hasattr(value, "kind"):
                out[field.name] = {"kind": value.kind, **out[field.name]}
    return out


def build(kind: type[T], values: Any, where: str) -> T:
    """A dataclass from plain values.

    Args:
        kind: the dataclass.
        values: a mapping of its fields; missing ones take their defaults.
        where: its place, for complaints.

    Raises:
        ValueError: no mapping, an unknown field, a missing one without a default, or a value of another type.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}: got {type(values).__name__}, expected a mapping")
    hints = typing.get_type_hints(kind)
    unknown = sorted(map(str, set(values) - set(hints)))
    if unknown:
        raise ValueError(f"{where}.{unknown[0]}: got an unknown field, expected one of {', '.join(hints)}")
    for field in dataclasses.fields(typing.cast("type[Any]", kind)):
        if field.name not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where}.{field.name}: got none, expected one")
    return kind(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, where)
    if hint == Pairs:
        return _pairs(value, where)
    if origin is types.UnionType or origin is typing.Union:
        if value is None and types.NoneType in args:
            return None
        return _convert(_chosen([arg for arg in args if arg is not types.NoneType], value, where), value, where)
    if origin is tuple and args == (float, ...) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return (float(value),)
    if origin is tuple and isinstance(value, (list, tuple)):
        if args == (float, ...) and _are_floats(value):
            return tuple(value)
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


def _pairs(value: Any, where: str) -> Pairs:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: got {value!r}, expected a mapping")
    for name, item in value.items():
        if type(name) is not str or type(item) not in typing.get_args(Scalar):
            raise ValueError(f"{where}.{name}: got {item!r}, expected a number, a text or a flag")
    return tuple(sorted(value.items()))


def _chosen(kinds: list[Any], value: Any, where: str) -> Any:
    """Which of several dataclasses a mapping is, by its ``kind``; one whose ``kind`` is any text comes last."""
    if len(kinds) == 1:
        return kinds[0]
    if not isinstance(value, dict):
        raise ValueError(f"{where}: got {value!r}, expected a mapping")
    hints = {kind: typing.get_type_hints(kind)["kind"] for kind in kinds}
    names = [name for hint in hints.values() for name in typing.get_args(hint)]
    name = value.get("kind")
    for kind, hint in hints.items():
        if name in typing.get_args(hint) or (hint is str and isinstance(name, str) and name not in names):
            return kind
    got = repr(name) if "kind" in value else "nothing"
    raise ValueError(f"{where}.kind: got {got}, expected one of {', '.join(names)}")
