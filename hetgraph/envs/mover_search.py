"""Handovers by optimisation: dual prices, a genetic algorithm, and the optimum of the step."""

from typing import Any

from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.movers import Mover, Reports
from hetgraph.graph.schema import Level
from hetgraph.solvers.announced import PATIENCE
from hetgraph.solvers.genetic import evolve
from hetgraph.solvers.handover import best_places, prices, wishes


class DualPrice(Mover):
    """Proportionally fair association by prices (Ye et al. 2013): each user wants the largest log rate less price.

    Cells make their prices known, users say whom they would choose, and so on for a few rounds; prices last from step to step.

    Args:
        rounds: of prices and answers in a step.
        least_gain: by how much the log rate less price has to be larger for a handover.
    """

    level: Level = "neighbourhood"
    name = "dual_price"

    def __init__(self, rounds: int = 10, least_gain: float = PATIENCE) -> None:
        super().__init__()
        self.rounds, self.least_gain = rounds, least_gain

    def initial_state(self, obs: HeteroData) -> Tensor:
        """Prices for the users that cells have."""
        price: Tensor = (obs["bs"].users + 0.1).log().view(obs.num_graphs, -1)
        return price

    def choose(self, reports: Reports, state: Tensor, generator: Generator | None) -> tuple[Tensor, Any]:
        """Users' wishes at the prices that come out."""
        price = prices(reports.choice, state, self.rounds)
        return wishes(reports.choice, price, self.least_gain), price


class Genetic(Mover):
    """A genetic algorithm over all users' places, anew in each step, on the utility of the step.

    Args:
        population: places of all users that are tried at once.
        generations: how often they are crossed.
    """

    level: Level = "global"
    name = "genetic"

    def __init__(self, population: int = 24, generations: int = 16) -> None:
        super().__init__()
        self.population, self.generations = population, generations

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """The fittest places."""
        found = evolve(reports.choice, population=self.population, generations=self.generations, generator=generator)
        return found, state


class Optimum(Mover):
    """The places with the largest sum of log(1 + rate) in this step that a central search finds; it knows all cells.

    The upper reference of a step: :func:`~hetgraph.solvers.handover.best_places`. It is none of an episode: a user that has gone
    cannot come back before its old cell is stronger by the margin, so that it pays to wait for a better place, and a search
    that is patient does better.

    Args:
        least_gain: what a handover costs, as part of the rate.
    """

    level: Level = "global"

    def __init__(self, least_gain: float = 0.0) -> None:
        super().__init__()
        self.least_gain, self.name = least_gain, "pf_patient" if least_gain else "pf_optimum"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """The best places found."""
        return best_places(reports.choice, self.least_gain), state
