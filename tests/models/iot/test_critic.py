"""Critics of IoT agents: promises of the environment, references, gradients."""

from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.models import HybridMADDPG
from hetgraph.models.iot.critic import GraphCritic, compared
from hetgraph.models.iot.promise import promise
from hetgraph.models.iot.views import IoTViews
from hetgraph.radio import Schedule

Observed = Callable[..., tuple[IoTEnv, IoTViews]]
Stirred = Callable[..., HybridMADDPG]


def test_promised_bits_and_rewards_are_the_environments(observed: Observed) -> None:
    """With nothing fading and all that was promised waiting, the promise is what the environment serves."""
    env, _ = observed(slots=0)
    env.channels.gain_before = env.channels.gain
    policy = HybridMADDPG(hidden=4)
    views = policy.views(env.observe("genie"))
    action, _ = policy.act(env.observe("genie"), None, None)
    found = promise(views, action)
    step = env.step(action)
    served = step.info["served_bits"].float()
    torch.testing.assert_close(found.served, served, rtol=1e-3, atol=2.0)
    torch.testing.assert_close(found.reward[:, 0, 1], step.info["bit_per_j"].float() / 1e6, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(10 * found.reward[..., 2], step.info["interference_db"], rtol=1e-3, atol=1e-3)


def test_untrained_critics_say_what_is_promised_and_value_the_reference_alone(
    observed: Observed, stirred: Stirred
) -> None:
    _, views = observed()
    policy = stirred()
    with torch.no_grad():
        action = policy.decide(views)
        agents = policy.encode(views)
        choice = policy.taken(views, agents, action.station, action.user)
        critic, reference = GraphCritic(8), policy.reference(views, agents, choice)
        assert torch.equal(policy.shares(views, agents, choice), policy.shares(views, agents, choice, rule=reference))
        assert torch.equal(policy.shares(views, agents, choice), action.power)
        found = compared(views, action, reference)
        torch.testing.assert_close(critic(found), promise(views, action).reward @ critic.first)
        for parameter in critic.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        alone = compared(views, Schedule(action.station, action.user, reference), reference)
        at_reference = critic(alone)
        for name in ("gain", "first"):  # what compares powers has no say where they are the reference
            for parameter in [critic.first] if name == "first" else critic.gain.parameters():
                parameter.add_(torch.randn_like(parameter))
        again = critic(alone)
        torch.testing.assert_close(again, at_reference, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(critic(found), again)


@pytest.mark.parametrize("prior", [True, False])
def test_gradients_reach_the_actor_and_are_finite(prior: bool, observed: Observed) -> None:
    _, views = observed()
    torch.manual_seed(0)
    policy, critic = HybridMADDPG(hidden=8, prior=prior), GraphCritic(8, prior)
    for _ in range(2):  # after one step the layers before the last ones have a gradient, too
        action = policy.decide(views)
        policy.zero_grad()
        critic(compared(views, action)).mean().backward()
        grads = [p.grad for p in policy.parameters() if p.grad is not None]
        assert all(bool(torch.isfinite(g).all()) for g in grads)
        with torch.no_grad():
            for parameter in policy.parameters():
                if parameter.grad is not None:
                    parameter += 0.1 * parameter.grad
    encoder = policy.encoder
    reached = (
        policy.powers.layer.weights.out.weight.grad,
        encoder.attention.query.weight.grad,
        encoder.graph.layers.enter["ue"].weight.grad,
    )
    assert all(g is not None and bool((g != 0).any()) for g in reached)
