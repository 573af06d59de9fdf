"""Random numbers by counting: number c of network i is a hash of its key and c, so that many networks are drawn in one call.

A network's key is the same alone and among many (:class:`Networks`), so the numbers are, too; there is no state to keep, and any
episode's numbers are made without those before it. The hash is that of SplitMix64 (Steele, Lea and Flood 2014).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

GOLDEN, FIRST, SECOND = (
    -7046029254386353131,
    -4658895280553007687,
    -7723592293110705685,
)  # SplitMix64's, as signed numbers
BITS = 24  # of a uniform float32 number; a hash has room for two


@dataclass(frozen=True)
class Networks:
    """Numbered networks of a seed.

    Args:
        seed: of all their random numbers.
        numbers: of the networks, one after the other.
    """

    seed: int
    numbers: range

    @cached_property
    def keys(self) -> Tensor:
        """Keys ``[n]``; each depends on the seed and its network's number, and on nothing else."""
        digest = hashlib.blake2b(f"{self.seed}/counters".encode(), digest_size=8).digest()
        number = torch.arange(self.numbers.start + 1, self.numbers.stop + 1)
        return _mixed(number.mul_(GOLDEN).add_(int.from_bytes(digest, "little", signed=True)))


def _mixed(z: Tensor) -> Tensor:
    """Hashes of numbers, in place."""
    z ^= (z >> 30).bitwise_and_((1 << 34) - 1)
    z *= FIRST
    z ^= (z >> 27).bitwise_and_((1 << 37) - 1)
    z *= SECOND
    z ^= (z >> 31).bitwise_and_((1 << 33) - 1)
    return z


def uniforms(keys: Tensor, first: int, rows: int, slots: int) -> Tensor:
    """Uniform numbers in [0, 1) ``[rows, slots, n]``.

    Args:
        keys: of the networks ``[n]``.
        first: number of the first hash; the call takes ``(rows + 1) // 2 * slots`` of them.
        rows: numbers of a slot.
        slots: slots.
    """
    words = (rows + 1) // 2
    counter = torch.arange(first + 1, first + 1 + words * slots, device=keys.device)
    z = _mixed(counter.mul_(GOLDEN).reshape(words, slots, 1) + keys)
    out = torch.empty(2, *z.shape, device=keys.device)
    most = (1 << BITS) - 1
    out[0], out[1] = (z >> 40) & most, (z >> 16) & most
    return out.mul_(2.0**-BITS).flatten(0, 1)[:rows]


def choices(uniform: Tensor, count: int) -> Tensor:
    """Integers from 0 to ``count - 1``, all as likely, of uniform numbers."""
    return (uniform * count).long()
