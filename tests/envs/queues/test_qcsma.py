"""Q-CSMA's contention window against the window played mini-slot by mini-slot."""

import pytest
import torch
from torch import Tensor

from hetgraph.envs.queues.conflict_rules import QCSMA


def played(queue: Tensor, hears: Tensor, slot: Tensor) -> Tensor:
    """Deciding devices of one network and subband: mini-slot by mini-slot, then device by device."""
    users = len(queue)
    announced: set[int] = set()
    for number in range(2 * users):
        ready = {i for i in range(users) if queue[i] > 0 and slot[i] == number}
        announced |= {i for i in ready if not any(hears[i, j] for j in announced)}
    decides: list[int] = []
    for device in range(users):
        if device in announced and not any(hears[device, j] for j in decides):
            decides.append(device)
    return torch.zeros(users, dtype=torch.bool).index_fill(0, torch.tensor(decides, dtype=torch.long), True)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.8])
def test_a_window_settled_at_once_is_the_window_played_in_turn(density: float) -> None:
    g = torch.Generator().manual_seed(int(100 * density))
    networks, blocks, users = 6, 3, 30
    hears = (torch.rand(networks, users, users, generator=g) < density).float()
    hears.diagonal(dim1=1, dim2=2).zero_()
    queue = torch.randint(0, 4, (networks, users), generator=g).float()
    slot = torch.randint(2 * users, (networks, blocks, users), generator=g)
    decides = QCSMA()._decides(queue, hears, slot)
    fewer = 0
    for network in range(networks):
        for block in range(blocks):
            expected = played(queue[network], hears[network], slot[network, block])
            assert torch.equal(decides[network, block], expected)
            fewer += int((queue[network] > 0).sum()) - int(expected.sum())
    assert fewer > 0, "some devices must have been silenced"
