"""Random numbers keyed by (seed, network, purpose), so that network i is the same alone and among many."""

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

Draw = Callable[..., Tensor]


def stream(seed: int, network: int, purpose: str) -> Generator:
    """Generator of one network and purpose; depends on nothing else."""
    digest = hashlib.blake2b(f"{seed}/{network}/{purpose}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


class Streams:
    """Draws for several networks at once, each from its own stream.

    Args:
        seed: seed of the sample.
        networks: numbers of the networks; one that is named twice is drawn twice, the same.
        attempt: another number gives other random numbers.
    """

    def __init__(self, seed: int, networks: Sequence[int], attempt: int = 0) -> None:
        self.seed = seed
        self.networks = networks
        self.attempt = attempt

    def generators(self, purpose: str) -> list[Generator]:
        """One fresh generator per network."""
        name = f"{purpose}/attempt-{self.attempt}" if self.attempt else purpose
        return [stream(self.seed, i, name) for i in self.networks]

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) ``[n, *shape]``."""
        out = torch.empty(len(self.networks), *shape)
        for row, generator in zip(out, self.generators(purpose), strict=True):
            row.uniform_(generator=generator)
        return out

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal numbers ``[n, *shape]``."""
        out = torch.empty(len(self.networks), *shape)
        for row, generator in zip(out, self.generators(purpose), strict=True):
            row.normal_(generator=generator)
        return out

    def exponential(self, purpose: str, *shape: int) -> Tensor:
        """Exponential numbers of mean one ``[n, *shape]``: Rayleigh power gains."""
        out = torch.empty(len(self.networks), *shape)
        for row, generator in zip(out, self.generators(purpose), strict=True):
            row.exponential_(generator=generator)
        return out
