"""Where users in service are and how they hear their station, now and as they move on."""

import torch
from torch import Tensor

from hetgraph.envs.arrivals.table import Signals

COLUMNS = 6  # rate, gain, interference in W, and place in m


class UserLinks:
    """Records of the users in ``M`` places of ``B`` networks, written once at admission.

    ``now [B, M + 1, 6]`` holds rates, gains, interference and places of this slot: those of free places are old ones, and the last
    row is for the user that arrives.

    Args:
        signals: how the episode's users hear stations.
        places: M.
        period: slots after which users who move are at the next of their P places; they stay at the last one.
    """

    now: Tensor

    def __init__(self, signals: Signals, places: int, period: int) -> None:
        b, p = signals.rate.shape[1], signals.rate.shape[3]
        self.signals, self.places, self.period = signals, places, period
        # The last row takes the records of users who were rejected, too.
        self.record = signals.rate.new_zeros(b, places + 1, p, COLUMNS)
        self.since = torch.zeros(b, places + 1, 1, 1, dtype=torch.long, device=self.record.device)
        self._first = (places + 1) * torch.arange(b, device=self.record.device)
        self._update()

    def admit(self, slot: int, choice: Tensor, place: Tensor) -> None:
        """Write what the users of a slot bring with them.

        Args:
            slot: in which they came.
            choice: place of their station among those that they hear ``[B]``.
            place: where they are among the M places ``[B]``; -1 for a user that was rejected.
        """
        signals, periods = self.signals, self.record.shape[2]
        chosen = choice.reshape(-1, 1, 1).expand(-1, 1, periods)
        columns = (signals.rate, signals.gain, signals.interference_w)
        heard = [value[slot].gather(1, chosen).squeeze(1).unsqueeze(2) for value in columns]  # [B, P, 1] each
        row = self._first + place.masked_fill(place < 0, self.places)
        self.record.flatten(0, 1).index_copy_(0, row, torch.cat([*heard, signals.pos[slot]], 2))
        if periods > 1:
            self.since.flatten(0, 1).index_fill_(0, row, 0)

    def advance(self) -> None:
        """A slot passes."""
        self.since += 1
        self._update()

    def _update(self) -> None:
        last = self.record.shape[2] - 1
        if last == 0:
            self.now = self.record[:, :, 0]
            return
        period = (self.since // self.period).clamp_max(last)
        self.now = self.record.gather(2, period.expand(-1, -1, 1, COLUMNS)).squeeze(2)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the future depends on, beside the arrivals."""
        return {"record": self.record.clone(), "since": self.since.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.record, self.since = state["record"].clone(), state["since"].clone()
        self._update()
