"""Experience of agents in IoT networks: exploring slots into a replay memory, and draws from it."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.views import IoTViews
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.experience import Experience
from hetgraph.trainers.common.exploration import ActionNoise
from hetgraph.trainers.common.replay import Sample
from hetgraph.trainers.common.trajectory import TrajectoryBuffer
from hetgraph.trainers.iot.returns import Returns

Random = Literal["near", "uniform"]


class SlotReplay(Experience[Sample]):
    """Slots of the environment under exploring agents, and draws from the replay memory that they fill.

    Of a slot the memory keeps the packed observation, the action and the rewards; columns are made anew at each draw. A subclass says
    how agents explore.

    Args:
        env: environment, with each station's own rewards.
        policy: the agents.
        capacity: rows of the replay memory.
        noise: of the power logits.
        epsilon: chance that an agent explores, by the number of the draw.
        batch_size: rows of a draw.
        slots: slots before each draw.
        draws: draws in an epoch.
        least: rows before the first draw.
        random: how an exploring agent chooses: by noise ``near`` its values, or with ``uniform`` chances, by noise so large that
            values do not matter.
        spread: of ``near`` noise, in the unit of values.
        steps: slots from a row of a draw to the later one.
    """

    def __init__(
        self,
        env: IoTEnv,
        policy: Any,
        *,
        capacity: int,
        noise: ActionNoise,
        epsilon: Callable[[int], float],
        batch_size: int,
        slots: int,
        draws: int,
        least: int,
        random: Random = "near",
        spread: float = 0.2,
        steps: int = 1,
    ) -> None:
        if random not in ("near", "uniform"):
            raise ValueError(f"random: got {random!r}, expected 'near' or 'uniform'")
        self.views = policy.views(env.reset()[0])
        along = ("reward", "continuous_reward")
        memory = TrajectoryBuffer(capacity, env.num_envs, tuple(self._seen(env, policy)), env.device, steps, along)
        super().__init__(env, policy, memory, batch_size=batch_size, slots=slots, draws=draws, least=least)
        self.noise, self.epsilon = noise, epsilon
        self.spread = spread if random == "near" else 1e4
        self.returns = Returns(env.num_envs, env.device)

    @abstractmethod
    def explore(self) -> Schedule:
        """What exploring agents do in the present slot."""

    def step(self) -> None:
        """Explore for a slot and keep it."""
        rows = self._seen(self.env, self.policy)
        action = self.explore()
        step = self.env.step(action)
        over = "final_obs" in step.info
        rows |= {"action_station": action.station.short(), "action_user": action.user.short()}
        rows |= {"power": action.power.half(), "reward": step.reward.float()}
        rows["continuous_reward"] = step.info["continuous_reward"].float()
        rows["ended"] = torch.full((self.env.num_envs,), over, device=self.env.device)
        self.buffer.add(rows)
        self.returns.add(step)
        if over:
            self.noise.reset()
        self.views = self.policy.views(step.obs)

    @property
    def most_rows(self) -> int:
        """Rows of all slots but the last ones, whose later slot is not there yet."""
        most: int = self.buffer.capacity - self.buffer.steps * self.env.num_envs
        return most

    def action(self, rows: dict[str, Tensor]) -> Schedule:
        """Action of replay rows."""
        return Schedule(rows["action_station"].long(), rows["action_user"].long(), rows["power"].float())

    def state_dict(self) -> dict[str, Any]:
        """How far it is; experience itself is the replay memory's."""
        return super().state_dict() | self.returns.state_dict() | {"noise": self.noise.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self.returns.load_state_dict(state)
        noise, device = state["noise"], self.env.device
        self.noise.state = None if noise is None else noise.to(device, copy=True)
        self.views = self.policy.views(self.env.observe(self.env.level))

    def _seen(self, env: IoTEnv, policy: Any) -> dict[str, Tensor]:
        """What the memory keeps of the present slot before it happens, and draws have of the later slot, too."""
        return env.pack(filtered=False)

    def _exploring(self, agents: int) -> Tensor:
        """Spread of the noise on agents' choices ``[B, agents]``, zero for those that do not explore."""
        chance = self.epsilon(self.drawn)
        return (torch.rand(self.env.num_envs, agents, device=self.env.device) < chance).float() * self.spread


class IoTExperience(SlotReplay):
    """Experience of agents that bid.

    An agent explores in a slot with chance epsilon: Gumbel noise joins its bids, so that it chooses in proportion to the
    exponential of ``bid / spread``. Noise on the power logits is there in every slot.
    """

    policy: HybridMADDPG

    def explore(self) -> Schedule:
        """Bids with noise for agents that explore, powers with noise for all."""
        (b, n, u, s), device = self.views.spectrum.shape, self.env.device
        exploring = self._exploring(1 if self.policy.scope == "central" else n).expand(b, n)
        edge = pair = None
        if self.policy.discrete == "learned":  # else the policy gradient would see choices that are never made
            edge = exploring.unsqueeze(2) * _gumbel(b, n, u, device=device)
            pair = exploring.reshape(b, n, 1, 1) * _gumbel(b, 1, u, s, device=device)
        return self.policy.decide(self.views, edge, pair, self.noise.draw(b, n, u + 1, device=device))

    def present(self, rows: dict[str, Tensor]) -> tuple[IoTViews, Schedule]:
        """Tables and action of replay rows."""
        return self._views(rows), self.action(rows)

    def later(self, rows: dict[str, Tensor]) -> IoTViews:
        """Tables of the slot after replay rows."""
        return self._views(later_of(rows))

    def _views(self, rows: dict[str, Tensor]) -> IoTViews:
        return self.policy.views(self.env.unpack(rows, self.env.level))


def later_of(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """What rows of a draw have of the later slot."""
    return {name.removeprefix("next_"): value for name, value in rows.items() if name.startswith("next_")}


def settled(returns: list[float], window: int, least: float) -> bool:
    """Whether the mean of the last ``window`` returns exceeds that of as many before by less than ``least`` of theirs.

    Never for a window of 0.
    """
    if not window or len(returns) < 2 * window:
        return False
    before, last = sum(returns[-2 * window : -window]) / window, sum(returns[-window:]) / window
    return last - before < least * abs(before)


def _gumbel(*shape: int, device: torch.device) -> Tensor:
    return -torch.empty(shape, device=device).exponential_().clamp_min(1e-20).log()
