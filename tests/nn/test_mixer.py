"""The mixer: monotonic, decomposable, indifferent to the number and order of agents."""

import itertools

import pytest
import torch

from hetgraph.nn.mixer import MonotonicMixer


def make(seed: int, k: int, b: int = 64) -> tuple[MonotonicMixer, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    mixer = MonotonicMixer(6, 5, 16).double()
    for weight in mixer.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return mixer, torch.randn(b, k).double() * 3, torch.randn(b, k, 6).double(), torch.randn(b, 5).double()


@pytest.mark.parametrize("seed", range(10))
def test_the_joint_value_never_falls_when_a_value_rises(seed: int) -> None:
    mixer, value, agent, state = make(seed, 7)
    before = mixer(value, agent, state)
    for k in range(7):
        more = value.clone()
        more[:, k] += torch.rand(len(value), dtype=torch.float64) * 10
        assert bool((mixer(more, agent, state) >= before).all())
    value.requires_grad_(True)
    (slope,) = torch.autograd.grad(mixer(value, agent, state).sum(), value)
    assert bool((slope >= 0).all()) and float(slope.max()) > 0


def test_each_agents_best_action_is_part_of_the_best_joint_one() -> None:
    for seed in range(20):
        mixer, _, agent, state = make(seed, 3, 1)
        values = torch.randn(3, 4).double()  # of 4 actions each
        joint = {
            actions: float(mixer(values[torch.arange(3), torch.tensor(actions)].unsqueeze(0), agent, state).detach())
            for actions in itertools.product(range(4), repeat=3)
        }
        assert len(set(joint.values())) > 10
        best = joint[tuple(values.argmax(1).tolist())]
        assert best >= max(joint.values()) - 1e-12 and best > min(joint.values())


def test_order_and_absent_agents_do_not_matter() -> None:
    mixer, value, agent, state = make(3, 5)
    order = torch.randperm(5)
    torch.testing.assert_close(mixer(value[:, order], agent[:, order], state), mixer(value, agent, state))
    present = torch.tensor([True, True, True, False, False]).expand(64, 5)
    torch.testing.assert_close(mixer(value, agent, state, present), mixer(value[:, :3], agent[:, :3], state))
    with pytest.raises(ValueError, match="expected \\[B, K\\]"):
        mixer(value, agent[:, :4], state)
