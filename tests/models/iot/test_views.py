"""What IoT agents read: columns by loop, packed observations."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot.views import IoTViews

Observed = Callable[..., tuple[IoTEnv, IoTViews]]
Stirred = Callable[..., HybridMADDPG]


def columns(views: IoTViews) -> list[Tensor]:
    return [*views.inputs["x_dict"].values(), *views.inputs["edge_attr_dict"].values()]


def test_columns_of_edges_by_loop(observed: Observed) -> None:
    """Full power without fading over noise, over what was received of other stations, and over the best; fading; who serves."""
    env, views = observed(slots=2)
    graph, found = env.observe("global"), views.edge_x
    edges, s = graph["bs", "channel", "ue"], env.num_subchannels
    rsrp, gain = edges.rsrp_dbm.reshape(2, 7, 3), edges.gain.reshape(2, 7, 3, s)
    power, noise = graph["bs"].power_w.reshape(2, 3, s), graph["ue"].noise_w.reshape(2, 7, s)
    budget = graph["bs"].power_max_w.reshape(2, 3)
    for b in range(2):
        for u in range(7):
            for n in range(3):
                level_db = float(rsrp[b, u, n]) - 30
                floor = float(noise[b, u].sum())
                others = sum(float((gain[b, u, m] * power[b, m]).sum()) for m in range(3) if m != n)
                mean = float(gain[b, u, n].mean() * budget[b, n])
                expected = [
                    (level_db - 10 * math.log10(floor) - 30) / 20,
                    (level_db - 10 * math.log10(floor + others) - 10) / 15,
                    (float(rsrp[b, u, n] - rsrp[b, u].max()) + 15) / 15,
                    (10 * math.log10(mean) - level_db) / 3,
                    float(env.station[b, u] == n),
                ]
                cut = [max(min(value, 10), -10) for value in expected]
                assert found[b, n, u].tolist() == pytest.approx(cut, rel=1e-3, abs=2e-3)


def test_packed_views_are_close_and_small(observed: Observed) -> None:
    env, views = observed()
    rows = env.pack(filtered=False)
    again = HybridMADDPG(hidden=4).views(env.unpack(rows, "global"))
    for name in ("gain", "rsrp_dbm", "interference_w", "queue_bits", "power_w", "noise_w"):
        torch.testing.assert_close(getattr(again.spectrum, name), getattr(views.spectrum, name), rtol=2e-2, atol=0.05)
    assert torch.equal(again.spectrum.station, views.spectrum.station)
    for kept, first in zip(columns(again), columns(views), strict=True):
        torch.testing.assert_close(kept, first, rtol=1e-2, atol=2e-2)
    assert rows["channel.gain"].dtype == torch.float16 and (rows["channel.gain"].float() < -60).any()
    assert sum(value[0].nbytes for value in rows.values()) < 0.6 * sum(
        value[0].nbytes
        for value in (*vars(views.spectrum).values(), *vars(views).values(), *columns(views))
        if isinstance(value, Tensor)
    )
