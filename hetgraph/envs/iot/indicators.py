"""What an episode of an IoT network adds up to."""

import torch
from torch import Tensor

from hetgraph.graph.mobility import Services

SUMS = ("arrived_bits", "served_bits", "dropped_bits", "energy_j", "handovers", "busy", "kept", "promises", "jain")


class Tally:
    """Sums over the slots of an episode; users' own ones in whole bits.

    Args:
        networks: number of networks B.
        stations: stations N of each.
        users: users U of each.
        device: where the tensors are.
    """

    def __init__(self, networks: int, stations: int, users: int, device: torch.device) -> None:
        zero = torch.zeros(networks, dtype=torch.float64, device=device)
        self.sums = {name: zero.clone() for name in SUMS}
        self.load = torch.zeros(networks, stations, dtype=torch.float64, device=device)
        whole = torch.zeros(networks, users, dtype=torch.long, device=device)
        self.served, self.dropped = whole, whole.clone()
        self.window_served, self.window_dropped = whole.clone(), whole.clone()

    def add(self, served: Tensor, dropped: Tensor, load: Tensor, found: dict[str, Tensor]) -> None:
        """A slot: bits of users ``[B, U]``, users of stations ``[B, N]``, sums ``[B]``."""
        for name, value in found.items():
            self.sums[name] += value
        self.sums["served_bits"] += served.sum(1)
        self.sums["dropped_bits"] += dropped.sum(1)
        self.load += load
        self.served, self.dropped = self.served + served, self.dropped + dropped
        self.window_served, self.window_dropped = self.window_served + served, self.window_dropped + dropped

    def judge(self, services: Services) -> None:
        """A window ends: whose promise was kept?"""
        settled = self.window_served + self.window_dropped
        self.sums["promises"] += (settled > 0).sum(1)
        self.sums["kept"] += ((settled > 0) & (self.window_served >= services.reliability * settled)).sum(1)
        self.window_served, self.window_dropped = (torch.zeros_like(settled) for _ in range(2))

    def kpis(self, slots: int, slot_s: float, users: Tensor, pairs: int) -> dict[str, Tensor]:
        """Indicators of the slots so far.

        Args:
            slots: number of slots.
            slot_s: length of a slot.
            users: number of active users ``[B]``.
            pairs: number of pairs of a station and a subchannel.
        """
        s = self.sums
        settled = (self.served + self.dropped).clamp_min(1)
        share = self.served.double() / settled
        return {
            "throughput_bps": s["served_bits"] / (slots * slot_s),
            "bit_per_j": s["served_bits"] / s["energy_j"].clamp_min(1e-30),
            "qos_violation": 1 - s["kept"] / s["promises"].clamp_min(1),
            "jain": jain(share, self.served + self.dropped > 0),
            "jain_rate": jain(self.served.double(), self.served + self.dropped > 0),
            "handover_rate": s["handovers"] / (slots * users),
            "utilisation": s["busy"] / (slots * pairs),
            "loss": s["dropped_bits"] / (s["served_bits"] + s["dropped_bits"]).clamp_min(1),
            "load": self.load / slots,
            "arrived_bits": s["arrived_bits"].clone(),
            "served_bits": s["served_bits"].clone(),
            "dropped_bits": s["dropped_bits"].clone(),
            "energy_j": s["energy_j"].clone(),
        }


def jain(value: Tensor, counts: Tensor) -> Tensor:
    """Jain's index over the users that count ``[B, U] -> [B]``; one where nobody counts or all have nothing."""
    value = value * counts
    square = value.square().sum(1)
    found = value.sum(1).square() / (counts.sum(1) * square).clamp_min(1e-30)
    return torch.where(square > 0, found, torch.ones_like(found))
