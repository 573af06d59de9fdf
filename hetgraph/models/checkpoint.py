"""Trained models as files: saved with what builds them, loaded by what the file says it is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from hetgraph.graph.schema import SCHEMA_VERSION
from hetgraph.models.weights import Header, read_weights, write_weights
from hetgraph.plugins import plugin, plugin_names
from hetgraph.weights.shipped import weights_path

GROUP = "hetgraph.systems"  # entry points: name of a system -> class of its model
MODEL = "model."  # prefix of the model's tensors; others belong to its training
LEAST_BOUND = 4096  # an integer option may be as large as this, or as the largest dimension of a tensor
MOST_PARAMETERS = 4  # that building a model makes for each tensor of its file: some are replaced on the way
_REGISTERED: dict[str, type[nn.Module]] = {}

M = TypeVar("M", bound=type[nn.Module])


def register(cls: M) -> M:
    """Class decorator: make a model of one's own known by its ``name``, where no installed package registers it.

    Models of installed packages are found by the entry-point group ``hetgraph.systems`` and need no call.

    Args:
        cls: a model with class attributes ``name`` and ``task``, and with ``options``, see
            :func:`~hetgraph.models.options.keep_options`.

    Raises:
        ValueError: a class without them, or another one of that name.
    """
    for attribute in ("name", "task"):
        if not isinstance(getattr(cls, attribute, None), str):
            raise ValueError(f"{cls.__name__}.{attribute}: got none, expected a text")
    name: str = cls.name  # type: ignore[attr-defined]
    if _REGISTERED.setdefault(name, cls) is not cls:
        raise ValueError(f"{cls.__name__}.name: got {name!r}, which {_REGISTERED[name].__name__} has already")
    return cls


def systems() -> list[str]:
    """Names of all systems of which :func:`load` takes files."""
    return sorted({*plugin_names(GROUP), *_REGISTERED})


def system_class(name: str) -> type[nn.Module]:
    """Class of a system's model.

    Raises:
        ValueError: an unknown name.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    cls: type[nn.Module] = plugin("system", name, GROUP, others="".join(f", {own}" for own in sorted(_REGISTERED)))
    return cls


def save(model: nn.Module, path: str | Path, *, state: Mapping[str, Tensor] | None = None, **about: Any) -> Path:
    """Write a model's weights with what builds it.

    Args:
        model: a model of a system; see :func:`register` for those of one's own.
        path: file to write.
        state: tensors of the module that trains it, the model's own under ``model.``, others to go on from: critics, scales;
            ``None`` for those of the model alone.
        about: ``scenario``, ``training`` and ``commit`` of :class:`~hetgraph.models.weights.Header`.

    Raises:
        ValueError: a model without a system, or with weights that are not finite.

    Example:
        >>> path = save(HetGNN(hidden=8, rounds=1), Path(tempfile.mkdtemp()) / "best.ckpt")
        >>> model = load(path)
        >>> type(model).__name__, model.task
        ('HetGNN', 'snapshot')
    """
    for attribute in ("name", "task", "options"):
        if not hasattr(model, attribute):
            raise ValueError(
                f"{type(model).__name__}.{attribute}: got none, expected one; see hetgraph.models.register"
            )
    header = Header(
        system=str(model.name),
        task=str(model.task),
        options=dict(model.options),  # type: ignore[arg-type]
        schema_version=SCHEMA_VERSION,
        columns=_columns(model),
        version=version("hetgraph"),
        **about,
    )
    if state is None:
        state = {MODEL + name: value for name, value in model.state_dict().items()}
    return write_weights(path, header, state)


def load(path: str | PathLike[str]) -> Any:
    """Trained model of a file, ready to decide: a :class:`~hetgraph.radio.Policy`.

    The file says which system it is of; nothing of it is executed, and no class or module that it names is imported.

    Args:
        path: file of ``hetgraph fit``, ``hetgraph finetune`` or :func:`save`, name of a shipped model, or
            ``hf://owner/repo/file``, see :func:`~hetgraph.weights.shipped.weights_path`.

    Raises:
        FileNotFoundError: no such file, and no such name.
        ValueError: a file that hetgraph did not write, a damaged one, one of an unknown system, or one whose weights are not
            finite or not those of its options.
    """
    path = weights_path(path)
    return build(path, *read_weights(path)).eval()


def fill(model: nn.Module, path: str | PathLike[str]) -> None:
    """Copy a file's weights into a model that may differ from the file's in options without weights: numbers of rounds, say.

    Raises:
        FileNotFoundError: no such file, and no such name of a shipped model.
        ValueError: a file that :func:`load` refuses, or weights of other shapes.
    """
    path = weights_path(path)
    _, tensors = read_weights(path)
    state = {name.removeprefix(MODEL): value for name, value in tensors.items() if name.startswith(MODEL)}
    _check_shapes(path, model, state)
    model.load_state_dict(state)


def options_of(header: Header) -> dict[str, Any]:
    """Options of a checkpoint's model; those that came after it was written are what they were then, ``cls.BEFORE``."""
    return {**getattr(system_class(header.system), "BEFORE", {}), **header.options}


def build(path: str | Path, header: Header, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Model of a file's content."""
    if header.schema_version != SCHEMA_VERSION:
        raise ValueError(f"{path}: got weights for graphs of schema {header.schema_version}, expected {SCHEMA_VERSION}")
    try:
        cls = system_class(header.system)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    state = {name.removeprefix(MODEL): value for name, value in tensors.items() if name.startswith(MODEL)}
    _check_sizes(path, header.options, state)
    try:
        # Nothing is allocated, and no more layers are made, before sizes are known to be those of the file.
        with torch.device("meta"), _at_most(MOST_PARAMETERS * (len(state) + 1)):
            plan = cls(**options_of(header))
    except Exception as error:
        raise ValueError(f"{path}: got options that {header.system} does not take: {_first_line(error)}") from None
    _check_shapes(path, plan, state)
    with torch.random.fork_rng(devices=[]):  # first weights that are written over; nobody's random numbers change
        model = cls(**options_of(header))
    model.load_state_dict(state)
    return model


@contextmanager
def _at_most(most: int) -> Iterator[None]:
    """Stop the building of a model that has more parameters: thousands of layers take minutes even where they take no memory."""
    count = 0

    def counted(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal count
        count += 1
        if count > most:
            raise ValueError(f"got more than {most} parameters, expected those of the file")

    handle = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()


def _check_sizes(path: str | Path, options: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """An integer option counts tensors or rows of them: one that is larger is no model's, and would take for ever to build."""
    most = max([LEAST_BOUND, *(max(value.shape, default=0) for value in state.values())])
    for name, value in options.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and abs(number) > most:
                raise ValueError(f"{path}: got {name} {number}, expected at most {most} with weights of such sizes")


def _check_shapes(path: str | Path, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    own = model.state_dict()
    for name, value in own.items():
        got = tuple(state[name].shape) if name in state else None
        if got != tuple(value.shape):
            raise ValueError(f"{path}: got {name} {got or 'nowhere'}, expected {tuple(value.shape)}: another model")
        if state[name].dtype != value.dtype:
            raise ValueError(f"{path}: got {name} of {state[name].dtype}, expected {value.dtype}: another model")
    extra = sorted(set(state) - set(own))
    if extra:
        raise ValueError(f"{path}: got weights {extra[0]!r} that the model lacks: another model")


def _columns(model: nn.Module) -> dict[str, list[str]]:
    """Columns of all stores that the encoders inside a model read."""
    columns: dict[str, list[str]] = {}
    for module in model.modules():
        for store, names in getattr(module, "columns", {}).items():
            key = store if isinstance(store, str) else "/".join(store)
            columns[key] = sorted({*columns.get(key, ()), *names})
    return columns


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0] if text else type(error).__name__
