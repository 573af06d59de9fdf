"""Experience of agents on one trunk: exploring slots, and draws that show critics what agents do not see."""

from dataclasses import replace

import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models.iot.trunk import StationViews, at_home, gumbel_like
from hetgraph.models.iot.trunk_agents import TrunkMADDPG
from hetgraph.models.iot.views import IoTViews, tables_of
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.iot.experience import SlotReplay
from hetgraph.units import db_to_linear, linear_to_db

GAIN = "present_gain"  # of the slot in which an action happens, dB


class TrunkExperience(SlotReplay):
    """Experience of stations on their own view.

    A station explores in a slot with chance epsilon: Gumbel noise joins the logarithms of its users' shares, so that with a spread of
    one clusters are draws from these. Noise on the power logits is there in every slot.

    Beside what is seen the memory keeps the gains of the slot in which the action happens, which nobody knows before: critics, which
    only training has, tell actions from fading by them (asymmetric actor and critic, Pinto et al. 2018).
    """

    policy: TrunkMADDPG

    @torch.no_grad()
    def explore(self) -> Schedule:
        """Shares with noise for stations that explore, powers with noise for all."""
        views: StationViews = self.views
        b, n, u, s = views.spectrum.shape
        shares = self.policy.shares(views)
        spread = self._exploring(n).unsqueeze(2).expand(b, n, s).gather(1, at_home(views.station, s))
        noise = self.noise.draw(b, n, u * s + 1, device=self.env.device)
        return self.policy.schedule(views, shares, spread * gumbel_like(shares.share), noise)

    def stations(self, rows: dict[str, Tensor]) -> StationViews:
        """What stations see in replay rows."""
        return self.policy.views(self.env.unpack(rows, self.policy.level))

    def everything(self, rows: dict[str, Tensor]) -> IoTViews:
        """What critics see of replay rows: all links, with the gains that the action meets."""
        tables = tables_of(self.env.unpack(rows, "global"))
        view = tables.spectrum
        gain = db_to_linear(rows[GAIN].to(view.gain.dtype)).reshape(view.gain.shape)
        return replace(tables, spectrum=replace(view, gain=gain))

    def _seen(self, env: IoTEnv, policy: TrunkMADDPG) -> dict[str, Tensor]:
        return env.pack(policy.filtered) | {GAIN: linear_to_db(env.channels.gain).half().flatten(1)}
