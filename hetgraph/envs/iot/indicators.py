"""What an episode of an IoT network adds up to."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hetgraph.graph.mobility import Services
from hetgraph.kpi_table import Kpi, indicator

SUMS = (
    *("arrived_bits", "served_bits", "dropped_bits", "energy_j", "handovers", "busy", "kept", "promises", "return"),
    "throughput_square",
)
KPIS: tuple[Kpi, ...] = tuple(
    indicator(name)
    for name in (
        *("throughput_bps", "throughput_std_bps", "bit_per_j", "qos_violation", "jain", "jain_rate", "handover_rate"),
        *("utilisation", "loss", "return", "arrived_bits", "served_bits", "dropped_bits", "energy_j"),
    )
)


class EpisodeSums:
    """Sums over the slots of an episode; users' own ones in whole bits.

    Args:
        networks: number of networks B.
        users: users U of each.
        device: where the tensors are.
    """

    def __init__(self, networks: int, users: int, device: torch.device) -> None:
        self.sums = {name: torch.zeros(networks, dtype=torch.float64, device=device) for name in SUMS}
        whole = torch.zeros(networks, users, dtype=torch.long, device=device)
        self.served, self.dropped = whole, whole.clone()
        self.window_served, self.window_dropped = whole.clone(), whole.clone()

    def add(self, served: Tensor, dropped: Tensor, slot: Mapping[str, Tensor]) -> None:
        """A slot: bits of users ``[B, U]``, and what networks add to other sums ``[B]``."""
        for name, value in slot.items():
            self.sums[name] += value
        bits = served.sum(1)
        self.sums["served_bits"] += bits
        self.sums["dropped_bits"] += dropped.sum(1)
        self.sums["throughput_square"] += bits.double().square()
        self.served, self.dropped = self.served + served, self.dropped + dropped
        self.window_served, self.window_dropped = self.window_served + served, self.window_dropped + dropped

    def end_window(self, services: Services) -> None:
        """A window ends: whose promise was kept?"""
        settled = self.window_served + self.window_dropped
        self.sums["promises"] += (settled > 0).sum(1)
        self.sums["kept"] += ((settled > 0) & (self.window_served >= services.reliability * settled)).sum(1)
        self.window_served, self.window_dropped = (torch.zeros_like(settled) for _ in range(2))

    def kpis(self, slots: int, slot_s: float, users: Tensor, pairs: int) -> dict[str, Tensor]:
        """Indicators of the slots so far ``[B]``, see :data:`KPIS`.

        Args:
            slots: number of slots.
            slot_s: length of a slot.
            users: number of active users ``[B]``.
            pairs: number of pairs of a station and a subchannel.
        """
        s = self.sums
        settled = (self.served + self.dropped).clamp_min(1)
        share = self.served.double() / settled
        mean = s["served_bits"] / slots
        variance = (s["throughput_square"] / slots - mean.square()).clamp_min(0)
        return {
            "throughput_bps": mean / slot_s,
            "throughput_std_bps": variance.sqrt() / slot_s,
            "bit_per_j": s["served_bits"] / s["energy_j"].clamp_min(1e-30),
            "qos_violation": 1 - s["kept"] / s["promises"].clamp_min(1),
            "jain": jain(share, self.served + self.dropped > 0),
            "jain_rate": jain(self.served.double(), self.served + self.dropped > 0),
            "handover_rate": s["handovers"] / (slots * users),
            "utilisation": s["busy"] / (slots * pairs),
            "loss": s["dropped_bits"] / (s["served_bits"] + s["dropped_bits"]).clamp_min(1),
            "return": s["return"].clone(),
            "arrived_bits": s["arrived_bits"].clone(),
            "served_bits": s["served_bits"].clone(),
            "dropped_bits": s["dropped_bits"].clone(),
            "energy_j": s["energy_j"].clone(),
        }

    def state_dict(self) -> dict[str, Tensor]:
        """All sums."""
        return {name: value.clone() for name, value in {**self.sums, **self._users()}.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state_dict`."""
        device = self.served.device
        for name in self.sums:
            self.sums[name] = state[name].to(device, copy=True)
        for name in self._users():
            setattr(self, name.removeprefix("user_"), state[name].to(device, copy=True))

    def _users(self) -> dict[str, Tensor]:
        return {
            f"user_{name}": getattr(self, name) for name in ("served", "dropped", "window_served", "window_dropped")
        }


def jain(value: Tensor, counts: Tensor) -> Tensor:
    """Jain's index over the users that count ``[B, U] -> [B]``; one where nobody counts or all have nothing."""
    value = value * counts
    square = value.square().sum(1)
    result = value.sum(1).square() / (counts.sum(1) * square).clamp_min(1e-30)
    return torch.where(square > 0, result, torch.ones_like(result))
