"""IoT networks whose gains are given."""

import torch

from hetgraph.envs import IoTEnv
from hetgraph.graph import from_gain


def test_gains_of_a_graph_are_means_over_time() -> None:
    gain = 10 ** (-9 - 2 * torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0)))
    env = IoTEnv(from_gain(gain, noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=1e6), 300, episode_slots=500)
    mean = torch.zeros(5, 3, 4)
    for _ in range(40):
        env.channels.advance()
        mean += env.channels.gain.mean(0) / 40
    torch.testing.assert_close(mean, gain.transpose(0, 1), rtol=0.3, atol=0)
    assert not torch.equal(env.channels.gain[0], env.channels.gain[1])
