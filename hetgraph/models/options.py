"""Options of a model: the arguments of its constructor, kept with it, so that a checkpoint can build it again."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)
Plain = bool | int | float | str | None | list[Any] | dict[str, Any]


def keep_options(cls: type[M]) -> type[M]:
    """Class decorator: instances get ``options``, the arguments they were made with, defaults included, as plain JSON values.

    Example:
        >>> @keep_options
        ... class Net(nn.Module):
        ...     def __init__(self, hidden: int = 8) -> None:
        ...         super().__init__()
        >>> Net().options
        {'hidden': 8}
    """
    build = cls.__init__
    signature = inspect.signature(build)

    @functools.wraps(build)
    def __init__(self: M, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        if type(self) is cls:  # not where a subclass passes on arguments of its own
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            values = dict(list(bound.arguments.items())[1:])
            options: Any = {name: plain(value, name) for name, value in values.items()}
            self.options = options

    cls.__init__ = __init__  # type: ignore[assignment,method-assign]
    return cls


def plain(value: Any, name: str) -> Plain:
    """A value as JSON has it.

    Raises:
        ValueError: a value that JSON has not.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(each, name) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain(each, f"{name}.{key}") for key, each in value.items()}
    raise ValueError(f"{name}: got {type(value).__name__}, expected a number, a text, or a list or table of these")
