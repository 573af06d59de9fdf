"""Rollouts of a policy in an environment, as an iterable dataset."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs import QueueEnv
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.models.mappo_inputs import Inputs, Surroundings, inputs_of, surroundings_of
from hetgraph.trainers.common.experience import Batches


@dataclass(frozen=True)
class Rollout:
    """What ``T`` slots of ``B`` networks brought.

    Args:
        inputs: columns before each slot ``[T * B, ...]``.
        around: surroundings of the B networks.
        memory: memory before the first slot ``[2, B, N, H]``.
        choice: decisions ``[T, B, N, R]``.
        log_prob: logarithms of their probabilities ``[T, B, N]``.
        value: normalised values ``[T, B, N]``.
        next_value: normalised values of the observations after each slot, before any reset ``[T, B, N]``.
        reward: ``[T, B, N]``.
        terminated: ``[T, B]``.
        done: terminated or truncated ``[T, B]``.
    """

    inputs: Inputs
    around: Surroundings
    memory: Tensor
    choice: Tensor
    log_prob: Tensor
    value: Tensor
    next_value: Tensor
    reward: Tensor
    terminated: Tensor
    done: Tensor


class RolloutDataset(Batches[Rollout]):
    """Rollouts one after the other.

    Args:
        env: environment.
        policy: whose decisions are drawn.
        slots: slots T of a rollout.
        draws: rollouts in an epoch.
    """

    def __init__(self, env: QueueEnv, policy: NeighbourhoodMAPPO, slots: int, draws: int) -> None:
        super().__init__(env, policy, slots=slots, draws=draws)
        self.obs, _ = env.reset()
        self.around = surroundings_of(self.obs, policy.colours)
        self.memory = policy.initial_memory(self.around)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next rollouts depend on, apart from torch's own random numbers."""
        return super().state_dict() | {"memory": self.memory.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self.memory = state["memory"].to(self.env.device, copy=True)
        self.obs = self.env.observe(self.env.level)

    @torch.no_grad()
    def batch(self) -> Rollout:
        """One rollout."""
        policy, around, first = self.policy, self.around, self.memory
        rows: dict[str, list[Tensor]] = {
            name: [] for name in ("choice", "log_prob", "value", "reward", "terminated", "done")
        }
        inputs: list[Inputs] = []
        final: dict[int, Tensor] = {}
        for slot in range(self.slots):
            inputs.append(inputs_of(self.obs, around, policy.cross_gains))
            decision = policy.decide(inputs[-1], around, self.memory)
            step = self.env.step(policy.allocation(decision.choice, around))
            done = step.terminated | step.truncated
            if "final_obs" in step.info:
                final[slot] = policy.decide(
                    inputs_of(step.info["final_obs"], around, policy.cross_gains), around, decision.memory
                ).value
            self.obs, self.memory = step.obs, decision.memory.masked_fill(done.reshape(1, -1, 1, 1), 0)
            slot_values = (decision.choice, decision.log_prob, decision.value, step.reward, step.terminated, done)
            for name, value in zip(rows, slot_values, strict=True):
                rows[name].append(value)
        last = policy.decide(inputs_of(self.obs, around, policy.cross_gains), around, self.memory).value
        stacked = {name: torch.stack(values) for name, values in rows.items()}
        next_value = torch.cat([stacked["value"][1:], last.unsqueeze(0)])
        for slot, value in final.items():
            next_value[slot] = torch.where(stacked["done"][slot].unsqueeze(1), value, next_value[slot])
        return Rollout(Inputs.stack(inputs), around, first, next_value=next_value, **stacked)
