"""Inputs of MAPPO: the named columns hold what the trained networks were fed with, by plain formulas."""

import itertools
import math

import pytest
import torch

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.models.mappo_inputs import inputs_of, surroundings_of
from hetgraph.radio import policy
from hetgraph.radio.cells import gain_table


@pytest.mark.parametrize(
    "env", [ConflictEnv(num_envs=2, load=0.6), CellularEnv("random-19", 2, load=30.0)], ids=["conflict", "cells"]
)
def test_columns_are_the_formulas(env: QueueEnv) -> None:
    rule = policy("random")
    env.reset(seed=1)
    for _ in range(4):
        obs = env.observe("local")
        env.step(rule.act(obs, rule.initial_state(obs), torch.Generator().manual_seed(1))[0])
    obs = env.observe("neighbourhood")
    around = surroundings_of(obs, 6)
    found, cells, ue = inputs_of(obs, around), env.cells, obs["ue"]
    for network in range(2):
        for device in range(0, env.num_devices, 3):
            station, row = int(cells.station[network, device]), network * env.num_devices + device
            q = float(env.queue[network, device])
            expected = [math.log1p(q), min(q, 1), min(max(q - 1, 0), 1), min(max(q - 2, 0), 1), math.sqrt(q) / 2]
            assert float(found.queue[network, device]) == pytest.approx(q, abs=1e-5)
            assert found.device[network, device].tolist() == pytest.approx(expected, abs=1e-5)
            for block in range(env.num_rbs):
                room_here = float(found.room[block, network, device])
                if found.block is None:
                    assert "own_gain" not in ue and room_here == 1
                    continue
                values = found.block[block, network, device].tolist()
                most = float(around.power_w[network, station, block])
                gain, other, noise, sent, efficiency = (
                    float(ue[name][row, block])
                    for name in ("own_gain", "interference_w", "noise_w", "power_w", "spectral_efficiency")
                )
                snr, reach = math.log10(gain * most / noise), math.log1p(min(gain * most / other, 1000))
                expected = [snr / 3, math.log10(other / noise) / 3, efficiency / 10, math.sqrt(sent / most), reach / 7]
                assert values == pytest.approx([*expected, max(snr - 3, 0)], abs=1e-5)
                room = reach / math.log(2) * 10e6 * 0.02 / 0.5e6
                assert room_here == pytest.approx(room, rel=1e-5)


def test_columns_of_cross_gains_are_the_formulas() -> None:
    """One network and block at a time, by sums over the stations that a user's station hears."""
    env = CellularEnv("hex-19", 2, load=30.0)
    rule = policy("random")
    env.reset(seed=1)
    for _ in range(4):
        obs = env.observe("local")
        env.step(rule.act(obs, rule.initial_state(obs), torch.Generator().manual_seed(1))[0])
    obs = env.observe("neighbourhood")
    around, u = surroundings_of(obs, 6), env.num_devices
    found, cells, ue = inputs_of(obs, around, cross=True).block, env.cells, obs["ue"]
    assert found is not None and found.shape[3] == 9
    gain = gain_table(env.observe("global"), cells)  # [B, U, N, R]
    packets, most = env.queue, around.power_w
    for b, user, r in itertools.product(range(2), range(0, u, 7), range(env.num_rbs)):
        station = int(cells.station[b, user])
        hears = cells.neighbours[b, station].nonzero().squeeze(1).tolist()
        noise, had = (float(ue[name][b * u + user, r]) for name in ("noise_w", "interference_w"))
        threat = beyond = cost = 0.0
        beyond = had
        for other in hears:
            theirs = (cells.station[b] == other).nonzero().squeeze(1).tolist()
            cross, full = float(gain[b, user, other, r]), float(most[b, other, r])
            threat += cross * full * any(float(packets[b, i]) > 0 for i in theirs)
            beyond -= cross * sum(float(ue.power_w[b * u + i, r]) for i in theirs)
            value = {}
            for i in theirs:
                row = b * u + i
                heard, own = float(ue.interference_w[row, r]), float(ue.own_gain[row, r]) * full
                harmed = heard + float(gain[b, i, station, r]) * float(most[b, station, r])
                rate, left = (math.log1p(min(own / x, 1000)) for x in (heard, harmed))
                value[i] = float(packets[b, i]) * rate, rate - left
            total = sum(v for v, _ in value.values())
            cost += sum(v / max(total, 1e-6) * float(packets[b, i]) * loss for i, (v, loss) in value.items())
        expected = [10 * math.log10(max(threat / noise, 1e-12)) / 30, 10 * math.log10(max(beyond / noise, 1)) / 30]
        assert found[r, b, user, 6:].tolist() == pytest.approx([*expected, math.log1p(cost) / 2], abs=2e-4)
