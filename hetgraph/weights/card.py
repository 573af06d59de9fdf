"""Model cards: what a shipped model is, how it was made, how well it does, what it is not for, and how to check it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from hetgraph.field_types import check_types, require
from hetgraph.kpi_table import indicator
from hetgraph.serialization import Pairs, build
from hetgraph.weights.shipped import CARD, FOLDER

MOST_BYTES = 1 << 20  # of a card
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Training:
    """How a model was made.

    Args:
        scenario: networks that it was trained on.
        seeds: of layouts and of training.
        configuration: shipped configuration, or what else says all options.
        command: that trains it.
    """

    scenario: str
    seeds: str
    configuration: str
    command: str


@dataclass(frozen=True)
class Figure:
    """A measured value with its interval of 95%, in the indicator's unit.

    Args:
        metric: name of an indicator, see :mod:`hetgraph.kpi_table`.
        value: estimate.
        low: lower end of its interval.
        high: upper end.
        against: policy that it is compared with, or that was measured beside it.
        networks: how many, of which scenario, and how many training seeds.
        command: that measures it.
        date: when it was measured, YYYY-MM-DD.
    """

    metric: str
    value: float
    low: float
    high: float
    against: str
    networks: str
    command: str
    date: str

    @property
    def text(self) -> str:
        """Value and interval in the shown unit."""
        kpi = indicator(self.metric)
        value, low, high = (f"{kpi.scale * number:.4g}" for number in (self.value, self.low, self.high))
        return f"{kpi.heading}: {value} ({low} to {high}), against {self.against}"


@dataclass(frozen=True)
class Check:
    """A comparison that tells whether the model decides here as it did where it was made.

    Args:
        scenario: preset of the networks.
        layouts: their number.
        seed: of the networks.
        kpi: indicator.
        value: its mean over the networks.
        tolerance: largest relative deviation.
        seconds: that it took, without the start of Python.
        options: further options of the task's ``hetgraph compare``.
    """

    scenario: str
    layouts: int
    seed: int
    kpi: str
    value: float
    tolerance: float
    seconds: float
    options: Pairs = ()

    @property
    def arguments(self) -> list[str]:
        """Its networks as options of ``hetgraph compare TASK``."""
        all_options = {"scenario": self.scenario, "layouts": self.layouts, "seed": self.seed, **dict(self.options)}
        out = list[str]()
        for name, value in all_options.items():
            if value is not False:
                out += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return out

    def holds(self, value: float) -> bool:
        """Whether a measured value is as expected."""
        return abs(value - self.value) <= self.tolerance * abs(self.value)


@dataclass(frozen=True)
class Weights:
    """The file that a card is of.

    Args:
        sha256: digest of the file's bytes.
        size_bytes: their number.
        parameters: numbers in the model.
    """

    sha256: str
    size_bytes: int
    parameters: int


@dataclass(frozen=True)
class Card:
    """What a shipped model is.

    Args:
        name: that :func:`hetgraph.load` takes.
        system: of its file.
        task: of its file.
        summary: what it is, a sentence.
        training: how it was made.
        figures: measured values, the headline first.
        limits: where it does worse, or was not tried.
        out_of_scope: what it is not for.
        licence: of the weights, an SPDX identifier.
        version: of hetgraph that wrote the weights.
        commit: of the project's repository, where it was known.
        weights: the file.
        check: how to see that it works.
    """

    name: str
    system: str
    task: str
    summary: str
    training: Training
    figures: tuple[Figure, ...]
    limits: tuple[str, ...]
    out_of_scope: tuple[str, ...]
    licence: str
    version: str
    commit: str
    weights: Weights
    check: Check

    def __post_init__(self) -> None:
        check_types(self, "card.")
        require("card.name", self.name, NAME.fullmatch(self.name) is not None, "small letters, digits and hyphens")
        for where, texts in _texts(self).items():
            require(where, texts, bool(texts) and all(text.strip() for text in texts), "a text")
        require("card.figures", self.figures, bool(self.figures), "at least one")
        for number, figure in enumerate(self.figures):
            where = f"card.figures[{number}]"
            _known(f"{where}.metric", figure.metric)
            require(
                f"{where}.value", figure.value, figure.low <= figure.value <= figure.high, "one within its interval"
            )
            require(f"{where}.date", figure.date, _is_date(figure.date), "a date such as 2026-01-31")
        _known("card.check.kpi", self.check.kpi)
        require("card.check.layouts", self.check.layouts, self.check.layouts >= 1, "1 or more")
        tolerance = self.check.tolerance
        require("card.check.tolerance", tolerance, 0 < tolerance <= 0.1, "a number above 0 and at most 0.1")

    @property
    def headline(self) -> str:
        """The first of its figures."""
        return self.figures[0].text

    @property
    def parts(self) -> dict[str, Sequence[str]]:
        """All that the card says, as lines below headings; the first heading is the title."""
        check, weights = self.check, self.weights
        command = f"hetgraph compare {self.task} --policies {self.name} {' '.join(check.arguments)}"
        kpi = indicator(check.kpi)
        commit = f", commit {self.commit[:12]}" if self.commit else ""
        return {
            f"{self.name}: {self.system}, task {self.task}": [
                self.summary,
                f"{weights.parameters} parameters, {weights.size_bytes} bytes, SHA-256 {weights.sha256}",
                f"licence {self.licence}; written by hetgraph {self.version}{commit}",
            ],
            "training": [f"{name}: {text}" for name, text in vars(self.training).items()],
            "figures, with 95% intervals": [
                f"{each.text}; {each.networks}; {each.date}; {each.command}" for each in self.figures
            ],
            "limits": self.limits,
            "out of scope": self.out_of_scope,
            "check": [
                command,
                f"{kpi.heading}: {kpi.scale * check.value:.6g}, within {check.tolerance:g} of it, in {check.seconds:.1f} s",
            ],
        }


def _texts(card: Card) -> dict[str, tuple[str, ...]]:
    """All that must not be empty."""
    own: dict[str, tuple[str, ...]] = {}
    own |= {f"card.{name}": (getattr(card, name),) for name in ("summary", "licence", "version")}
    own |= {f"card.{name}": getattr(card, name) for name in ("limits", "out_of_scope")}
    own |= {f"card.training.{name}": (value,) for name, value in vars(card.training).items()}
    for number, figure in enumerate(card.figures):
        for name in ("against", "networks", "command"):
            own[f"card.figures[{number}].{name}"] = (getattr(figure, name),)
    return own | {"card.check.scenario": (card.check.scenario,)}


def _known(where: str, metric: str) -> None:
    try:
        indicator(metric)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def read_fields(path: str | Path) -> dict[str, Any]:
    """Fields of a card as they stand in a file, YAML or JSON, not looked at yet.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: got no such file, expected a model card")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: got {path.stat().st_size} bytes, expected at most {MOST_BYTES}")
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        plain = json.loads(json.dumps(fields, default=str))  # YAML makes dates of what looks like one
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, RecursionError):
        raise ValueError(f"{path}: got a file that is no YAML, expected a model card") from None
    if not isinstance(plain, dict):
        raise ValueError(f"{path}: got {type(plain).__name__}, expected a mapping of the fields of a model card")
    return plain


def card_of(name: str) -> Card:
    """Card of a shipped model.

    Raises:
        FileNotFoundError: an unknown name.
        ValueError: a card that lacks something, or is of another model.
    """
    path = FOLDER / f"{name}{CARD}"
    card = build(Card, read_fields(path), "card")
    require(f"{path}: card.name", card.name, card.name == name, f"{name!r}, that of the file")
    return card
