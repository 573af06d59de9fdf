"""Tuning of the own-view rule."""

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.models.iot.own_rule import OwnViewRule
from hetgraph.trainers.iot import tuning

SCENARIO = "iot-noma:users=8,small_cells=2,subchannels=3,load=5"


def test_tuning_raises_the_score_and_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score is replaced by one that is best at a known place: candidates approach it, on a seed of their own each generation."""
    seeds = []

    def score(env: IoTEnv, policy: object, seed: int) -> float:
        seeds.append(seed)
        if not isinstance(policy, OwnViewRule):
            return 0.0
        return -abs(float(policy.rule.budget) - 0.7) - abs(float(torch.tensor(policy.toll).log()) - 0.5)

    monkeypatch.setattr(tuning, "_score", score)
    best, again = (tuning.tune_own_view(SCENARIO, networks=1, slots=2, generations=12, seed=3) for _ in range(2))
    assert best == again and set(best) == {*tuning.PLAIN, *tuning.LOGARITHMIC}
    assert score(IoTEnv(SCENARIO, 1), OwnViewRule(**best), 3) > -0.3  # -1.5 at the start
    seeds.pop()
    assert seeds[: len(seeds) // 2] == [seed for seed in range(3, 15) for _ in range(21)]


def test_a_toll_saves_power_and_more_bits_score_higher() -> None:
    env = IoTEnv(SCENARIO, 2, episode_slots=12)
    free, dear = OwnViewRule(), OwnViewRule(toll=30.0)
    for _ in range(4):
        env.step(free.act(env.observe("local"), None, None)[0])
    obs = env.observe("local")
    sent = [rule.act(obs, None, None)[0].power.sum() for rule in (free, dear)]
    assert 0 < float(sent[1]) < 0.8 * float(sent[0])
    silent = OwnViewRule(toll=1e9)
    assert tuning._score(env, free, 0) > tuning._score(env, silent, 0) + 0.5
