"""Paired intervals: the unit is the training seed where there are several, the layout otherwise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """Mean with a 95% t-interval.

    Args:
        mean: estimate.
        low: lower end.
        high: upper end.
        unit: ``seeds`` or ``layouts``.
        count: how many of them.
    """

    mean: float
    low: float
    high: float
    unit: str
    count: int

    def __str__(self) -> str:
        if not np.isfinite(self.low):
            return f"{self.mean:.4g}"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


def t_interval(values: NDArray[np.float64], unit: str) -> Interval:
    """95% t-interval of the mean of independent values; without ends for fewer than two."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Interval(mean, float("nan"), float("nan"), unit, count)
    half = float(stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return Interval(mean, mean - half, mean + half, unit, count)


def paired_difference(method: NDArray[np.float64], reference: NDArray[np.float64]) -> Interval:
    """Mean difference over common layouts, ``[S, L]`` against ``[L]``.

    With several training seeds S the interval is over the seeds' means; with one it is over the layouts' differences.
    """
    difference = method - reference[None]
    if len(method) > 1:
        return t_interval(difference.mean(1), "seeds")
    return t_interval(difference[0], "layouts")


def ratio_of_means(method: NDArray[np.float64], reference: NDArray[np.float64]) -> Interval:
    """Ratio of the means over common layouts, ``[S, L]`` against ``[L]``; over layouts by the delta method."""
    base = float(reference.mean())
    if base == 0:
        return Interval(float("nan"), float("nan"), float("nan"), "layouts", method.shape[1])
    if len(method) > 1:
        return t_interval(method.mean(1) / base, "seeds")
    ratio = float(method[0].mean()) / base
    residual = (method[0] - ratio * reference) / base  # its mean is zero, its spread that of the ratio
    spread = t_interval(residual, "layouts")
    return Interval(ratio, ratio + spread.low, ratio + spread.high, "layouts", spread.count)
