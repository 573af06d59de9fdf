"""MAPPO on the trunk: chances of clusters by enumeration and by counting, ratios of one, gradients, learning, resuming."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from hetgraph.models import TrunkMADDPG, load, save
from hetgraph.models.iot.trunk import gumbel_like
from hetgraph.radio.schedule import clusters
from hetgraph.trainers import IoTDataModule, TrunkMAPPOModule
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.iot import mappo
from hetgraph.trainers.iot.rollouts import TrunkRollouts, chances, log_probs

SMALL = "iot-noma:users=8,small_cells=2,subchannels=4,load=4"


def made(**options: Any) -> tuple[TrunkMAPPOModule, TrunkRollouts]:
    torch.manual_seed(0)
    module = TrunkMAPPOModule(**{"hidden": 8, "width": 4, "rounds": 1} | options)
    data = IoTDataModule(SMALL, num_envs=2, slots=3, draws=2, episode_slots=5)
    rollouts = data.experience(module)
    assert isinstance(rollouts, TrunkRollouts)
    module._experience = lambda: rollouts  # type: ignore[method-assign]  # as a trainer finds them
    return module, rollouts


def small(**options: Any) -> TrunkMAPPOModule:
    return TrunkMAPPOModule(hidden=8, width=4, rounds=1, epochs=1, minibatches=1, lr_end=1.0, **options)


def test_chances_of_all_clusters_add_up_to_one_and_are_products() -> None:
    share = torch.tensor([0.5, 0.3, 0.2, 0.9]).reshape(1, 4, 1)
    station, ready = torch.tensor([[0, 0, 0, 1]]), torch.ones(1, 4, dtype=torch.bool)
    total = 0.0
    for first, second in permutations(range(3), 2):
        user = torch.tensor([first, second, 3, -1]).reshape(1, 2, 1, 2)
        got = chances(share, user, station, ready)
        expected = share[0, first, 0] * share[0, second, 0] / (1 - share[0, first, 0])
        assert got[0, 0].sum().exp().item() == pytest.approx(expected.item(), rel=1e-5)
        assert got[0, 1].tolist() == [[0.0, 0.0]], "the only user there is, and nobody"
        total += got[0, 0].sum().exp().item()
    assert total == pytest.approx(1.0, rel=1e-5)


def test_users_that_are_not_ready_count_for_nothing() -> None:
    share = torch.tensor([0.5, 0.3, 0.2]).reshape(1, 3, 1)
    user, station = torch.tensor([1]).reshape(1, 1, 1, 1), torch.zeros(1, 3, dtype=torch.long)
    ready = torch.tensor([[False, True, True]])
    assert chances(share, user, station, ready).exp().item() == pytest.approx(0.6, rel=1e-5)


def test_gumbel_noise_draws_by_these_chances() -> None:
    torch.manual_seed(0)
    share = torch.tensor([0.5, 0.3, 0.2]).reshape(1, 3, 1).expand(40_000, 3, 1)
    station = torch.zeros(40_000, 3, dtype=torch.long)
    user = clusters(share.log() + gumbel_like(share), station, 1, 2)
    for pair in permutations(range(3), 2):
        often = (user.reshape(-1, 2) == torch.tensor(pair)).all(1).float().mean()
        one = chances(share[:1], torch.tensor(pair).reshape(1, 1, 1, 2), station[:1], station[:1] == 0)
        assert often.item() == pytest.approx(one.sum().exp().item(), abs=0.01)


def test_ratios_are_one_before_the_first_step() -> None:
    """What was drawn is judged from packed rows as it was when it was drawn."""
    module, rollouts = made()
    rollout = rollouts.batch()
    views = rollouts.views_of(rollout.rows)
    drawn = rollout.drawn
    shares = module.model.shares(views)
    choices = (drawn.user, drawn.logit, drawn.silence)
    again = log_probs(module.model, views, shares, choices, module.log_deviation.exp())
    for now, before in zip(again, drawn.log_prob, strict=True):
        assert bool(before.any())
        torch.testing.assert_close(now, before, rtol=0, atol=5e-3)  # packed gains are rounded
    torch.testing.assert_close(
        module.model.state_value(shares.summary).squeeze(2), rollout.value.flatten(0, 1), rtol=0, atol=5e-3
    )


def test_a_better_choice_becomes_more_likely() -> None:
    """A step along the loss's gradient with advantages of one raises what was drawn, and with minus one lowers it."""
    module, rollouts = made(entropy=0.0, value_weight=0.0)
    rollout = rollouts.batch()
    part, drawn = torch.arange(rollout.done.numel()), rollout.drawn
    choices = (drawn.user, drawn.logit, drawn.silence)

    def likely() -> float:
        with torch.no_grad():
            views = rollouts.views_of(rollout.rows)
            found = log_probs(module.model, views, module.model.shares(views), choices, module.log_deviation.exp())
        return sum(float(one.sum() / (old != 0).sum()) for one, old in zip(found, drawn.log_prob, strict=True))

    for sign in (1.0, -1.0):
        before = likely()
        module.zero_grad()
        advantage = torch.full((len(part), 3), sign)
        module.loss(rollout, part, advantage, torch.zeros_like(advantage)).backward()
        assert module.log_deviation.grad is not None and module.log_deviation.grad.abs().min() > 0
        with torch.no_grad():
            for weight in module.parameters():
                weight -= 0 if weight.grad is None else 1e-3 * weight.grad
        assert sign * (likely() - before) > 0


def test_resumed_rollouts_are_the_same() -> None:
    (_, one), (_, two) = made(), made()
    one.batch()
    two.load_state_dict(one.state_dict())
    rewards = []
    for rollouts in (one, two):
        torch.manual_seed(3)
        rewards.append(rollouts.batch().reward)
    assert torch.equal(*rewards)


def test_returns_are_sums_of_the_teams_rewards() -> None:
    """Episodes of five slots and rollouts of three: each network's first episode ends in the second rollout."""
    _, rollouts = made()
    rewards, step = [], rollouts.env.step

    def watched(action: Any) -> Any:
        found = step(action)
        rewards.append(found.info["team_reward"].float())
        return found

    rollouts.env.step = watched  # type: ignore[method-assign]
    rollouts.batch()
    assert rollouts.returns.ended == []
    again = made()[1]
    again.load_state_dict(rollouts.state_dict())
    assert torch.equal(again.returns.running, sum(rewards, torch.zeros(2)))
    rollouts.batch()
    assert rollouts.returns.ended == pytest.approx(sum(rewards[:5], torch.zeros(2)).tolist(), rel=1e-6)
    assert torch.equal(rollouts.returns.running, rewards[5])


def test_one_agent_for_all_hears_everybody() -> None:
    """A user of another station changes what a central agent does, and nothing of a station's own."""
    torch.manual_seed(0)
    for scope, alike in (("stations", True), ("central", False)):
        policy = TrunkMADDPG(8, 4, 2, scope=scope)  # type: ignore[arg-type]
        summary = torch.randn(1, 3, 8)
        other = summary.clone()
        other[0, 2] += 1
        assert torch.equal(policy.heard(summary)[0, 0], policy.heard(other)[0, 0]) == alike
        assert policy.level == ("local" if alike else "global")


def test_equal_powers_fill_the_budget_of_stations_that_send() -> None:
    torch.manual_seed(0)
    policy = TrunkMADDPG(8, 4, 1, power="equal")
    data = IoTDataModule(SMALL, num_envs=2, episode_slots=5)
    env = data.environment(policy.level)
    views = policy.views(env.reset()[0])
    schedule = policy.decide(views)
    sent, layers = schedule.power.sum((2, 3)), (schedule.user >= 0).sum((2, 3))
    assert bool((layers > 0).any())
    torch.testing.assert_close(sent, (layers > 0).float(), rtol=1e-4, atol=1e-4)
    for b, n in (layers > 0).nonzero().tolist():
        part = schedule.power[b, n][schedule.user[b, n] >= 0]
        torch.testing.assert_close(part, torch.full_like(part, 1 / len(part)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("option", ["scope", "power"])
def test_unknown_options_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option}: got 'other', expected one of"):
        TrunkMADDPG(8, 4, 1, **{option: "other"})  # type: ignore[arg-type]


def test_mappo_learns_and_resumes(
    fit: Callable[..., tuple[Any, lightning.Trainer]], same_weights: Callable[..., bool], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    short = {"slots": 4, "draws": 2}
    torch.manual_seed(0)
    before = small().model
    runs = [fit(tmp_path / "whole", 2, small, **short)[0]]
    fit(tmp_path / "parts", 1, small, **short)
    runs.append(fit(tmp_path / "parts", 2, small, tmp_path / "parts/last.ckpt", **short)[0])
    assert same_weights(*runs) and not same_weights(runs[0].model, before)
    assert same_weights(load(save(runs[1].model, tmp_path / "best.ckpt")), runs[1].model)


@pytest.mark.parametrize("own", [False, True])
def test_stations_of_mappo_share_the_reward_or_have_their_own(
    fit: Callable[..., tuple[Any, lightning.Trainer]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    rewards: list[torch.Tensor] = []

    def watched(reward: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        rewards.append(reward)
        return gae(reward, *rest, **options)

    monkeypatch.setattr(mappo, "gae", watched)
    fit(tmp_path, 1, lambda: small(own=own), slots=4, draws=2)
    assert len(rewards) == 2 and all((float(reward.std(2).max()) > 1e-6) == own for reward in rewards)
