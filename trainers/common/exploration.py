"""Exploration: chances that fall linearly, and noise on continuous actions."""

import math
from typing import Literal

import torch
from torch import Generator, Tensor

Noise = Literal["ou", "gaussian"]


def linear_epsilon(step: int, total: int, start: float = 0.9, end: float = 0.05) -> float:
    """Chance of a random choice: from ``start`` at step 0 to ``end`` at step ``total`` and after (MADDQN-DMADDPG paper, eq. 1)."""
    return start + (end - start) * min(step / max(total, 1), 1.0)


class ActionNoise:
    r"""Ornstein-Uhlenbeck noise :math:`x \leftarrow x - \theta x + \sigma \sqrt{2\theta - \theta^2}\, w`, or white noise.

    Both have mean 0 and deviation sigma at all times; the former's correlation over k steps is :math:`(1 - \theta)^k`.

    Args:
        sigma: deviation.
        theta: how fast it returns to zero in a step.
        kind: ``ou`` or ``gaussian``.

    Raises:
        ValueError: a number out of its range, or an unknown kind.
    """

    def __init__(self, sigma: float, theta: float = 0.15, kind: Noise = "ou") -> None:
        if sigma < 0 or not 0 < theta <= 1:
            raise ValueError(f"sigma, theta: got {sigma}, {theta}, expected 0 or more, and a number above 0, at most 1")
        if kind not in ("ou", "gaussian"):
            raise ValueError(f"kind: got {kind!r}, expected 'ou' or 'gaussian'")
        self.sigma, self.theta = sigma, theta if kind == "ou" else 1.0
        self.state: Tensor | None = None

    def draw(self, *shape: int, generator: Generator | None = None, device: torch.device | str | None = None) -> Tensor:
        """Noise of the next step ``shape``; another shape than before starts anew."""
        white = self.sigma * torch.randn(shape, generator=generator, device=device)
        if self.state is None or self.state.shape != shape:
            self.state = white
        else:
            keep = 1 - self.theta
            self.state = keep * self.state + math.sqrt(1 - keep * keep) * white
        return self.state

    def reset(self) -> None:
        """Forget: the next noise is independent of the last."""
        self.state = None
