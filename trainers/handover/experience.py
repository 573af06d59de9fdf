"""Experience with handovers: an exploring agent's steps in a replay memory of a few bytes a user, and draws from it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverEnv
from hetgraph.graph.schema import CHANNEL
from hetgraph.models.qmix import GraphQMIX
from hetgraph.radio.handover import HandoverAction
from hetgraph.trainers.common.experience import Experience
from hetgraph.trainers.common.replay import ReplayBuffer

NEXT = "next_"


@dataclass(frozen=True)
class Transitions:
    """Steps of some networks.

    Args:
        obs: what was seen.
        action: what was done.
        reward: of each cell ``[B, K]``.
        credit: what each user added to the utility ``[B, U]``.
        next_obs: what was seen then.
        terminated: the task ended with the step ``[B]``.
    """

    obs: HeteroData
    action: HandoverAction
    reward: Tensor
    credit: Tensor
    next_obs: HeteroData
    terminated: Tensor


class HandoverExperience(Experience[Transitions]):
    """Steps of the environment under an exploring agent, and draws from the replay memory that they fill.

    Each user, and each user's level, explores for itself. An episode ends by the clock: values go on, so its last step,
    after which nothing is seen, is left out; with ``finite`` it is the end of the task.

    Args:
        env: environment that tells credits.
        policy: the agent.
        buffer: replay memory.
        epsilon: chance of a random place, and of a random level, of a user by the number of the episode.
        batch_size: transitions of a draw.
        slots: steps of all networks before each draw.
        draws: draws in an epoch.
        least: transitions before the first draw.
        finite: the end of an episode is the end of the task.
    """

    def __init__(
        self,
        env: HandoverEnv,
        policy: GraphQMIX,
        buffer: ReplayBuffer,
        *,
        epsilon: Callable[[int], float],
        batch_size: int,
        slots: int,
        draws: int,
        least: int,
        finite: bool = False,
    ) -> None:
        super().__init__(env, policy, buffer, batch_size=batch_size, slots=slots, draws=draws, least=least)
        self.epsilon, self.finite = epsilon, finite

    def step(self) -> None:
        """Explore for a step; its transitions become rows."""
        env = self.env
        action, before = self.explore(), env.pack()
        last = env.step_number == env.steps - 1
        step = env.step(action)
        if last and not self.finite:
            return
        after = before if last else env.pack()
        row = before | {NEXT + name: value for name, value in after.items() if name not in ("network", "begin")}
        taken = dict(zip(("place", "taken"), (choice.to(torch.uint8) for choice in action.moves()), strict=True))
        ended = torch.full((env.num_envs,), last, device=env.device)
        got = {"reward": step.reward, "credit": step.info["credit"].half(), "terminated": ended}
        self.buffer.add(row | taken | got)

    @torch.no_grad()
    def explore(self) -> HandoverAction:
        """What the agent does now, with random places among the allowed ones and random levels for some users."""
        env, obs = self.env, self.env.observe(self.policy.level)
        epsilon, shape = self.epsilon(env.episode), (env.num_envs, env.num_users)
        best = self.policy(obs).best()
        allowed = obs[CHANNEL].allowed.reshape(*shape, -1)
        place = torch.rand(allowed.shape, device=allowed.device).masked_fill(~allowed, -1).argmax(2)
        level = torch.randint(env.levels, shape, device=allowed.device)
        wanders = torch.rand(2, *shape, device=allowed.device) < epsilon
        choices = zip(wanders, (place, level), best.moves(), strict=True)
        return HandoverAction(*(torch.where(*choice) for choice in choices))

    def draw(self) -> Transitions:
        """A draw from the replay memory."""
        rows = self.buffer.sample(self.batch_size).rows
        later = {name.removeprefix(NEXT): value for name, value in rows.items() if name.startswith(NEXT)}
        later |= {name: rows[name] for name in ("network", "begin")}
        level = self.policy.level
        return Transitions(
            self.env.unpack(rows, level),
            HandoverAction(rows["place"].long(), rows["taken"].long()),
            rows["reward"],
            rows["credit"].float(),
            self.env.unpack(later, level),
            rows["terminated"],
        )
