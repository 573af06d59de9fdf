"""The best expected utility of an episode by dynamic programming, for networks small enough to enumerate."""

import itertools
import math
from dataclasses import dataclass

from hetgraph.envs.arrivals.service import DONE
from hetgraph.envs.arrivals.sources import DiscreteArrivals

User = tuple[float, float, int]  # what it still wants, rate, resource blocks
Cell = tuple[User, ...]


@dataclass(frozen=True)
class Optimum:
    """What dynamic programming finds.

    Args:
        utility: largest expected utility of an episode, summed over its slots; no causal policy has more.
        states: states that were met.
    """

    utility: float
    states: int


def optimum(source: DiscreteArrivals, *, most_states: int = 200_000) -> Optimum:
    """Largest expected utility of an episode.

    Args:
        source: arrivals with one probability and one mean demand, at which every user receives all stations.
        most_states: give up beyond so many.

    Raises:
        ValueError: several probabilities or demands, stations that a user does not receive, or too many states.
    """
    if len(source.probabilities) != 1 or len(source.demands) != 1 or source.links_per_user != source.service.stations:
        raise ValueError(
            "source: got several loads or stations that users do not hear, expected one load and all stations"
        )
    search = _Search(source, most_states)
    value = search.before(((),) * source.service.stations, source.slots)
    return Optimum(value, len(search.known))


class _Search:
    """Values by state and slots left; stations serve as in :func:`~hetgraph.envs.arrivals.service.serve`."""

    def __init__(self, source: DiscreteArrivals, most_states: int) -> None:
        self.service, self.chance, self.most_states = source.service, source.probabilities[0], most_states
        self.known: dict[tuple[tuple[Cell, ...], int], float] = {}
        asks = range(source.service.least_asked, source.most_asked + 1)
        levels = itertools.product(source.rates, repeat=source.service.stations)
        self.users = [
            (source.demands[0] * part, asked, (rates[0] + source.bonus, *rates[1:]))
            for part, asked, rates in itertools.product(source.spread, asks, levels)
        ]

    def before(self, state: tuple[Cell, ...], left: int) -> float:
        """Value before the arrival of a slot."""
        if left == 0:
            return 0.0
        key = (state, left)
        if key not in self.known:
            if len(self.known) >= self.most_states:
                raise ValueError(f"source: got over {self.most_states} states, expected a smaller network")
            quiet = self.after(state, left)
            total = 0.0
            for demand, asked, rates in self.users:
                tried = [quiet]
                for place, rate in enumerate(rates):
                    if sum(user[2] for user in state[place]) + asked <= self.service.blocks:
                        joined = tuple(sorted((*state[place], (demand, rate, asked))))
                        tried.append(self.after((*state[:place], joined, *state[place + 1 :]), left))
                total += max(tried)
            self.known[key] = (1 - self.chance) * quiet + self.chance * total / len(self.users)
        return self.known[key]

    def after(self, state: tuple[Cell, ...], left: int) -> float:
        """Value after the decision: the utility of the slot and of what comes after it."""
        reward, rest = 0.0, []
        for cell in state:
            whole, stay = sum(user[2] for user in cell), []
            for want, rate, asked in cell:
                part = 1 / len(cell) if self.service.share == "equal" else asked / whole
                reward += math.log1p(rate * part / self.service.unit)
                want = round(want - (rate * part if self.service.demand == "data" else 1.0), 6)
                if want > DONE:
                    stay.append((want, rate, asked))
            rest.append(tuple(sorted(stay)))
        return reward + self.before(tuple(rest), left - 1)
