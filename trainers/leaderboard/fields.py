"""Fields of a YAML file, each read once and refused in one sentence."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hetgraph.files import read_file

MOST_BYTES = 1 << 15  # of an entry's YAML
MOST_TEXT = 4000  # characters of a field
MOST_INTEGER = 1 << 63
_MOST_SHOWN = 80  # characters of a value in an error
MOST_DEPTH = 8  # of nesting: an entry has three
_FLOWS = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
_BEGINS = (yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken, *_FLOWS)
_ENDS = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class Fields:
    """What is left to read of a mapping.

    Args:
        file: name for errors.
        values: the mapping.
        prefix: where the mapping is in the file.
    """

    def __init__(self, file: str, values: Mapping[str, Any], prefix: str = "") -> None:
        self.file, self.prefix, self.values = file, prefix, dict(values)

    def error(self, name: str, got: Any, expected: str) -> ValueError:
        """What is wrong with a field."""
        try:
            shown = repr(got)
        except ValueError:  # of an integer with thousands of digits
            shown = "a number"
        shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."
        return ValueError(f"{self.file}: {self.prefix}{name}: got {shown}, expected {expected}")

    def take(self, name: str, expected: str) -> Any:
        """Value of a field.

        Raises:
            ValueError: none.
        """
        if name not in self.values:
            raise ValueError(f"{self.file}: {self.prefix}{name}: got no such field, expected {expected}")
        return self.values.pop(name)

    def text(self, name: str, choices: Sequence[str] = ()) -> str:
        """A text, one of ``choices`` where there are any."""
        expected = f"one of {', '.join(choices)}" if choices else "a text"
        value = self.take(name, expected)
        if not isinstance(value, str) or not value or len(value) > MOST_TEXT or (choices and value not in choices):
            raise self.error(name, value, expected)
        return value

    def optional(self, name: str) -> str | None:
        """A text or nothing."""
        if self.values.get(name) is None:
            self.values.pop(name, None)
            return None
        return self.text(name)

    def integer(self, name: str, least: int) -> int:
        """A whole number from ``least`` that 64 bits hold."""
        value = self.take(name, f"a whole number from {least}")
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < MOST_INTEGER:
            raise self.error(name, value, f"a whole number from {least}")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.take(name, "a finite number")
        if not isinstance(value, int | float) or isinstance(value, bool) or not _finite(value):
            raise self.error(name, value, "a finite number")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.take(name, "a list of texts")
        if not isinstance(value, list) or any(not isinstance(each, str) or len(each) > MOST_TEXT for each in value):
            raise self.error(name, value, "a list of texts")
        return tuple(value)

    def mapping(self, name: str, kinds: tuple[type, ...]) -> dict[str, Any]:
        """A mapping of names to values of some types, numbers finite."""
        value = self.take(name, "a mapping")
        if not isinstance(value, dict):
            raise self.error(name, value, "a mapping")
        for key, each in value.items():
            fits = isinstance(each, kinds) and (bool in kinds or not isinstance(each, bool))
            if not isinstance(key, str) or not fits or (isinstance(each, int | float) and not _finite(each)):
                raise self.error(f"{name}.{key}", each, " or ".join(kind.__name__ for kind in kinds))
        return value

    def inner(self, name: str) -> "Fields":
        """Fields of a mapping in the mapping."""
        value = self.take(name, "a mapping")
        if not isinstance(value, dict) or any(not isinstance(key, str) for key in value):
            raise self.error(name, value, "a mapping")
        return Fields(self.file, value, f"{self.prefix}{name}.")

    def nothing_else(self) -> None:
        """Refuse fields that nobody read.

        Raises:
            ValueError: such a field.
        """
        for name, value in self.values.items():
            raise self.error(str(name), value, "no such field")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond floating point
        return False


def read_yaml(path: Path) -> dict[str, Any]:
    """Mapping of a YAML file of bounded size; links are not followed.

    Raises:
        ValueError: something else.
    """
    content = read_file(path, MOST_BYTES)
    if content is None:
        raise ValueError(f"{path}: got no regular file of at most {MOST_BYTES} bytes, expected an entry's YAML")
    return parse_yaml(str(path), content)


def parse_yaml(file: str, content: bytes) -> dict[str, Any]:
    """Mapping of a YAML file's content; aliases and tags are refused, nothing is executed.

    Raises:
        ValueError: something else.
    """
    try:
        text = content.decode()
        _check_tokens(text)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        raise ValueError(f"{file}: got a file that cannot be read, expected an entry's YAML") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file}: got {type(values).__name__}, expected the fields of an entry")
    return values


def _check_tokens(text: str) -> None:
    """Refuse what no entry has before it is put together: aliases and tags, and nesting, whose time grows with its square.

    Raises:
        ValueError: any of these.
    """
    depth = 0
    for token in yaml.scan(text):
        depth += isinstance(token, _BEGINS) - isinstance(token, _ENDS)
        if isinstance(token, yaml.AliasToken | yaml.TagToken) or depth > MOST_DEPTH:
            raise ValueError("an alias, a tag, or too many levels")
