"""Noise of continuous actions."""

from typing import Any

import pytest
import torch

from hetgraph.trainers.common.exploration import ActionNoise


@pytest.mark.parametrize("kind", ["ou", "gaussian"])
def test_noise_has_its_deviation_and_correlation(kind: Any) -> None:
    noise, g = ActionNoise(0.3, 0.2, kind), torch.Generator().manual_seed(0)
    path = torch.stack([noise.draw(200, generator=g) for _ in range(400)])
    assert float(path.std()) == pytest.approx(0.3, rel=0.03) and abs(float(path.mean())) < 0.01
    for lag in (1, 3):
        correlation = float((path[lag:] * path[:-lag]).mean() / path.var())
        assert correlation == pytest.approx(0.8**lag if kind == "ou" else 0.0, abs=0.03)
    assert noise.draw(5, generator=g).shape == (5,)
    with pytest.raises(ValueError, match="sigma, theta: got -1"):
        ActionNoise(-1)
