"""Users that move through networks: what they receive from each cell, step after step."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Trajectories:
    """Users that move through networks of K cells: P networks, T steps, U users each.

    Args:
        gain: linear slow power gain, antenna pattern and shadowing included, no fast fading ``[P, T, U, K]``.
        ue_pos: users' positions ``[P, T, U, 2]``, m.
        speed_mps: users' speeds ``[P, T, U]``, m/s.
        bs_pos: cells' positions ``[P, K, 2]``, m.
        power_w: cells' transmit power over the band ``[P, K]``, W.
        tier: cells' kind ``[P, K]``.
        measured: the gain was measured, neither imputed nor simulated ``[P, T, U, K]``.
        bandwidth_hz: the band that all cells share.
        noise_w: noise over the band, noise figure included, W.
        slot_s: time between two steps, s.
        background_w: power over the band that users receive of cells that nobody can be served by ``[P, T, U]``, W; ``None`` for
            none.

    Raises:
        ValueError: shapes that do not fit together, a number that is not finite, or one that is not positive.
    """

    gain: Tensor
    ue_pos: Tensor
    speed_mps: Tensor
    bs_pos: Tensor
    power_w: Tensor
    tier: Tensor
    measured: Tensor
    bandwidth_hz: float
    noise_w: float
    slot_s: float
    background_w: Tensor | None = None

    def __post_init__(self) -> None:
        if self.gain.dim() != 4 or 0 in self.gain.shape:
            raise ValueError(f"Trajectories.gain: got {tuple(self.gain.shape)}, expected [P, T, U, K], none of them 0")
        p, t, u, k = self.gain.shape
        expected = {
            "ue_pos": (p, t, u, 2),
            "speed_mps": (p, t, u),
            "bs_pos": (p, k, 2),
            "power_w": (p, k),
            "tier": (p, k),
            "measured": (p, t, u, k),
        }
        for name, shape in expected.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"Trajectories.{name}: got {tuple(getattr(self, name).shape)}, expected {shape}")
        for name, kind in (("tier", torch.long), ("measured", torch.bool)):
            if getattr(self, name).dtype != kind:
                raise ValueError(f"Trajectories.{name}: got {getattr(self, name).dtype}, expected {kind}")
        for name in ("gain", "ue_pos", "speed_mps", "bs_pos", "power_w"):
            value: Tensor = getattr(self, name)
            if not bool(value.isfinite().all()):
                raise ValueError(f"Trajectories.{name}: got NaN or infinity, expected finite numbers")
        for name in ("gain", "power_w"):
            if not bool((getattr(self, name) > 0).all()):
                raise ValueError(f"Trajectories.{name}: got {getattr(self, name).min():g}, expected positive numbers")
        far = self.background_w
        if far is not None and (tuple(far.shape) != (p, t, u) or not bool((far.isfinite() & (far >= 0)).all())):
            raise ValueError(
                f"Trajectories.background_w: got {tuple(far.shape)}, expected {(p, t, u)}, all finite and >= 0"
            )
        if bool((self.speed_mps < 0).any()) or bool((self.tier < 0).any()):
            raise ValueError("Trajectories: got a negative speed or tier, expected none")
        for name in ("bandwidth_hz", "noise_w", "slot_s"):
            number: float = getattr(self, name)
            if not (math.isfinite(number) and number > 0):
                raise ValueError(f"Trajectories.{name}: got {number}, expected a finite number > 0")

    @property
    def networks(self) -> int:
        """Networks P."""
        return self.gain.shape[0]

    @property
    def steps(self) -> int:
        """Steps T."""
        return self.gain.shape[1]

    @property
    def users(self) -> int:
        """Users U of each network."""
        return self.gain.shape[2]

    @property
    def cells(self) -> int:
        """Cells K of each network."""
        return self.gain.shape[3]

    def to(self, device: torch.device | str) -> "Trajectories":
        """The same on another device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)
