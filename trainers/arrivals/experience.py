"""Experience of an agent that decides at arrivals: a semi-Markov process into a replay memory, and draws from it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.envs import ArrivalEnv
from hetgraph.models.grows import GROWS, Arrival
from hetgraph.trainers.common.experience import Experience
from hetgraph.trainers.common.replay import ReplayBuffer, Sample

NAMES = ("station", "room", "ue", "edge")


class ArrivalExperience(Experience[Sample]):
    """Slots of the environment under an exploring agent, and draws from the replay memory that they fill.

    Slots without a choice pass: the reward of a decision is the discounted sum until the decision ``n_step`` later,
    from whose values it is bootstrapped with ``gamma`` to the number of slots between. Where the task ends nothing is bootstrapped.

    Args:
        env: environment.
        policy: the agent.
        buffer: replay memory.
        gamma: discount of a slot.
        n_step: decisions until the bootstrap.
        epsilon: chance of a random choice, by the number of the draw.
        batch_size: rows of a draw.
        slots: slots of all networks before each draw.
        draws: draws in an epoch.
        least: rows before the first draw.
        scale: rewards are divided by this.
    """

    def __init__(
        self,
        env: ArrivalEnv,
        policy: GROWS,
        buffer: ReplayBuffer,
        *,
        gamma: float,
        n_step: int = 1,
        epsilon: Callable[[int], float],
        batch_size: int,
        slots: int,
        draws: int,
        least: int,
        scale: float = 1.0,
    ) -> None:
        if not 0 <= gamma <= 1 or n_step < 1:
            raise ValueError(
                f"gamma, n_step: got {gamma}, {n_step}, expected a number from 0 to 1 and at least one step"
            )
        super().__init__(env, policy, buffer, batch_size=batch_size, slots=slots, draws=draws, least=least)
        self.gamma, self.n_step, self.epsilon, self.scale = gamma, n_step, epsilon, scale
        obs, _ = env.reset()
        self.views = policy.views(obs)
        shape = (n_step, env.num_envs)
        self.gain, self.discount = torch.zeros(2, *shape, device=env.device)
        self.waits = torch.zeros(shape, dtype=torch.bool, device=env.device)
        self.action = torch.zeros(shape, dtype=torch.long, device=env.device)
        self.pending_views = {
            name: getattr(self.views, name).unsqueeze(0).repeat(n_step, *[1] * getattr(self.views, name).dim())
            for name in NAMES
        }
        self.turn = torch.zeros(env.num_envs, dtype=torch.long, device=env.device)

    def step(self) -> None:
        """Explore for a slot; decisions that are complete become rows."""
        views, b = self.views, self.env.num_envs
        choice = views.room.any(1)
        value = self.policy(views)
        at_random = random_place(self.policy, views)
        place = torch.where(
            torch.rand(b, device=at_random.device) < self.epsilon(self.drawn), at_random, value.argmax(1)
        )
        self._decide(views, place, choice)
        step = self.env.step(place)
        self.gain += self.discount * step.reward.sum(1) / self.scale * self.waits
        self.discount *= self.gamma
        if "final_obs" in step.info:
            final = self.policy.views(step.info["final_obs"])
            self._end(final, bool(step.terminated[0]))
        self.views = self.policy.views(step.obs)

    def _decide(self, views: Arrival, place: Tensor, choice: Tensor) -> None:
        """Decisions are made; those made ``n_step`` ago are complete."""
        rows = choice.nonzero().squeeze(1)
        turn = self.turn[rows]
        full = self.waits[turn, rows]
        self._store(turn[full], rows[full], views.select(rows[full]), self.discount[turn[full], rows[full]])
        for name in NAMES:
            self.pending_views[name][turn, rows] = getattr(views, name)[rows]
        self.action[turn, rows], self.gain[turn, rows], self.discount[turn, rows] = place[rows], 0.0, 1.0
        self.waits[turn, rows] = True
        self.turn[rows] = (turn + 1) % self.n_step

    def _end(self, final: Arrival, terminated: bool) -> None:
        """Episodes are over; what cannot be bootstrapped is dropped."""
        turn, rows = self.waits.nonzero().unbind(1)
        if not terminated:
            known = final.room[rows].any(1)
            turn, rows = turn[known], rows[known]
        discount = self.discount[turn, rows]
        self._store(turn, rows, final.select(rows), discount * 0 if terminated else discount)
        self.waits.zero_()

    def _store(self, turn: Tensor, rows: Tensor, later: Arrival, discount: Tensor) -> None:
        if not len(rows):
            return
        row = {name: value[turn, rows] for name, value in self.pending_views.items()}
        row |= {f"next_{name}": getattr(later, name) for name in NAMES}
        self.buffer.add(row | {"action": self.action[turn, rows], "gain": self.gain[turn, rows], "discount": discount})

    def state_dict(self) -> dict[str, Any]:
        """How far it is, and the decisions that wait; experience itself is the replay memory's."""
        pending = {name: getattr(self, name).clone() for name in ("gain", "discount", "waits", "action", "turn")}
        pending_views = {f"seen_{name}": value.clone() for name, value in self.pending_views.items()}
        return super().state_dict() | pending | pending_views

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        for name in ("gain", "discount", "waits", "action", "turn"):
            setattr(self, name, state[name].to(self.env.device, copy=True))
        self.pending_views = {name: state[f"seen_{name}"].to(self.env.device, copy=True) for name in NAMES}
        self.views = self.policy.views(self.env.observe(self.env.level))


def random_place(policy: GROWS, views: Arrival) -> Tensor:
    """Any of the choices that an agent has, all as likely ``[B]``."""
    may = views.room if policy.reject is None else nn.functional.pad(views.room, (0, 1), value=True)
    return torch.rand(may.shape, device=may.device).masked_fill(~may, -1).argmax(1)


def arrival_of(rows: dict[str, Tensor], prefix: str = "") -> Arrival:
    """Views of replay rows."""
    return Arrival(*(rows[prefix + name] for name in NAMES))
