"""Schedules of IoT networks by an unrolled network on each station's own view, which learns by the gradient of rates."""

from torch_geometric.data import HeteroData

from hetgraph.models.iot.trunk import SchedulerTrunk, gumbel_like
from hetgraph.models.options import keep_options
from hetgraph.radio.schedule import Schedule


@keep_options
class UnrolledScheduler(SchedulerTrunk):
    r"""Stations that schedule their users by rounds of expected shares, for any number of stations, users and subchannels.

    States are those of :class:`~hetgraph.models.iot.trunk.SchedulerTrunk`. After the last round the users of the largest shares form
    clusters, and the budget is shared among these layers and silence.

    Choices are made differentiable by powers alone: a layer's power grows with its share. In training choices are drawn, by noise on
    the logits (Gumbel), and the gradient is that of what all stations' users really get
    (:class:`~hetgraph.trainers.UnrolledModule`); decisions need no other station.

    Args:
        hidden: width of states.
        width: width of the attention.
        rounds: rounds of expected shares.
        attention: weigh the stations that a user hears; else their mean.
        prices: neighbouring stations tell each other what power would cost their users, as in the trunk.
        budget: part of the difference of stations' budgets that does not count in the association, as in the trunk.
        filtered: users report filtered interference, too, as in the trunk.
    """

    name, task = "iot-unrolled", "iot"

    def forward(self, obs: HeteroData, noise: float = 0.0) -> Schedule:
        """Schedule with powers through which gradients flow.

        Args:
            obs: observation of :class:`~hetgraph.envs.IoTEnv`.
            noise: part of Gumbel noise on the logits of choices.
        """
        views = self.views(obs)
        shares = self.shares(views)
        return self.schedule(views, shares, noise * gumbel_like(shares.share) if noise else None)
