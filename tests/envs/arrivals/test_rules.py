"""Rules of association against what they say of themselves."""

import pytest
import torch

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.rules import BestRate, BestRateAdmission
from hetgraph.radio.candidate_stations import candidate_stations_of


@pytest.mark.parametrize("name", ["grows-3", "grows-city:stations=21"])
def test_admission_control_turns_away_who_would_be_slow_and_nobody_else(name: str) -> None:
    env, least = ArrivalEnv(name, num_envs=40, probability=1.0, demand=14.0), 0.25
    obs, kept, away = env.reset(seed=0)[0], 0, 0
    for _ in range(30):
        candidates = candidate_stations_of(obs)
        place, best = (rule.choose(candidates, None) for rule in (BestRateAdmission(least), BestRate()))
        unit = float(candidates.time_unit[0])
        for i in range(40):
            shares = [
                float(rate) / (float(users) + 1) * unit
                for rate, users, room in zip(candidates.rate[i], candidates.users[i], candidates.room[i], strict=True)
                if bool(room)
            ]
            slow = not shares or max(shares) < least
            assert int(place[i]) == (candidates.room.shape[1] if slow else int(best[i]))
            kept, away = kept + (not slow), away + (bool(shares) and slow)
        obs = env.step(place).obs
    assert kept and away
    with pytest.raises(ValueError, match="least: got -1, expected"):
        BestRateAdmission(-1)


def test_without_a_least_rate_it_is_best_rate() -> None:
    obs = ArrivalEnv("grows-3", num_envs=50, probability=1.0, demand=14.0).reset(seed=1)[0]
    assert torch.equal(
        BestRateAdmission(0).choose(candidate_stations_of(obs), None),
        BestRate().choose(candidate_stations_of(obs), None),
    )
