"""Reward of a step and indicators of an episode of a world of handovers with traffic."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.handover.traffic_physics import TrafficWeights
from hetgraph.envs.handover.traffic_state import HandoverCounters, Limits

TRAFFIC_INDICATORS = (
    "mean_delay_s",  # mean over users of the integral of a user's backlog over the bits that came for it (Little)
    "p95_delay_s",  # 95th percentile of the same
    "unsatisfied",  # share of users for whom it is above the patience
    "bit_delay_s",  # all users' backlog over all bits: the mean over bits, in which users of high rates count most
    "throughput_bps",  # mean over users
    "asc",  # summed spectral efficiency of what users get, bit/s/Hz
    "anu",  # sum over users of log(1 + rate / unit) of a step's rates, mean over steps
    "jain",  # of the users' served shares of what they were offered
    "load_imbalance",  # mean distance of the cells' busy shares from their mean
    "handovers_per_min",  # of a user
    "ping_pongs_per_min",
    "failures_per_min",
)


@dataclass
class EpisodeSums:
    """What an episode's indicators need.

    Args:
        counters: sums over all ticks.
        utility: summed log rates of steps ``[B]``.
        reward: summed rewards of steps, mean over cells ``[B]``.
        steps: number of steps.
    """

    counters: HandoverCounters
    utility: Tensor
    reward: Tensor
    steps: int = 0

    @staticmethod
    def zeros(networks: int, users: int, cells: int, device: torch.device) -> "EpisodeSums":
        """Nothing yet."""
        counters = HandoverCounters.zeros(networks, users, cells, device)
        return EpisodeSums(counters, torch.zeros_like(counters.imbalance), torch.zeros_like(counters.imbalance))

    def add(self, counters: HandoverCounters, reward: Tensor, log_rates: Tensor) -> None:
        """Add a step: its sums, rewards ``[B, N]`` and users' log rates ``[B, U]``."""
        self.counters.add(counters)
        self.utility = self.utility + log_rates.sum(1)
        self.reward = self.reward + reward.mean(1)
        self.steps += 1

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all sums."""
        sums = {"utility": self.utility, "reward": self.reward, **vars(self.counters)}
        return {name: value.clone() for name, value in sums.items()} | {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Inverse of :meth:`state_dict`."""
        device = self.utility.device
        tensors = {name: value.to(device, copy=True) for name, value in state.items()}
        self.steps, self.utility, self.reward = int(tensors.pop("steps")), tensors.pop("utility"), tensors.pop("reward")
        self.counters = HandoverCounters(**tensors)

    def indicators(self, limits: Limits) -> dict[str, Tensor]:
        """Indicators of the episode ``[B]``, see ``TRAFFIC_INDICATORS``, and the mean ``reward``."""
        counters, clock = self.counters, limits.clock
        users, ticks = counters.backlog.shape[1], self.steps * clock.every
        time_s = ticks * clock.tick_s
        waited = counters.backlog * clock.tick_s
        delay = torch.where(counters.offered > 0, waited / counters.offered.clamp_min(1), torch.nan)
        late = (delay > limits.physics.patience_s).sum(1) / (counters.offered > 0).sum(1).clamp_min(1)
        share = torch.where(counters.offered > 0, counters.served / counters.offered.clamp_min(1), 0.0)
        served, events = counters.served.sum(1), 60 / (users * time_s)
        values = (
            torch.nan_to_num(delay.nanmean(1)),
            torch.nan_to_num(torch.nanquantile(delay, 0.95, dim=1)),
            late,
            waited.sum(1) / counters.offered.sum(1).clamp_min(1),
            served / (users * time_s),
            served / (limits.bandwidth_hz * time_s),
            self.utility / self.steps,
            share.sum(1).square() / ((share > 0).sum(1) * share.square().sum(1)).clamp_min(1e-30),
            counters.imbalance / ticks,
            counters.handovers * events,
            counters.ping_pongs * events,
            counters.failures * events,
        )
        return dict(zip(TRAFFIC_INDICATORS, values, strict=True)) | {"reward": self.reward / self.steps}


def rewards(
    counters: HandoverCounters, cell: Tensor, mean_bps: Tensor, weights: TrafficWeights, limits: Limits
) -> tuple[Tensor, Tensor]:
    """Reward of each cell ``[B, N]``, and what its own users add to it, as often as there are cells ``[B, N]``.

    Args:
        counters: sums of the step.
        cell: cell of each user at its end ``[B, U]``.
        mean_bps: mean rate at which bits come for each user ``[B, U]``.
        weights: prices.
        limits: physics.
    """
    (users, cells), clock = (cell.shape[1], counters.busy.shape[1]), limits.clock
    rate = mean_bps if weights.delay == "users" else mean_bps.mean(1, keepdim=True)
    waited = counters.backlog * (clock.tick_s / (users * clock.step_s)) / rate.clamp_min(1)
    team = waited.sum(1) + (
        weights.handover * counters.handovers
        + weights.ping_pong * counters.ping_pongs
        + weights.failure * counters.failures
    ) / (users * clock.step_s)
    local = -cells * torch.zeros_like(counters.busy).scatter_add_(1, cell, waited)
    shared = -team.unsqueeze(1).expand_as(local)
    return torch.lerp(shared, local, weights.local) if weights.local else shared.clone(), local
