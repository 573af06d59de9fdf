"""95% intervals over training seeds and networks together, for learned methods and rules alike.

A method's values are a table ``[S, K]`` of S training seeds (one for a rule) and K networks, the same networks for all methods:
y = mean + seed effect + network effect + residual. The variance of its mean, var(seeds) / S + var(networks) / K + var(residual) /
(S K), is estimated without bias by (MS_S + MS_K - MS_E) / (S K) of the two-way analysis of variance; Satterthwaite's
approximation (Biometrics Bulletin 2, 1946) gives the degrees of freedom of t. Effects of networks are common to the methods, so
that differences are paired; those of training seeds are not, and add.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Table = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval.

    Args:
        value: estimate.
        low: lower end; NaN where a single value tells nothing of its spread.
        high: upper end.
        seeds: training seeds of the method, one for a rule.
        networks: networks.
    """

    value: float
    low: float
    high: float
    seeds: int
    networks: int

    @property
    def half(self) -> float:
        """Half of its width; NaN without ends."""
        return (self.high - self.low) / 2

    def scaled(self, factor: float) -> "Interval":
        """In another unit."""
        low, high = sorted((factor * self.low, factor * self.high))
        return Interval(factor * self.value, low, high, self.seeds, self.networks)

    def text(self, form: str = ".4g", half: str = ".2g") -> str:
        """Estimate and half of the width, by format specifications; a dash where there is no estimate."""
        if not np.isfinite(self.value):
            return "-"
        return f"{self.value:{form}}" + (f" ±{self.half:{half}}" if np.isfinite(self.half) else "")


@dataclass(frozen=True)
class _Part:
    """An independent part of the variance of an estimate.

    Args:
        variance: what it adds to the variance.
        spread: sum of its squared mean squares, each over its degrees of freedom, for Satterthwaite's formula.
    """

    variance: float
    spread: float


def mean(values: Table) -> Interval:
    """Mean of a method's values ``[S, K]``."""
    return _combination(float(values.mean()), [(1.0, values)])


def difference(method: Table, reference: Table) -> Interval:
    """Difference of the means, ``[S, K]`` less ``[R, K]`` on the same networks; seeds of the two are independent.

    Of a method less itself it is exactly zero, whatever the number of seeds.
    """
    return _combination(float(method.mean() - reference.mean()), [(1.0, method), (-1.0, reference)])


def pairwise(values: Table) -> Interval:
    """Mean of what compares each of a method's seeds with each of a reference's on every network ``[S, R, K]``."""
    parts = [_seed_part(1.0, values.mean(1)), _seed_part(1.0, values.mean(0))]
    return _interval(float(values.mean()), values.mean((0, 1)), parts, values.shape[0])


def ratio(method: Table, reference: Table) -> Interval:
    """Ratio of the means, ``[S, K]`` over ``[R, K]`` on the same networks, by the delta method.

    Each network's residual is divided by one less its share of the reference's mean (HC3; MacKinnon and White 1985), and the
    degrees of freedom count networks by these shares (Kish's effective number): few networks of which one is far larger than the
    others tell little. Of a method over itself it is exactly one.
    """
    low = np.zeros((1, method.shape[1]))
    return share(method, low, reference)


def share(method: Table, low: Table, high: Table) -> Interval:
    """Share that a method takes of the room between two others: (method - low) / (high - low) of their means."""
    room = float(high.mean() - low.mean())
    if _same(method, high):
        return Interval(1.0, 1.0, 1.0, len(method), method.shape[1])
    if room == 0 or not np.isfinite(room):
        return Interval(*3 * (float("nan"),), len(method), method.shape[1])
    part = float(method.mean() - low.mean()) / room
    terms = [(1 / room, method), ((part - 1) / room, low), (-part / room, high)]
    return _combination(part, terms, (high.mean(0) - low.mean(0)) / room / method.shape[1])


def _combination(value: float, terms: Sequence[tuple[float, Table]], weight: Table | None = None) -> Interval:
    """Interval of a sum of tables' means, each times a factor; a table that comes twice is one."""
    kept: list[tuple[float, Table]] = []
    for factor, table in terms:
        place = next((i for i, (_, other) in enumerate(kept) if _same(table, other)), None)
        if place is None:
            kept.append((factor, table))
        else:
            kept[place] = (kept[place][0] + factor, table)
    each = np.sum([factor * table.mean(0) for factor, table in kept], 0)
    return _interval(value, each, [_seed_part(*term) for term in kept], len(terms[0][1]), weight)


def _interval(
    value: float, each: Table, seeds: Sequence[_Part | None], count: int, weight: Table | None = None
) -> Interval:
    """Interval from the networks' values ``[K]``, and from what training seeds add."""
    parts = [part for part in (_network_part(each, weight), *seeds) if part is not None]
    variance = sum(part.variance for part in parts)
    spread = sum(part.spread for part in parts)
    if not parts or not np.isfinite(variance):
        return Interval(value, float("nan"), float("nan"), count, len(each))
    half = float(stdtrit(max(variance**2 / spread, 1.0), (1 + LEVEL) / 2) * variance**0.5) if variance else 0.0
    return Interval(value, value - half, value + half, count, len(each))


def _network_part(each: Table, weight: Table | None) -> _Part | None:
    """Variance of a mean over networks ``[K]``: MS_K / (S K), which holds the residual's part, too.

    With weights, which add up to one, each is a residual of a ratio, whose mean is zero.
    """
    networks = len(each)
    if networks < 2:
        return None
    if weight is None:
        variance, freedom = float(each.var(ddof=1)) / networks, networks - 1.0
    else:
        leverage = np.clip(weight, 0.0, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = float(np.square(np.where(each == 0, 0.0, each / (1 - leverage))).sum()) / networks**2
        freedom = float(np.clip(1 / np.square(weight).sum() - 1, 1.0, networks - 1.0))
    return _Part(variance, variance**2 / freedom)


def _seed_part(factor: float, table: Table) -> _Part | None:
    """What training seeds add to the variance of a mean ``[S, K]``: (MS_S - MS_E) / (S K); none where that is negative."""
    seeds, networks = table.shape
    if seeds < 2 or factor == 0:
        return None
    by_seed = float(factor**2 * table.mean(1).var(ddof=1)) / seeds  # MS_S / (S K)
    if networks < 2:
        return _Part(by_seed, by_seed**2 / (seeds - 1))
    residual = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    freedom = (seeds - 1) * (networks - 1)
    noise = factor**2 * float(np.square(residual).sum()) / freedom / (seeds * networks)
    if by_seed <= noise:
        return None
    return _Part(by_seed - noise, by_seed**2 / (seeds - 1) + noise**2 / freedom)


def _same(one: Table, other: Table) -> bool:
    return one is other or (one.shape == other.shape and bool(np.array_equal(one, other)))
