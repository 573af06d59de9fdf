"""Random numbers of networks side by side, each from a generator of its own, drawn for several slots at once."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from hetgraph.graph.streams import stream

Law = Literal["uniform", "normal"]
GPU_SLOTS, CPU_SLOTS = 64, 256  # most slots that are drawn at once
# Of one network in a block: beyond these a call costs no more than its numbers, and larger blocks leave the cache.
CPU_NUMBERS = 4096
CHUNK_NUMBERS = 65536  # of the networks that are transformed together: what stays in the cache


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
        transform: what the numbers become, elementwise, where they are wanted in another form; it may change their dtype.
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
        self.scale, self.dtype, self.device, self._transform = scale, dtype, device, transform
        self.law, self.generators = law, [stream(seed, i, purpose) for i in networks]
        if device.type != "cpu":
            self.generators = [Generator(device).manual_seed(g.initial_seed()) for g in self.generators]
        size = max(torch.Size(shape).numel(), 1)
        slots = GPU_SLOTS if device.type != "cpu" else min(max(CPU_NUMBERS // size, 1), CPU_SLOTS)
        self._shape, self._num_slots, self._next = shape, slots, slots
        if transform is None:
            self._block = torch.zeros(len(networks), slots, *shape, dtype=dtype, device=device)
            self._slot_dim = 1
        else:  # slots first, so that each one's numbers lie together
            chunk = min(max(CHUNK_NUMBERS // (slots * size), 1), len(networks))
            self._raw = torch.zeros(chunk, slots, *shape, dtype=dtype, device=device)
            kind = transform(self._raw[:, :1]).dtype
            self._block = torch.zeros(slots, len(networks), *shape, dtype=kind, device=device)
            self._slot_dim = 0

    def next(self) -> Tensor:
        """Numbers of the next slot ``[B, *shape]``, a view that a later call overwrites."""
        if self._next == self._num_slots:
            self._draw_block()
        self._next += 1
        return self._block.select(self._slot_dim, self._next - 1)

    def _draw_block(self) -> None:
        """The numbers of the next slots."""
        self._next = 0
        if self._transform is None:
            self._fill_rows(self._block, self.generators)
            return
        chunk = len(self._raw)
        for first in range(0, len(self.generators), chunk):
            generators = self.generators[first : first + chunk]
            raw = self._raw[: len(generators)]
            self._fill_rows(raw, generators)
            self._block[:, first : first + chunk] = self._transform(raw).transpose(0, 1)

    def _fill_rows(self, rows: Tensor, generators: Sequence[Generator]) -> None:
        """Draw a network's numbers in each row."""
        for row, generator in zip(rows.unbind(0), generators, strict=True):
            self._fill(row, generator, self.scale)

    def further(self, networks: Sequence[int]) -> Tensor:
        """Numbers of some networks besides those of the slots ``[n, *shape]``, normal ones of deviation one.

        Args:
            networks: rows among the ``B``.
        """
        out = torch.empty(len(networks), *self._shape, dtype=self.dtype, device=self.device)
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
