"""Large-scale calibration of TR 38.901 beside the percentiles of 3GPP R1-165974, and geometry of a plain three-sector grid."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.graph import CHANNEL, preset


def percentiles(name: str, networks: int, at: list[float]) -> tuple[np.ndarray, np.ndarray, float]:
    """Coupling gain to the serving cell and geometry (no noise) at percentiles, dB, and the largest geometry."""
    scenario = preset(name)
    batch = scenario.sample(networks, seed=3)
    cells = scenario.num_stations
    power_dbm = 10 * batch["bs"].power_max_w.reshape(networks, 1, cells).log10() + 30
    gain_db = batch[CHANNEL].rsrp_dbm.reshape(networks, -1, cells) - power_dbm
    gain = 10 ** (gain_db.double() / 10)
    best, server = gain.max(2, keepdim=True)
    others = gain.scatter(2, server, 0).sum(2)
    geometry = 10 * (best.squeeze(2) / others).log10()
    coupling = 10 * best.log10()
    return np.percentile(coupling, at), np.percentile(geometry, at), float(geometry.max())


@pytest.mark.parametrize("kind", ["uma", "umi"])
def test_large_scale_calibration(kind: str, real_files: Path) -> None:
    reference = json.loads((real_files / "calibration" / "tr38901_large_scale.json").read_text())
    coupling, geometry, _ = percentiles(f"calibration-{kind}", 8, reference["percentiles"])
    for got, name in ((coupling, "coupling_gain_db"), (geometry, "geometry_sinr_db")):
        rms = float(np.sqrt(np.mean((got - np.array(reference[name][f"{kind}_6ghz"])) ** 2)))
        assert rms < 1.0, name


def test_geometry_of_three_sectors() -> None:
    _, geometry, largest = percentiles("hex-19x3", 16, [5, 20, 50, 80, 95])
    np.testing.assert_allclose(geometry, [-3.2, -0.2, 4.8, 13.6, 23.1], atol=0.6)
    assert largest < 27, "the two other sectors of the mast are 30 dB down each"


def test_indoor_share_of_the_preset() -> None:
    ue = preset("calibration-uma").sample(4, seed=1)["ue"]
    assert float(ue.indoor.float().mean()) == pytest.approx(0.8, abs=0.03)
    assert torch.equal(ue.floor > 0, ue.pos[:, 2] > 1.5)
