"""Where users in service are and how they hear their station, now and as they move on."""

import torch
from torch import Tensor

from hetgraph.envs.table import Signals

COLUMNS = 6  # rate, gain, interference in W, and place in m


class UserLinks:
    """Records of the users in ``M`` places of ``B`` networks, written once at admission.

    Args:
        signals: how the episode's users hear stations.
        places: M.
        period: slots after which users who move are at the next of their P places; they stay at the last one.
    """

    def __init__(self, signals: Signals, places: int, period: int) -> None:
        b, p = signals.rate.shape[1], signals.rate.shape[3]
        self.signals, self.places, self.period = signals, places, period
        # One more place takes the records of users who were rejected.
        self.record = signals.rate.new_zeros(b, places + 1, p, COLUMNS)
        self.since = torch.zeros(b, places + 1, 1, 1, dtype=torch.long, device=self.record.device)

    def admit(self, slot: int, choice: Tensor, place: Tensor) -> None:
        """Write what the users of a slot bring with them.

        Args:
            slot: in which they came.
            choice: place of their station among those that they hear ``[B]``.
            place: where they are among the M places ``[B]``; -1 for a user that was rejected.
        """
        signals, row = self.signals, torch.arange(len(choice), device=choice.device)
        columns = (signals.rate, signals.gain, signals.interference_w)
        heard = torch.stack([value[slot, row, choice] for value in columns], 2)  # [B, P, 3]
        place = place % (self.places + 1)
        self.record[row, place] = torch.cat([heard, signals.pos[slot]], 2)
        self.since[row, place] = 0

    def advance(self) -> None:
        """A slot passes."""
        self.since += 1

    def now(self) -> Tensor:
        """Records as they are now ``[B, M, 6]``; those of free places are old."""
        record = self.record[:, :-1]
        last = record.shape[2] - 1
        if last == 0:
            return record[:, :, 0]
        period = (self.since[:, :-1] // self.period).clamp_max(last)
        return record.gather(2, period.expand(-1, -1, 1, COLUMNS)).squeeze(2)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the future depends on, beside the arrivals."""
        return {"record": self.record.clone(), "since": self.since.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.record, self.since = state["record"].clone(), state["since"].clone()
