"""Handovers by optimisation: dual prices, a genetic algorithm, and the optimum of the step."""

from typing import Any

from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.rules import Mover, Reports, best
from hetgraph.graph.schema import Level
from hetgraph.solvers.announced import PATIENCE, ROUNDS
from hetgraph.solvers.genetic import evolve
from hetgraph.solvers.handover import best_places, prices, wishes
from hetgraph.solvers.negotiated import AGREEMENTS, negotiated


class DualPrice(Mover):
    """Proportionally fair association by prices (Ye et al. 2013): each user wants the largest log rate less price.

    Cells make their prices known, users say whom they would choose, and so on for a few rounds; prices last from step to step.

    Args:
        rounds: of prices and answers in a step.
        least_gain: by how much the log rate less price has to be larger for a handover.
    """

    level: Level = "global"
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


class Negotiated(Mover):
    """Handovers that users and cells agree on (:func:`~hetgraph.solvers.negotiated.negotiated`); ``pf_crowding`` with crowding.

    Users announce where they mean to go, cells that would be too full take those who gain most, and all agree on moves,
    exchanges and chains of two for a few rounds. Each hears no more than users and cells that it may meet, but over all rounds what
    it hears comes from farther away than a neighbourhood.

    Args:
        patience: price of a handover, see :func:`~hetgraph.solvers.handover.priced`.
        agreements: rounds of agreements.
        rounds: of announcements.
        crowding: see there.
    """

    level: Level = "global"

    def __init__(
        self,
        patience: float = PATIENCE,
        agreements: int = AGREEMENTS,
        rounds: int = ROUNDS,
        crowding: float = 0.0,
    ) -> None:
        super().__init__()
        self.patience, self.agreements, self.rounds, self.crowding = patience, agreements, rounds, crowding
        self.name = "pf_crowding" if crowding else "pf_negotiated"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the largest value."""
        value = negotiated(
            reports.choice,
            patience=self.patience,
            rounds=self.rounds,
            agreements=self.agreements,
            crowding=self.crowding,
        )
        return best(reports, value), state


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
        result = evolve(reports.choice, population=self.population, generations=self.generations, generator=generator)
        return result, state


class Optimum(Mover):
    """The places with the largest sum of log(1 + rate) in this step that a central search finds; it knows all cells.

    The upper reference of a step: :func:`~hetgraph.solvers.handover.best_places`. It is none of an episode: a user that has gone
    cannot come back before its old cell is stronger by the margin, so that it pays to wait for a better place, and a search
    that is patient does better.

    Args:
        least_gain: price of a handover, see :func:`~hetgraph.solvers.handover.priced`.
        crowding: see there.
    """

    level: Level = "global"

    def __init__(self, least_gain: float = 0.0, crowding: float = 0.0) -> None:
        super().__init__()
        self.least_gain, self.crowding = least_gain, crowding
        self.name = "pf_patient" if least_gain or crowding else "pf_optimum"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """The best places of the search."""
        return best_places(reports.choice, self.least_gain, self.crowding), state
