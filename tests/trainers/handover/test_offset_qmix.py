"""Training of cells' offsets: returns over a rule's by hand, targets by hand, training from the command line, resumed runs."""

import math
from typing import Any

import pytest
import torch

from hetgraph.envs import HandoverTrafficEnv, TrafficWeights
from hetgraph.envs.handover.traffic_physics import Physics
from hetgraph.graph import roaming
from hetgraph.models import OffsetQMIX
from hetgraph.models.offset_qmix import OffsetValues, weights_of
from hetgraph.radio import traffic_policy
from hetgraph.trainers import OffsetDataModule, OffsetQMIXModule, ReplayBuffer
from hetgraph.trainers.handover.offset_experience import FailurePrice, OffsetExperience, OffsetTransitions

SMALL = roaming(5, 20, "handover-traffic")


def experience(
    rule: str | None, n_step: int = 3, steps: int = 8, price: FailurePrice | None = None, **env_options: Any
) -> OffsetExperience:
    torch.manual_seed(0)
    env, other = (HandoverTrafficEnv(SMALL, 2, steps=steps, seed=3, **env_options) for _ in range(2))
    played = None if rule is None else traffic_policy(rule)
    options: dict[str, Any] = {"gamma": 0.9, "n_step": n_step, "scale": 10.0, "batch_size": 6, "draws": 4, "updates": 2}
    options["price"] = price or FailurePrice(0.2, None)
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


HARSH = Physics(failure_db=12.0, failure_s=0.2)  # most links are lost sooner or later


def test_returns_have_the_price_of_the_day() -> None:
    """An environment whose rewards have a price from the start, and one whose price came to it, give the same returns."""
    cheap = experience("mlb", price=FailurePrice(0.2, 1.0), physics=HARSH)
    dear = experience("mlb", physics=HARSH, weights=TrafficWeights(failure=5.0), price=FailurePrice(5.0, 1.0))
    cheap.price.price = 5.0
    draws = []
    for data in (cheap, dear):
        torch.manual_seed(4)
        data.collect(1)
        draws.append(data.draw())
    assert cheap.buffer.rows["failures"].any()
    torch.testing.assert_close(draws[0].gain, draws[1].gain)
    assert float(draws[0].price) == 5.0


@pytest.mark.parametrize("most", [0.0, 1e6])
def test_the_price_follows_lost_links(most: float) -> None:
    """It rises where more are lost than allowed, falls where fewer are, and goes on from a state."""
    data = experience("mlb", price=FailurePrice(2.0, most, after=0, every=1), physics=HARSH)
    alone = experience("mlb", physics=HARSH)
    for one in (data, alone):
        torch.manual_seed(4)
        one.collect(1)
    assert (2.0 < data.price.price <= 3.0) if most == 0 else (data.price.price == data.price.low)
    assert alone.price.price == 0.2
    assert torch.equal(data.buffer.rows["gain"], alone.buffer.rows["gain"]), "a look changes nothing of the episode"
    again = experience("mlb", price=FailurePrice(2.0, most, after=0, every=1), physics=HARSH)
    again.load_state_dict(data.state_dict())
    assert again.price.price == data.price.price


def test_agents_that_lose_as_many_links_as_the_rule_keep_their_price_at_a_limit_of_one() -> None:
    price = FailurePrice(2.0, 1.0, after=1, every=2)
    assert [price.due(episode) for episode in range(5)] == [False, True, False, True, False]
    price.follow(0.3, 0.3)
    assert price.price == pytest.approx(2.0)
    price.follow(0.45, 0.3)
    assert price.price == pytest.approx(2.0 * math.exp(0.05))


def test_networks_draw_different_shares_of_their_changes() -> None:
    """The first one a fifth, the last one all; other changes are decisions."""
    data = experience("a3")
    torch.manual_seed(1)
    obs = data.env.observe(data.policy.level)
    decision, drawn = data.policy.change_db(data.policy(obs)), torch.zeros(2)
    for _ in range(200):
        change_db = data.explore(obs)
        own = change_db == decision
        assert set((change_db[~own] / 1.5).tolist()) <= {-1.0, 0.0, 1.0}
        drawn += (~own).float().mean(1) / 200
    assert drawn[0].item() == pytest.approx(0.2, abs=0.05) and drawn[1].item() == pytest.approx(1.0)


def test_changes_are_made_of_learned_ones() -> None:
    """Learned changes have their own values, half of one half of its difference to none, and twice one twice that."""
    values = OffsetValues(torch.tensor([[[1.0, 2.0, 5.0]]]), torch.zeros(1, 1, 1), torch.zeros(1, 2))
    for change_db, value in ((-1.5, 1.0), (0.0, 2.0), (1.5, 5.0), (0.75, 3.5), (3.0, 8.0), (-3.0, 0.0)):
        weights = weights_of(torch.tensor([[change_db]]))
        assert weights.sum().item() == pytest.approx(1.0)
        assert values.of(weights).item() == pytest.approx(value)


def test_weights_of_changes_are_judged_by_their_mean() -> None:
    values = OffsetValues(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.zeros(1, 1, 1), torch.zeros(1, 2))
    assert values.of(torch.tensor([[[0.5, 0.25, 0.25]]])).item() == pytest.approx(2.0)
    assert values.of(torch.tensor([[2]])).item() == values.of(torch.tensor([[[0.0, 0.0, 1.0]]])).item() == 4.0
