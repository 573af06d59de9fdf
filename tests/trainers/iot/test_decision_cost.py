"""What a decision of IoT agents costs: what is exchanged, and operations."""

import pytest

from hetgraph.envs import IoTEnv
from hetgraph.models import HybridMADDPG
from hetgraph.trainers import decision_cost

TINY = "iot-noma:users=5,small_cells=2,subchannels=3,load=4"


def test_costs_of_a_decision() -> None:
    env = IoTEnv(TINY, 2)
    obs, _ = env.reset()
    found = {kind: decision_cost(HybridMADDPG(8, **options), obs, 1) for kind, options in (
        ("agents", {}), ("central", {"scope": "central"}), ("greedy", {"discrete": "greedy"}))}  # fmt: skip
    columns = 3 * 2 * 6
    assert found["agents"].exchanged_kb == pytest.approx(4 * (columns + 3 * 5) / 1000)
    assert found["central"].exchanged_kb == pytest.approx(4 * (3 * 5 * 3 + 5 * 6 + 5 + 2 * 3 * 3 * 2) / 1000)
    assert found["greedy"].exchanged_kb == pytest.approx(4 * columns / 1000)  # nobody was served yet
    action, _ = HybridMADDPG(8).act(obs, None, None)
    after, served = env.step(action).obs, float((env.sent.layer_power_w > 0).sum()) / 2
    assert served > 0
    for kind, contested in (("learned", 3 * 5), ("greedy", 0)):
        kb = decision_cost(HybridMADDPG(8, discrete=kind), after, 1).exchanged_kb
        assert kb == pytest.approx(4 * (columns + contested + 2 * (3 - 1) * served) / 1000)
    quiet = HybridMADDPG(8, prior=False, reports=False)
    assert decision_cost(quiet, after, 1).exchanged_kb == pytest.approx(4 * (columns + 3 * 5) / 1000)
    # What an edge's bid reads of its channel alone: two operations for each of 8 states, 8 states and 15 channels.
    assert found["agents"].flops > 2 * 8 * 8 * 15 and found["agents"].ms > 0
    assert decision_cost(HybridMADDPG(16), obs, 1).flops > 2 * found["agents"].flops
