"""Queues of bits with deadlines."""

import torch

from hetgraph.envs.iot.deadlines import Deadlines


def test_queues_are_first_in_first_out() -> None:
    queue = Deadlines(1, 1, 4, torch.device("cpu"))
    deadline = torch.tensor([[3]])
    for bits in (5, 7):
        queue.add(torch.tensor([[bits]]), deadline)
        queue.expire()
    assert int(queue.head_slots) == 1 and int(queue.bits) == 12
    assert int(queue.serve(torch.tensor([[3]]))) == 3 and int(queue.expire()) == 2
    assert int(queue.bits) == 7 and int(queue.serve(torch.tensor([[100]]))) == 7 and int(queue.head_slots) == 0
