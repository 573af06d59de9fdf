"""Random numbers of networks side by side, each from a generator of its own, drawn for several slots at once."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from hetgraph.graph.streams import stream

Law = Literal["uniform", "normal"]
BLOCK_SLOTS = 64  # slots that are drawn at once
CPU_NUMBERS = (
    4096  # of one network: beyond these a call costs no more than its numbers, and larger blocks leave the cache
)


class Draws:
    """Numbers of ``B`` networks, slot by slot; a network's are the same alone and among many.

    Args:
        seed: of all networks.
        networks: their numbers.
        purpose: what the numbers are for.
        shape: of one network's numbers in a slot.
        law: uniform in [0, 1), or normal.
        device: where the numbers are.
        dtype: of the numbers.
        scale: standard deviation of normal numbers of slots.
        transform: what the numbers of a slot become, elementwise; of many slots at once it costs less.
    """

    def __init__(
        self,
        seed: int,
        networks: Sequence[int],
        purpose: str,
        shape: tuple[int, ...],
        law: Law,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        scale: float = 1.0,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.scale, self._transform = scale, transform
        self.law, self.generators = law, [stream(seed, i, purpose) for i in networks]
        if device.type != "cpu":
            self.generators = [Generator(device).manual_seed(g.initial_seed()) for g in self.generators]
        size = max(torch.Size(shape).numel(), 1)
        slots = BLOCK_SLOTS if device.type != "cpu" else min(max(CPU_NUMBERS // size, 1), BLOCK_SLOTS)
        self._block = torch.zeros(len(self.generators), slots, *shape, dtype=dtype, device=device)
        self._slots: tuple[Tensor, ...] = ()
        self._next = slots

    def next(self) -> Tensor:
        """Numbers of the next slot ``[B, *shape]``, a view that a later call overwrites."""
        if self._next == self._block.shape[1]:
            for row, generator in zip(self._block.unbind(0), self.generators, strict=True):
                self._fill(row, generator, self.scale)
            self._next = 0
            self._split()
        self._next += 1
        return self._slots[self._next - 1]

    def _split(self) -> None:
        """The block's numbers, slot by slot."""
        if self._transform is None:
            self._slots = self._block.unbind(1)
        else:
            self._slots = self._transform(self._block).transpose(0, 1).contiguous().unbind(0)

    def further(self, networks: Sequence[int]) -> Tensor:
        """Numbers of some networks besides those of the slots ``[n, *shape]``, normal ones of deviation one.

        Args:
            networks: rows among the ``B``.
        """
        out = self._block.new_empty(len(networks), *self._block.shape[2:])
        for row, network in zip(out, networks, strict=True):
            self._fill(row, self.generators[network], 1.0)
        return out

    def _fill(self, row: Tensor, generator: Generator, scale: float) -> None:
        if self.law == "uniform":
            row.uniform_(generator=generator)
        else:
            row.normal_(0, scale, generator=generator)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next numbers depend on."""
        states = torch.stack([generator.get_state() for generator in self.generators])
        return {"states": states, "block": self._block.clone(), "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        for generator, value in zip(self.generators, state["states"], strict=True):
            generator.set_state(value.clone())  # a row of a larger tensor crashes torch
        self._block.copy_(state["block"])
        self._next = int(state["next"])
        self._split()
