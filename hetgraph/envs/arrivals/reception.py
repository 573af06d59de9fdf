"""Which stations a user receives, and the spectral efficiency of each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.graph.sums_of_others import sum_of_others
from hetgraph.radio.rates import spectral_efficiency


@dataclass(frozen=True)
class Reception:
    """How users receive stations.

    Args:
        stations: number K of the strongest stations that a user has links to.
        load: share of full power at which other stations interfere.
        most_bps_hz: largest spectral efficiency.
        least_bps_hz: spectral efficiency below which a station does not take a user; who moves away while served keeps it.
    """

    stations: int = 8
    load: float = 0.3
    most_bps_hz: float = 6.0
    least_bps_hz: float = 0.3

    def __post_init__(self) -> None:
        if self.stations < 1 or not 0 <= self.load <= 1 or not 0 < self.least_bps_hz <= self.most_bps_hz:
            got = f"stations={self.stations}, load={self.load}, least={self.least_bps_hz}, most={self.most_bps_hz}"
            raise ValueError(f"reception: got {got}, expected a station, a share of power and efficiencies in order")

    def __call__(
        self, gain: Tensor, power_w: Tensor, noise_w: Tensor, far_w: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Strongest stations of users in ``P`` periods, in the order of the first one.

        Args:
            gain: of all stations ``[n, U, N, P]``.
            power_w: of stations, W; broadcasts to ``[n, 1, N, 1]``.
            noise_w: of users, W; broadcasts to ``[n, U, 1, 1]``.
            far_w: interference of stations that are not among them ``[n, U, P]`` or ``[n, U, 1]``, W.

        Returns:
            ``station [n, U, K]``, ``gain`` and ``efficiency [n, U, K, P]`` in bit/s/Hz, 0 toward a station that does not take the
            user, and ``far_interference_w [n, U, P]``, of the stations that it does not hear.
        """
        received = gain * power_w
        station = received[..., 0].topk(min(self.stations, gain.shape[2]), 2).indices
        index = station.unsqueeze(3).expand(-1, -1, -1, gain.shape[3])
        candidate_w = received.gather(2, index)  # [n, U, K, P]
        far = self.load * received.scatter(2, index, torch.zeros_like(candidate_w)).sum(2)  # [n, U, P]
        far = far if far_w is None else far + far_w
        interference = far.unsqueeze(2) + self.load * sum_of_others(candidate_w, 2)
        efficiency = spectral_efficiency(candidate_w, interference + noise_w).clamp_max(self.most_bps_hz)
        usable = efficiency[..., :1] >= self.least_bps_hz
        return {
            "station": station,
            "efficiency": efficiency.clamp_min(self.least_bps_hz) * usable,
            "gain": gain.gather(2, index),
            "far_interference_w": far,
        }
