"""Offsets by search over what the simulator says of the next seconds: with the true future, or with futures that are drawn anew."""

from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.traffic_env import HandoverTrafficEnv
from hetgraph.envs.handover.traffic_world import Episode
from hetgraph.graph.flows import file_sizes
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import Streams
from hetgraph.radio.handover import HandoverAction

_TOGETHER = (1, 2, 4, 8)  # of the best single changes, those that are tried at once


class OffsetLookahead:
    """Offsets by coordinate search: each cell's offset a step down or up, and the best changes together, as long as that pays.

    Candidates are judged by their team's reward over the next steps, with their offsets held; the simulator is the environment's own,
    branched at its present state. With ``futures = 0`` it plays the true future (clairvoyant, an upper reference); else that many in
    which users stand where they are and files come at their mean rates (causal). For few networks: a decision costs as much as
    some hundred steps of a network.

    Args:
        env: the environment that it acts in.
        futures: number of futures.
        horizon: steps that are played.
        rounds: of the search in a decision.
        step_db: of an offset; ``None`` for the environment's.
    """

    level: Level = "genie"

    def __init__(
        self,
        env: HandoverTrafficEnv,
        *,
        futures: int = 0,
        horizon: int = 5,
        rounds: int = 1,
        step_db: float | None = None,
    ) -> None:
        self.env, self.futures, self.horizon, self.rounds = env, futures, horizon, rounds
        self.step_db = env.offset_step_db if step_db is None else step_db
        self.name = "lookahead" if futures else "clairvoyant"

    def initial_state(self, obs: HeteroData) -> None:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """The best offsets that the search finds."""
        env, steps = self.env, min(self.horizon, self.env.clock.steps - self.env.step_number)
        begin = env.step_number * env.clock.every
        drawn = env.drawn.window(begin, begin + steps * env.clock.every)
        futures = [drawn] if not self.futures else [self._future(drawn, i) for i in range(self.futures)]
        offset = env.state.offset_db.clone()
        for _ in range(self.rounds):
            offset = self._better(offset, futures, steps)
        return HandoverAction(offset_db=offset), state

    def _better(self, offset: Tensor, futures: list[Episode], steps: int) -> Tensor:
        """Offsets ``[B, K]`` after a round of the search."""
        b, k = offset.shape
        eye = self.step_db * torch.eye(k, device=offset.device)
        single = torch.cat([torch.zeros(1, k, device=offset.device), eye, -eye])  # [1 + 2K, K]
        value = self._values(offset.unsqueeze(1) + single, futures, steps)
        gain, direction = torch.stack([value[:, 1 : k + 1], value[:, k + 1 :]], 2).max(2)
        gain = gain - value[:, :1]
        change = self.step_db * (1 - 2 * direction)
        rank = gain.argsort(1, descending=True).argsort(1)
        changes = [torch.zeros_like(change)]
        changes += [change * ((rank < count) & (gain > 0)) for count in (*_TOGETHER, k)]
        candidates = offset.unsqueeze(1) + torch.stack(changes, 1)
        best = self._values(candidates, futures, steps).argmax(1)
        return candidates[torch.arange(b, device=offset.device), best]

    def _values(self, offset: Tensor, futures: list[Episode], steps: int) -> Tensor:
        """Summed rewards over the next steps ``[B, C]`` of candidates ``[B, C, K]``, mean over futures."""
        b, count, _ = offset.shape
        row = torch.arange(b, device=offset.device).repeat_interleave(count)
        action, total = HandoverAction(offset_db=offset.flatten(0, 1)), torch.zeros(b, count, device=offset.device)
        for future in futures:
            branch = self.env.branch(future.networks(row), row)
            for _ in range(steps):
                total += branch.step(action).reward.mean(1).view(b, count)
        return total / len(futures)

    def _future(self, drawn: Episode, number: int) -> Episode:
        """Users stand where they are, and files come at their mean rates."""
        env, ticks = self.env, len(drawn.bits)
        numbers = range(env.first, env.first + env.num_envs)
        streams = Streams(env.seed, numbers, attempt=1 + number)
        name = f"lookahead/{env.episode}/{env.step_number}"
        files = (env.drawn.mean_bps * env.clock.tick_s / env.flows.file_bits).cpu()
        bits = [
            env.flows.file_bits * file_sizes(rate.expand(ticks, -1), generator)
            for rate, generator in zip(files, streams.generators(name), strict=True)
        ]
        place, standing = drawn.at(drawn.first_tick)[0], {}
        for field in ("received_db", "ue_pos", "speed_mps"):
            table = getattr(drawn, field)
            standing[field] = table[place : place + 1].expand(table.shape)
        standing["received_db"] = drawn.received(drawn.first_tick).expand(drawn.received_db.shape)
        return replace(drawn, bits=torch.stack(bits, 1).to(env.device), **standing)
