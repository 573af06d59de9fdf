"""What the Gymnasium and PettingZoo faces share: observations and actions of stations as plain arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.base import QueueEnv
from hetgraph.envs.queues.cellular import CellularEnv
from hetgraph.envs.queues.conflict_rules import packets
from hetgraph.radio.allocation import Allocation

POWER_LEVELS_DB = (0.0, -5.75, -11.5, -17.25)
QUEUE_MOST, LOW, HIGH = 20.0, -20.0, 20.0


class Face:
    """Arrays of a batched environment.

    Devices come in the order of their stations. The observation of a device is ``log(1 + packets)`` and, in cells, for each
    subband what it has reported of the slot before: SNR at full power and interference plus noise over noise (both as powers of
    ten), part of the power that it got (as an amplitude) and spectral efficiency (tens of bit/s/Hz). A station hears the largest
    and the mean queue of its neighbours. An action is a number for each station and resource block: 0 for none, else
    ``1 + device * levels + level``.

    Args:
        env: environment.
        levels_db: power levels relative to the largest power; by default four in cells, one on conflict graphs.

    Raises:
        ValueError: a level above the largest power; layouts with different cells.
    """

    def __init__(self, env: QueueEnv, levels_db: Sequence[float] | None = None) -> None:
        self.env, cells = env, env.cells
        self.cellular = isinstance(env, CellularEnv)
        levels = levels_db if levels_db is not None else POWER_LEVELS_DB if self.cellular else (0.0,)
        if not levels or max(levels) > 0:
            raise ValueError(f"levels_db: got {tuple(levels)}, expected at least one, none above 0")
        self.scale = 10 ** (torch.tensor(tuple(levels), dtype=env.dtype) / 10)
        counts = cells.mask.sum(2)
        if not bool((counts == counts[:1]).all()):
            raise ValueError("env: got layouts with different cells, expected layouts=1, as arrays need one shape")
        self.devices: list[int] = counts[0].tolist()  # of each station
        self.order = cells.device[0][cells.mask[0]]  # devices by station
        self.power_w = env.observe("neighbourhood")["bs"].rb_power_max_w.reshape(env.num_envs, env.num_stations, -1)
        self.blocks = self.power_w.shape[2]

    @property
    def choices(self) -> list[int]:
        """Number of actions of each station on a resource block."""
        return [1 + count * len(self.scale) for count in self.devices]

    def arrays(self, obs: HeteroData) -> dict[str, NDArray[np.float32]]:
        """Observation of all networks: ``queue [B, U]``, ``heard [B, N, 2]`` and, in cells, ``channel [B, U, R, 4]``."""
        cells, queue = self.env.cells, packets(obs, self.env.cells)
        held = cells.gather(queue).sum(2)  # [B, N]
        near = cells.neighbours
        most = held.unsqueeze(1).masked_fill(~near, 0).amax(2)
        mean = (near * held.unsqueeze(1)).sum(2) / near.sum(2).clamp_min(1)
        out = {"queue": queue[:, self.order], "heard": torch.stack([most, mean], 2)}
        out = {name: value.log1p().clamp(0, QUEUE_MOST) for name, value in out.items()}
        if self.cellular:
            ue, (b, _, u, _) = obs["ue"], cells.shape
            full = cells.at_device(self.power_w)
            own, other, power, noise, served = (
                getattr(ue, name).reshape(b, u, -1)
                for name in ("own_gain", "interference_w", "power_w", "noise_w", "spectral_efficiency")
            )
            parts = [(own * full / noise).log10(), (other / noise).log10(), (power / full).sqrt(), served / 10]
            out["channel"] = torch.stack(parts, 3)[:, self.order].clamp(LOW, HIGH)
        return {name: value.float().cpu().numpy().copy() for name, value in out.items()}

    def mask(self, obs: HeteroData) -> list[NDArray[np.int8]]:
        """For each station which actions are of use ``[B, 1 + D * L]``: none, and devices that have packets."""
        waiting = packets(obs, self.env.cells)[:, self.order] > 0
        out = []
        for part in torch.split(waiting, self.devices, 1):
            device = part.repeat_interleave(len(self.scale), 1)
            out.append(torch.cat([torch.ones_like(part[:, :1]), device], 1).cpu().numpy().astype(np.int8))
        return out

    def allocation(self, action: Any) -> Allocation:
        """Allocation of actions ``[B, N, R]``."""
        choice = torch.as_tensor(np.asarray(action), dtype=torch.long, device=self.env.device)
        choice = choice.reshape(self.env.num_envs, self.env.num_stations, self.blocks)
        index = (choice - 1).clamp_min(0)
        levels = len(self.scale)
        device = torch.where(choice > 0, index.div(levels, rounding_mode="floor") + 1, 0)
        power: Tensor = self.power_w * self.scale.to(choice.device)[index % levels]
        return self.env.cells.allocation(device, power)

    def boxes(self) -> dict[str, tuple[float, float, tuple[int, ...]]]:
        """Smallest and largest value and shape of each array of one network."""
        env = self.env
        out: dict[str, tuple[float, float, tuple[int, ...]]] = {
            "queue": (0.0, QUEUE_MOST, (env.num_devices,)),
            "heard": (0.0, QUEUE_MOST, (env.num_stations, 2)),
        }
        if self.cellular:
            out["channel"] = (LOW, HIGH, (env.num_devices, self.blocks, 4))
        return out
