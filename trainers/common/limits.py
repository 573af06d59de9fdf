"""Ranges of the options of training, checked where options enter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """Range of a number.

    Args:
        low: least value.
        high: largest value.
        open_low: the least value itself is out of it.
        open_high: the largest value itself is out of it.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is in the range; one that is not finite never is."""
        low = value > self.low if self.open_low else value >= self.low
        high = value < self.high if self.open_high else value <= self.high
        return math.isfinite(value) and low and high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"a finite number {'above' if self.open_low else 'of at least'} {self.low:g}"
        low = f"above {self.low:g}" if self.open_low else f"from {self.low:g}"
        return f"a number {low} {'to below' if self.open_high else 'to'} {self.high:g}"


POSITIVE, SHARE, COUNT, NOT_NEGATIVE = Limit(0, open_low=True), Limit(0, 1), Limit(1), Limit(0)
LIMITS: dict[str, Limit] = {
    "gamma": Limit(0, 1),
    "discount": Limit(0, 1, open_high=True),
    "gap": Limit(0, 1, open_high=True),
    **dict.fromkeys(
        ("lam", "soft", "alpha", "beta", "epsilon_start", "epsilon_end", "epsilon_decay", "clip_percentile"), SHARE
    ),
    **dict.fromkeys(("lr", "clip", "max_norm", "deviation", "reward_scale", "rate_min_bps", "level_scale"), POSITIVE),
    **dict.fromkeys(
        (
            *("hidden", "layers", "heads", "colours", "epochs", "minibatches", "sequence", "target_every", "num_envs"),
            *(
                "layouts",
                "slots",
                "rollouts",
                "draws",
                "batch_size",
                "capacity",
                "n_step",
                "every",
                "episodes",
                "steps",
            ),
            *("episode_slots", "val_slots", "val_envs", "test_slots", "test_envs", "eval_slots", "networks", "cells"),
            *(
                "val_networks",
                "test_networks",
                "users",
                "neighbours",
                "taps",
                "levels",
                "mixer",
                "size",
                "train",
                "val",
            ),
        ),
        COUNT,
    ),
    **dict.fromkeys(
        (
            *(
                "entropy",
                "entropy_end",
                "value_weight",
                "lr_end",
                "hops",
                "agents",
                "rounds",
                "memory",
                "joint",
                "credit",
                "most_failures",
            ),
            *(
                "hard_every",
                "squash",
                "td_clip",
                "clip_cap",
                "warmup",
                "streams",
                "actor",
                "explore",
                "least",
                "seed",
            ),
            *(
                "horizon",
                "sigma",
                "theta",
                "spread",
                "intentions",
                "agreements",
                "stop_window",
                "load",
                "flat",
                "flat_cells",
            ),
            *(
                f"weight_{term}"
                for term in ("association", "power", "antenna", "rate", "fairness", "min_rate", "utility")
            ),
        ),
        NOT_NEGATIVE,
    ),
}


def check_limits(options: Mapping[str, Any]) -> None:
    """Refuse numbers out of their ranges, in lists, too; options without a range must still be finite.

    Raises:
        ValueError: such a number.
    """
    for name, value in options.items():
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            limit = LIMITS.get(name, Limit())
            if not limit.holds(number):
                expected = "a finite number" if name not in LIMITS else str(limit)
                raise ValueError(f"{name}: got {number}, expected {expected}")
