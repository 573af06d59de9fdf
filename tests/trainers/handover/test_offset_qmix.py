"""Training of cells' offsets: returns over a rule's by hand, targets by hand, training from the command line, resumed runs."""

from typing import Any

import pytest
import torch

from hetgraph.envs import HandoverTrafficEnv
from hetgraph.graph import roaming
from hetgraph.models import OffsetQMIX
from hetgraph.radio import traffic_policy
from hetgraph.trainers import OffsetDataModule, OffsetQMIXModule, ReplayBuffer
from hetgraph.trainers.handover.offset_experience import OffsetExperience, OffsetTransitions

SMALL = roaming(5, 20, "handover-traffic")


def experience(rule: str | None, n_step: int = 3, steps: int = 8) -> OffsetExperience:
    torch.manual_seed(0)
    env, other = (HandoverTrafficEnv(SMALL, 2, steps=steps, seed=3) for _ in range(2))
    played = None if rule is None else traffic_policy(rule)
    options: dict[str, Any] = {"gamma": 0.9, "n_step": n_step, "scale": 10.0, "batch_size": 6, "draws": 4, "updates": 2}
    policy = OffsetQMIX(8, margin_db=1.0, trigger_ticks=1)
    return OffsetExperience(env, other if rule else None, policy, played, ReplayBuffer(500), **options)


@pytest.mark.parametrize("rule", [None, "mlb"])
def test_returns_are_discounted_sums_over_the_rules(rule: str | None) -> None:
    data = experience(rule)
    rewards: dict[int, list[torch.Tensor]] = {id(data.env): [], id(data.rule_env): []}
    for env in {data.env, data.rule_env} - {None}:
        assert env is not None

        def spy(action: Any, env: HandoverTrafficEnv = env, step: Any = env.step) -> Any:
            out = step(action)
            rewards[id(env)].append(out.reward.mean(1))
            return out

        env.step = spy  # type: ignore[method-assign]
    data.collect(1)
    own = rewards[id(data.env)]
    gain = (
        [10 * (a - b) for a, b in zip(own, rewards[id(data.rule_env)], strict=True)] if rule else [10 * a for a in own]
    )
    rows = data.buffer.rows
    assert len(data.buffer) == 7 * 2
    for t in range(7):
        n = min(3, 7 - t)
        expected = sum((0.9**i * gain[t + i] for i in range(n)), torch.zeros(2))
        torch.testing.assert_close(rows["gain"][2 * t : 2 * t + 2], expected)
        assert rows["discount"][2 * t].item() == pytest.approx(0.9**n)
        assert rows["step"][2 * t].item() == t and rows["next_step"][2 * t].item() == t + n
    data.collect(1)
    assert len(data.buffer) == 7 * 2, "no episode before two draws were made"


def test_the_rule_gains_nothing_over_itself() -> None:
    """Agents that act as the rule does, on the same arrivals."""
    data = experience("mlb")
    assert data.rule_env is not None
    rule, memory = data.rule, data.rule.initial_state(data.env.observe("neighbourhood"))

    def as_rule(offset_db: torch.Tensor) -> Any:
        nonlocal memory
        action, memory = rule.act(data.env.observe("neighbourhood"), memory, None)
        return action

    data.policy.action = as_rule  # type: ignore[method-assign]
    data.step()
    assert not data.buffer.rows["gain"][: len(data.buffer)].any()
    assert not data.buffer.rows["beside"][: len(data.buffer), 1].any()
    assert data.buffer.rows["beside"][: len(data.buffer), 0].any()


@pytest.mark.parametrize("mixing", ["qmix", "vdn", "independent"])
def test_the_loss_is_that_of_a_target_by_hand(mixing: str) -> None:
    data = experience("a3")
    module = OffsetQMIXModule(hidden=8, mixing=mixing, local=mixing == "independent")
    data.policy = module.model
    data.collect(1)
    batch: OffsetTransitions = data.draw()
    with torch.no_grad():
        for weight in module.target_model.parameters():
            weight.mul_(0.5)
    ((_, loss),) = module.losses(batch)
    with torch.no_grad():
        now, later = module.model(batch.obs), module.target_model(batch.next_obs)
        best = module.model(batch.next_obs).value.argmax(2)
        value = module.model.joint(now, batch.change, batch.beside)
        after = module.target_model.joint(later, best, batch.next_beside)
        errors = []
        for b in range(6):
            gain = batch.local[b] if mixing == "independent" else batch.gain[b]
            errors.append((gain + batch.discount[b] * after[b] - value[b]).flatten())
        error = torch.cat(errors)
        huber = torch.where(error.abs() < 1, 0.5 * error.square(), error.abs() - 0.5).mean()
    torch.testing.assert_close(loss.detach(), huber)


def test_a_resumed_experience_goes_on_where_it_was() -> None:
    one, two = experience("mlb"), experience("mlb")
    one.collect(1)
    one.draw(), one.draw()
    two.load_state_dict(one.state_dict())
    two.buffer.load_state_dict(one.buffer.state_dict())
    two.policy.load_state_dict(one.policy.state_dict())
    rows = []
    for data in (one, two):
        torch.manual_seed(5)
        data.collect(1)
        rows.append(data.buffer.rows)
    assert len(one.buffer) == 14 * 2
    for name, value in rows[0].items():
        assert torch.equal(value[:28], rows[1][name][:28])


def test_validation_says_how_far_it_is_from_the_rule() -> None:
    data = OffsetDataModule(SMALL, num_envs=2, val_networks=2, updates=2, episodes=1, batch_size=4)
    rule = data.judge(traffic_policy("mlb"), "val", 1_000_000)
    assert float(rule["score"]) == pytest.approx(float(rule["score:mlb"]))
    assert float(rule["mean_delay_s"]) == pytest.approx(float(rule["mean_delay_s:mlb"]))
    other = data.judge(OffsetQMIX(8), "val", 1_000_000)
    assert float(other["score"]) != pytest.approx(float(other["score:mlb"]))
