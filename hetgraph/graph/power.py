"""The power that a station has for each resource block without a decision."""

import torch
from torch import Tensor


def equal_power_w(power_max_w: Tensor, rb_power_max_w: Tensor) -> Tensor:
    """The whole budget, spread equally over a station's own resource blocks as far as their caps allow ``[N, R]``, W.

    Args:
        power_max_w: budgets ``[N]``, W.
        rb_power_max_w: caps ``[N, R]``, W; zero on the blocks of other carriers.
    """
    own = (rb_power_max_w > 0).sum(1, keepdim=True).clamp_min(1)
    return torch.minimum(power_max_w.unsqueeze(1) / own, rb_power_max_w)
