"""Users of IoT networks stand, walk and ride."""

import pytest

from hetgraph.envs import IoTEnv


def test_users_stand_walk_and_ride_within_the_area() -> None:
    env = IoTEnv("iot-noma:users=100", 3, episode_slots=400)
    ways = env.drawn.positions[..., :2]
    moved = (ways[:, 1:] - ways[:, :-1]).norm(dim=3)
    speed = moved / env.scenario.mobility.step_s
    assert bool((ways >= 0).all()) and bool((ways <= 500).all())
    assert float((speed.amax(1) < 1e-3).float().mean()) == pytest.approx(0.4, abs=0.1)
    assert float((speed.median(1).values > 4).float().mean()) == pytest.approx(0.2, abs=0.1)
    assert float(speed.max()) <= 15.01
