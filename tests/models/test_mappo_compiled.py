"""Compiled agents decide as the agents do."""

import shutil

import pytest
import torch

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.models import CompiledAgents, NeighbourhoodMAPPO


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(
    "env",
    [
        pytest.param(ConflictEnv(num_envs=3, load=0.5), id="conflict"),
        pytest.param(
            CellularEnv("hex-19", 1, load=25.0), id="cells", marks=pytest.mark.all
        ),  # half a minute of compiling
    ],
)
def test_compiled_agents_decide_alike(env: QueueEnv) -> None:
    torch.manual_seed(0)
    agents = NeighbourhoodMAPPO(16, blocks=env.num_rbs, levels_db=(0.0, -6.0), overbook=True).eval()
    with torch.no_grad():
        for weight in agents.parameters():
            weight.mul_(3)  # decisions that differ from slot to slot
    compiled = CompiledAgents(agents)
    obs, _ = env.reset(seed=1)
    state = again = compiled.initial_state(obs)
    seen = set()
    for _ in range(5):
        expected, state = agents.act(obs, state, None)
        got, again = compiled.act(obs, again, None)
        assert expected.airtime is not None and got.airtime is not None
        assert torch.equal(got.airtime, expected.airtime) and torch.equal(got.serving, expected.serving)
        torch.testing.assert_close(got.power_w, expected.power_w)
        torch.testing.assert_close(again[1], state[1])
        seen.add(tuple(expected.airtime.flatten().tolist()))
        obs = env.step(expected).obs
    assert len(seen) > 1
