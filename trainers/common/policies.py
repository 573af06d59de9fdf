"""Policies of a list on the command line: rules, checkpoints, shipped models, and a person's own."""

import glob
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hetgraph.models import load, register
from hetgraph.models.weights import Header, read_weights
from hetgraph.plugins import plugin, plugin_names
from hetgraph.radio.policy import OneShotPolicy
from hetgraph.trainers.task import Task
from hetgraph.weights.shipped import is_weights, shipped_names, weights_path


def policies_of(task: Task, text: str) -> dict[str, list[Any]]:
    """Policies of a comma-separated list, by the names of their rows.

    An entry is the name of a rule, else of a shipped model, the path of a checkpoint, ``hf://owner/repo/file``,
    ``module:attribute`` of a policy (or of a class or function without arguments that makes one, or of a function from graph to
    action) that Python can import, or ``name=path:path`` (``*`` allowed) for the training seeds of one method.

    Args:
        task: whose rules and checkpoints they are.
        text: the list.

    Raises:
        ValueError: an unknown name, a checkpoint of another task, or an object that is no policy.
        FileNotFoundError: a checkpoint that does not exist.
    """
    out: dict[str, list[Any]] = {}
    for name, part, checkpoints in _parts(task, text):
        if name in out:
            raise ValueError(f"--policies: got {name!r} twice, expected each policy once")
        if checkpoints:
            out[name] = [trained(task, path) for path in checkpoints]
        else:
            out[name] = [own(part) if ":" in part else rule(task, part)]
    return out


def checkpoints_of(task: Task, text: str) -> dict[str, list[Path]]:
    """Files of each policy of a comma-separated list, one for each training seed; none of rules and a person's own.

    Raises:
        FileNotFoundError: a checkpoint that does not exist.
    """
    return {name: [weights_path(path) for path in checkpoints] for name, _, checkpoints in _parts(task, text)}


def _parts(task: Task, text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, entry and checkpoints of each policy of a list."""
    rules = rules_of(task)
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, paths = part.partition("=")
        if paths:
            patterns = re.split(r":(?!//)", paths)  # not within hf://
            yield name, part, [path for pattern in patterns for path in sorted(glob.glob(pattern)) or [pattern]]
        elif is_weights(part) and part not in rules:
            name = part if part in shipped_names() else f"{Path(part).parent.name}/{Path(part).stem}".removeprefix("/")
            yield name, part, [part]
        else:
            yield name, part, []


def rules_of(task: Task) -> list[str]:
    """Names of a task's rules."""
    return plugin_names(task.group)


def rule(task: Task, name: str) -> Any:
    """Rule of a task by name.

    Raises:
        ValueError: an unknown name.
    """
    others = f", a shipped model ({', '.join(shipped_names())}), the path of a checkpoint, or module:attribute"
    return policy_from(plugin("policy", name, task.group, others=others), name)


def header_of(text: str | None) -> Header | None:
    """Header of the weights that a text names, see :func:`~hetgraph.weights.shipped.is_weights`; of a rule ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no checkpoint.
    """
    return read_weights(weights_path(text))[0] if text is not None and is_weights(text) else None


def trained(task: Task, path: str) -> Any:
    """Model of a checkpoint or a shipped model, of the task.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no checkpoint, or one of another task.
    """
    model = load(path)
    if model.task != task.name:
        raise ValueError(f"{path}: got a model of task {model.task}, expected one of {task.name}")
    return model


def own(text: str) -> Any:
    """A person's own policy, ``module:attribute``, from the working folder or an installed package.

    Raises:
        ValueError: nothing that can be imported, or no policy.
    """
    return policy_from(imported(text), text)


def register_models(text: str | None) -> None:
    """Make models of one's own known, ``module:attribute`` separated by commas, so that their checkpoints load.

    Raises:
        ValueError: nothing that can be imported, or no model.
    """
    for part in filter(None, (text or "").split(",")):
        model_class = imported(part.strip())
        if not isinstance(model_class, type):
            raise ValueError(f"--models: got {part!r}, which is no class, expected that of a model")
        register(model_class)


def imported(text: str) -> Any:
    """What ``module:attribute`` names.

    Raises:
        ValueError: nothing that can be imported.
    """
    name, _, attribute = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the working folder, as of `python -m`
    try:
        return getattr(importlib.import_module(name), attribute)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{text}: got nothing that can be imported ({reason}), expected module:attribute") from error


def policy_from(candidate: Any, name: str) -> Any:
    """An object as a policy: itself, what a class without arguments makes, or a function from graph to action.

    Raises:
        ValueError: something else.
    """
    if isinstance(candidate, type):
        try:
            candidate = candidate()
        except TypeError as error:
            raise ValueError(f"policy {name}: got a class that needs arguments, expected none ({error})") from None
    if hasattr(candidate, "act"):
        missing = [each for each in ("level", "initial_state") if not hasattr(candidate, each)]
        if missing:
            raise ValueError(f"policy {name}: got no {missing[0]}, expected level, initial_state and act")
        return candidate
    if not callable(candidate):
        raise ValueError(f"policy {name}: got {type(candidate).__name__}, expected a policy or a function of a graph")
    return OneShotPolicy(name, candidate)
