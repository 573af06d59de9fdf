"""Experience of handover agents: what happened, from compact states that are observed as they were."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hetgraph.envs import HandoverEnv
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.trajectories import Trajectories
from hetgraph.radio.handover import HandoverAction, HandoverRule
from hetgraph.trainers import QMIX, HandoverDataModule
from hetgraph.trainers.common.replay import ReplayBuffer
from hetgraph.trainers.handover.experience import HandoverExperience

K, U = 5, 14


@pytest.mark.parametrize("finite", [False, True])
def test_experience_is_what_happened(make_data: Callable[..., HandoverDataModule], finite: bool) -> None:
    data = make_data()
    env = data.environment("train")
    policy = QMIX(hidden=8).model
    buffer = ReplayBuffer(1000)
    experience = HandoverExperience(
        env, policy, buffer, epsilon=lambda episode: 0.5 if episode else 1.0, batch_size=6, slots=1, draws=1, least=1,
        finite=finite,
    )  # fmt: skip
    torch.manual_seed(0)
    steps = []
    step = env.step

    def spy(action: HandoverAction) -> Any:
        before = env.users.cell.clone()
        out = step(action)
        steps.append((before, action, out.reward))
        return out

    env.step = spy  # type: ignore[method-assign]
    experience.collect(16)
    kept = [t for t in range(16) if finite or t % 8 != 7]
    assert len(buffer) == 3 * len(kept)
    rows = buffer.rows
    for number, t in enumerate(kept):
        where = slice(3 * number, 3 * number + 3)
        before, action, reward = steps[t]
        assert torch.equal(rows["cell"][where].long(), before) and torch.equal(rows["reward"][where], reward)
        assert torch.equal(rows["place"][where].long(), action.place)
        assert rows["terminated"][where].tolist() == [t % 8 == 7] * 3
        if t % 8 != 7:
            assert torch.equal(rows["next_cell"][where].long(), steps[t + 1][0])
            assert torch.equal(rows["next_level"][where].long(), action.level)
    wandered = torch.stack([steps[t][1].place for t in range(8)])
    assert bool(wandered.any()) and experience.draw().reward.shape == (6, K)


@pytest.mark.parametrize("options", [{}, {"time_to_trigger": 1}, {"forbid_ping_pong": True}])
def test_remembered_states_are_observed_as_they_were(
    walks: Callable[..., Trajectories], options: dict[str, Any]
) -> None:
    env = HandoverEnv(walks(0), 3, rule=HandoverRule(0.5, bias=True, max_users=6), steps=10, **options)
    generator, rows, observed = torch.Generator().manual_seed(0), [], []
    for _ in range(9):
        rows.append(env.pack())
        observed.append(env.observe("global").clone())
        place = torch.randint(4, (3, U), generator=generator)
        env.step(HandoverAction(place, torch.randint(5, (3, U), generator=generator)))
    size = sum(value[0].numel() * value.element_size() for value in rows[0].values())
    assert size <= 4 * U + 32
    order = torch.randperm(27, generator=generator)
    found = env.unpack({name: torch.cat([row[name] for row in rows])[order] for name in rows[0]}, "global")
    for place, number in enumerate(order.tolist()):
        was, b = observed[number // 3], number % 3
        for kind, count in (("bs", K), ("ue", U)):
            for name in {"bs": ("users", "room", "pos"), "ue": ("rate_bps", "level", "far_interference_w")}[kind]:
                mine = found[kind][name][place * count : (place + 1) * count]
                torch.testing.assert_close(mine, was[kind][name][b * count : (b + 1) * count])
        for name in ("gain", "allowed", "spectral_efficiency", "users", "bias_db", "distance_m", "measured"):
            now, then = found[CHANNEL][name], was[CHANNEL][name]
            torch.testing.assert_close(now.reshape(27, U * 4, -1)[place], then.reshape(3, U * 4, -1)[b])
        for name in ("handover_rate", "slots_left"):
            torch.testing.assert_close(found[name][place], was[name][b])
    assert len({int(row["cell"].sum()) for row in rows}) > 1  # users moved
