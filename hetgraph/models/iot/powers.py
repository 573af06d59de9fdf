"""Powers of clusters: logits as networks make them of states, and shares of the budget by logits."""

import torch
from torch import Tensor, nn

from hetgraph.models.iot import priors
from hetgraph.models.iot.decision import Agents, Discrete
from hetgraph.models.iot.edge_basis import EdgeBasis
from hetgraph.models.iot.views import IoTViews
from hetgraph.nn.agents import agent_mlp
from hetgraph.radio.schedule import budgeted

STATS = 9


class PowerLogits(nn.Module):
    """Networks of the continuous stage; arguments are those of :class:`~hetgraph.models.iot.bids.Bids`."""

    def __init__(self, hidden: int, agents: int, silent: bool) -> None:
        super().__init__()
        self.layer = EdgeBasis(STATS, 2 * hidden, hidden, agents, silent)
        self.off = agent_mlp(2 * hidden + 1, hidden, 1, agents=agents)
        if silent:
            for parameter in self.off[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, views: IoTViews, agents: Agents, choice: Discrete, rule: Tensor | None, left: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of layers ``[B, N, S, L]`` and of silence ``[B, N, 1]``.

        Args:
            views: of the networks.
            agents: states.
            choice: association and clusters.
            rule: powers that a rule would give ``[B, N, S, L]``, if there is one.
            left: logarithm of the part of the budget that it would not send ``[B, N, 1]``.
        """
        user = choice.user
        around = torch.cat([agents.station, agents.context], 2)
        weights = self.layer.weights_of(agents.channel, around, choice.station)  # [B, U, K + 1]
        place = user.clamp_min(0).flatten(1).unsqueeze(2).expand(-1, -1, weights.shape[2])
        weights = weights.gather(1, place).reshape(*user.shape, -1)
        return self.layer(_stats(views, agents, choice, rule), weights), self.off(torch.cat([around, left], 2))


def _stats(views: IoTViews, agents: Agents, choice: Discrete, rule: Tensor | None) -> Tensor:
    """What is known of layers ``[B, N, S, L, 9]``."""
    view, user, sinr = views.spectrum, choice.user, choice.sinr
    on = user >= 0
    quality = priors.of_layers(sinr, user)
    interference = priors.of_layers((view.interference_w / view.noise_w).log(), user)
    mates = on.sum(3, keepdim=True) - 1
    best = torch.where(on, quality, 0).amax(3, keepdim=True)
    level = (rule * user.shape[2]).clamp_min(1e-4).log() if rule is not None else torch.zeros_like(quality)
    weight = priors.urgency(view).clamp_min(1e-6).log().unsqueeze(2).expand_as(sinr)
    stats = [
        quality.log1p() / 3,
        interference / 3 - 1,
        mates.to(quality.dtype).expand_as(quality),
        (quality < best).float(),
        level / 3,
        (best.log1p() - quality.log1p()) / 3,
        agents.harm.unsqueeze(3).expand_as(quality) / 3,
        agents.price.log1p().unsqueeze(3).expand_as(quality) / 3,
        priors.of_layers(weight, user) / 3 + 1.5,
    ]
    return torch.stack(stats, 4).clamp(-5, 5)


def shares_of(logit: Tensor, off: Tensor, user: Tensor, cap: Tensor) -> Tensor:
    """Shares of the budget ``[B, N, S, L]`` by a softmax over a station's layers and silence.

    Args:
        logit: of layers ``[B, N, S, L]``.
        off: of silence ``[B, N, 1]``.
        user: users of clusters; a free layer (-1) gets nothing.
        cap: largest fraction on a subchannel ``[B, N, S]``.
    """
    logit = logit.masked_fill(user < 0, -torch.inf)
    share = torch.softmax(torch.cat([logit.flatten(2), off], 2), 2)[..., :-1].reshape(user.shape)
    return budgeted(share, cap)
