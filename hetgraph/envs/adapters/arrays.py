"""Observations, actions and masks of an environment as plain arrays, made from its action specification and the named features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.action_spec import Part
from hetgraph.envs.base import GraphEnv
from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import COLUMNS, features
from hetgraph.graph.links import links_of
from hetgraph.graph.schema import CHANNEL

LEVELS_DB = (0.0, -5.75, -11.5, -17.25)  # of a real number below its largest value
LIMIT = 20.0  # normalised columns beyond it are cut
STORES: dict[str, Any] = {"bs": "bs", "ue": "ue", "channel": CHANNEL}


@dataclass(frozen=True)
class Dimension:
    """Where a part of the action lies among the flat choices of a network.

    Args:
        part: of the specification.
        shape: without the networks.
        begin: first of its choices.
        choices: number of values of each choice.
    """

    part: Part
    shape: tuple[int, ...]
    begin: int
    choices: int

    @property
    def count(self) -> int:
        """Number of its choices."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def end(self) -> int:
        """One past its last choice."""
        return self.begin + self.count


def columns_for(obs: HeteroData) -> dict[str, tuple[list[str], list[str]]]:
    """Names of all columns whose attributes a graph has, of each table: plain ones, and those of resource blocks."""

    def has(store: Any, name: str) -> bool:
        return name in (obs._global_store if store is None else obs[store])

    out: dict[str, tuple[list[str], list[str]]] = {}
    for table, store in STORES.items():
        columns = [column for (of, _), column in COLUMNS.items() if of == store]
        columns = [column for column in columns if all(has(*attribute) for attribute in column.attributes)]
        plain, block = ([column.name for column in columns if column.block == kind] for kind in (False, True))
        out[table] = plain, block
    return out


class Arrays:
    """Arrays of a batched environment.

    An observation has normalised columns (:data:`hetgraph.graph.COLUMNS`) of stations ``bs [B, N, F]``, users
    ``ue [B, U, F]`` and channel edges ``channel [B, E, F]``: all those whose attributes the environment's graphs have. An action is
    one vector of choices for each network, part after part of the specification; a real part has ``levels_db`` as its choices.

    Args:
        env: environment.
        levels_db: values of a real part, dB below its largest one.

    Raises:
        ValueError: a level above the largest value, or a real part without one.
    """

    def __init__(self, env: GraphEnv[Any], levels_db: Sequence[float] = LEVELS_DB) -> None:
        if not levels_db or max(levels_db) > 0:
            raise ValueError(f"levels_db: got {tuple(levels_db)}, expected at least one, none above 0")
        self.env, self.scale = env, 10 ** (torch.tensor(tuple(levels_db)) / 10)
        self.columns = columns_for(env.observe(env.level))
        self.dimensions: list[Dimension] = []
        begin = 0
        for part in env.action.parts:
            shape = env.action.shape(part)[1:]
            if part.kind == "real" and part.high is None:
                raise ValueError(f"action.{part.name}: got a real part without a largest value, expected one")
            choices = {"choice": part.n or 0, "bool": 2, "real": len(self.scale)}[part.kind]
            self.dimensions.append(Dimension(part, shape, begin, choices))
            begin = self.dimensions[-1].end

    @property
    def choices(self) -> NDArray[np.int64]:
        """Number of values of each choice of a network."""
        return np.concatenate([np.full(dim.count, dim.choices) for dim in self.dimensions])

    def tables(self, obs: HeteroData) -> dict[str, NDArray[np.float32]]:
        """Observation of all networks ``{table: [B, *, F]}``; block columns side by side, block after block."""
        out, facts = {}, Facts(obs)
        for name, store in STORES.items():
            parts = [features(facts, store, names).flatten(1) for names in self.columns[name] if names]
            value = torch.cat(parts, 1).clamp(-LIMIT, LIMIT)
            out[name] = value.reshape(self.env.num_envs, -1, value.shape[1]).float().cpu().numpy().copy()
        return out

    def action(self, choices: NDArray[Any]) -> Any:
        """Action of flat choices ``[B, C]``; what lies outside a choice's values is refused by the specification."""
        flat = torch.as_tensor(np.asarray(choices), dtype=torch.long).reshape(self.env.num_envs, -1)
        parts = {}
        for dim in self.dimensions:
            value = flat[:, dim.begin : dim.end].reshape(-1, *dim.shape)
            parts[dim.part.name] = self._value(dim.part, value).to(self.env.device)
        return self.env.action.build(parts)

    def _value(self, part: Part, choice: Tensor) -> Tensor:
        if part.kind == "choice":
            return choice + part.first
        if part.kind == "bool":
            return choice.bool()
        assert part.high is not None
        return part.low + self.scale[choice] * (part.high - part.low)

    def masks(self) -> NDArray[np.bool_]:
        """Which values are of use at the present step, choice after choice ``[B, sum of choices]``."""
        result, columns = self.env.masks(), []
        for dim in self.dimensions:
            shape = (self.env.num_envs, *dim.shape, dim.choices)
            if dim.part.mask is None:
                mask = torch.ones(shape, dtype=torch.bool)
            else:
                mask = result[dim.part.mask].cpu()
                mask = mask.reshape(*mask.shape[:-1], *([1] * (len(shape) - mask.dim())), mask.shape[-1]).expand(shape)
            columns.append(mask.reshape(self.env.num_envs, -1))
        return torch.cat(columns, 1).numpy().copy()

    def owners(self, obs: HeteroData) -> NDArray[np.int64]:
        """Station that decides for each user ``[B, U]``, counted in its network: its own, or the strongest that it hears."""
        links, slot = links_of(obs), obs["ue"].serving_slot
        strongest = links.argmax_slot(links.lift(obs[CHANNEL].gain.mean(1)))
        station = links.station_of(torch.where(slot >= 0, slot, strongest))
        counted = station.reshape(self.env.num_envs, -1) % self.env.num_stations
        owner: NDArray[np.int64] = counted.cpu().numpy()
        return owner
