"""Experience for networks of many stations: each choice is credited with what happens at the stations that it concerns."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs import ArrivalEnv
from hetgraph.models.grows import GROWS, Arrival
from hetgraph.radio import policy as arrival_policy
from hetgraph.trainers.arrivals.experience import random_place
from hetgraph.trainers.common.experience import Experience
from hetgraph.trainers.common.replay import ReplayBuffer, Sample


class LocalReturns(Experience[Sample]):
    """Whole episodes under an exploring agent, and draws from the replay memory that they fill.

    The return of a choice is the utility, over a horizon, of the stations that could have taken the user. In the utility of all
    stations a choice drowns: its own part of it falls as the number of stations grows, the noise of the others rises.
    Nothing is bootstrapped, as the next user is offered other stations.

    Args:
        env: environment.
        policy: the agent.
        buffer: replay memory.
        horizon: slots that a choice is credited with; 0 for all until the end.
        control: an equal environment, in which best rate meets the same arrivals; its utility is subtracted, which says what
            a choice is worth with less noise, and changes no order of choices.
        epsilon: chance of a random choice, by the number of the draw.
        batch_size: rows of a draw.
        slots: slots of all networks for each draw.
        draws: draws in an epoch.
        least: rows before the first draw.
        scale: returns are divided by this.
    """

    def __init__(
        self,
        env: ArrivalEnv,
        policy: GROWS,
        buffer: ReplayBuffer,
        *,
        horizon: int,
        control: ArrivalEnv | None = None,
        epsilon: Callable[[int], float],
        batch_size: int,
        slots: int,
        draws: int,
        least: int,
        scale: float = 1.0,
    ) -> None:
        if horizon < 0 or (not env.finite and not 0 < horizon <= env.slots):
            raise ValueError(f"horizon: got {horizon}, expected slots of an episode of {env.slots}")
        super().__init__(env, policy, buffer, batch_size=batch_size, slots=slots, draws=draws, least=least)
        self.horizon, self.epsilon, self.scale = horizon or env.slots, epsilon, scale
        self.control = control
        self.rule = arrival_policy("best_rate")
        self.due = 0  # draws until the next episode

    @torch.no_grad()
    def collect(self, slots: int) -> None:
        """Play an episode when enough was drawn from those before, or there are too few rows."""
        if self.due <= 0 or len(self.buffer) < self.least:
            self.step()
            self.due = max(self.env.slots // self.slots, 1)

    def draw(self) -> Sample:
        """A draw from the replay memory."""
        self.due -= 1
        return super().draw()

    def step(self) -> None:
        """Play an episode and keep its choices."""
        env, played, utility = self.env, [], []
        obs = env.observe(env.level)
        beside = None if self.control is None else self.control.observe(self.control.level)
        for slot in range(env.slots):
            views = self.policy.views(obs)
            at_random = random_place(self.policy, views)
            explores = torch.rand(env.num_envs, device=at_random.device) < self.epsilon(self.drawn)
            place = torch.where(explores, at_random, self.policy(views).argmax(1))
            played.append((views, env.table.station[slot], place))
            step = env.step(place)
            utility.append(step.reward)
            obs = step.obs
            if self.control is not None and beside is not None:
                ruled = self.control.step(self.rule.act(beside, None, None)[0])
                utility[-1] = utility[-1] - ruled.reward
                beside = ruled.obs
        total = torch.stack(utility).double().cumsum(0)
        total = torch.cat([torch.zeros_like(total[:1]), total])  # [T + 1, B, N]
        last = env.slots if env.finite else env.slots - self.horizon + 1
        for slot, (views, station, place) in enumerate(played[:last]):
            later = total[min(slot + self.horizon, env.slots)] - total[slot]
            self._store(views, place, (later.gather(1, station) * views.room).sum(1))

    def _store(self, views: Arrival, place: Tensor, utility: Tensor) -> None:
        """Keep a slot's choices."""
        rows = views.room.any(1).nonzero().squeeze(1)
        gain = (utility[rows] / self.scale).to(views.station.dtype)
        choices = vars(views) | {"action": place}
        row = {name: value[rows] for name, value in choices.items()}
        self.buffer.add(row | {"gain": gain, "discount": torch.zeros_like(gain)})

    def state_dict(self) -> dict[str, Any]:
        """How far it is; experience itself is the replay memory's."""
        control = {} if self.control is None else {"control": self.control.state_dict()}
        return super().state_dict() | {"due": self.due} | control

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self.due = state["due"]
        if self.control is not None:
            self.control.load_state_dict(state["control"])
