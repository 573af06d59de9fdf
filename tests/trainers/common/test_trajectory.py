"""Replay of slots."""

import pytest
import torch

from hetgraph.trainers.common.trajectory import TrajectoryBuffer


def test_replay_gives_a_slot_and_the_one_after() -> None:
    buffer = TrajectoryBuffer(11, 3, ("x",))
    for slot in range(6):
        rows = {"x": 10 * slot + torch.arange(3), "ended": torch.full((3,), slot == 3)}
        buffer.add(rows)
    assert buffer.capacity == 9 and len(buffer) == 6
    sample = buffer.sample(300, torch.Generator().manual_seed(0))
    assert sample.rows["x"].unique().tolist() == [30, 31, 32, 40, 41, 42]
    assert torch.equal(sample.rows["next_x"], sample.rows["x"] + 10)
    assert torch.equal(sample.weight, (sample.rows["x"] >= 40).float())
    with pytest.raises(ValueError, match="capacity: got 5"):
        TrajectoryBuffer(5, 3, ())


def test_a_later_slot_may_be_several_on() -> None:
    buffer = TrajectoryBuffer(18, 3, ("x",), steps=2, along=("x",))
    for slot in range(8):
        buffer.add({"x": 10 * slot + torch.arange(3), "ended": torch.full((3,), slot == 4)})
    assert len(buffer) == 12
    sample = buffer.sample(300, torch.Generator().manual_seed(0))
    assert torch.equal(sample.rows["next_x"], sample.rows["x"] + 20)
    assert torch.equal(sample.rows["along_x"], torch.stack([sample.rows["x"], sample.rows["x"] + 10], 1))
    across = (sample.rows["x"] // 10 == 3) | (sample.rows["x"] // 10 == 4)
    assert torch.equal(sample.weight, (~across).float()) and bool(across.any())
    with pytest.raises(ValueError, match="steps: got 0"):
        TrajectoryBuffer(18, 3, (), steps=0)
    with pytest.raises(ValueError, match="capacity: got 8, expected 3 slots of 3 networks"):
        TrajectoryBuffer(8, 3, (), steps=2)
