"""Exploration of IoT agents over a training."""

from collections.abc import Callable

import lightning
import pytest

from hetgraph.trainers import IoTDataModule
from hetgraph.trainers.common.exploration import linear_epsilon


def test_epsilon_falls_linearly_over_four_fifths_of_the_draws(make_data: Callable[..., IoTDataModule]) -> None:
    data = make_data(explore=None, draws=10)
    data.trainer = lightning.Trainer(max_epochs=5, logger=False, enable_checkpointing=False)
    assert data.exploration() == 40
    values = [data.epsilon(step) for step in (0, 20, 40, 50)]
    assert values == pytest.approx([0.9, 0.475, 0.05, 0.05])
    assert linear_epsilon(3, 0) == pytest.approx(0.05)
