"""Returns of the episodes that agents play while they learn."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs.step import Step


class Returns:
    """Sums of the team's rewards in training episodes; the episodes of all networks end together.

    Args:
        networks: number of networks B.
        device: where sums are.

    Attributes:
        ended: of the episodes that are over, in the order in which they ended, one for each network.
        running: of the present ones ``[B]``.
    """

    def __init__(self, networks: int, device: torch.device) -> None:
        self.ended: list[float] = []
        self.running = torch.zeros(networks, device=device)

    def add(self, step: Step) -> None:
        """A slot."""
        reward: Tensor = step.info["team_reward"]
        self.running += reward.float()
        if "final_obs" in step.info:
            self.ended += self.running.tolist()
            self.running.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Sums so far."""
        return {"running": self.running.clone(), "returns": list(self.ended)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.ended, self.running = list(state["returns"]), state["running"].to(self.running.device, copy=True)
