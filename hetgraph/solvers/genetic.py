"""A genetic algorithm for handovers."""

from dataclasses import fields

import torch
from torch import Generator, Tensor

from hetgraph.solvers.handover import Choice, fit


def evolve(
    choice: Choice,
    *,
    population: int = 24,
    generations: int = 16,
    mutation: float = 0.01,
    generator: Generator | None = None,
) -> Tensor:
    """Places ``[B, U]``: the fittest of some that are selected, crossed user by user and mutated; never worse than staying.

    The first generation is staying, everybody at the best rate, and random ones between. Parents are the better of two
    drawn (tournament), the fittest lives on.

    Args:
        choice: who may be where.
        population: individuals of each network.
        generations: how often they are crossed.
        mutation: share of users whose place is drawn anew.
        generator: random numbers.
    """
    b, u, k = choice.cell.shape
    each = Choice(*(getattr(choice, f.name).repeat_interleave(population, 0) for f in fields(choice)))
    device = choice.cell.device

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    def anywhere() -> Tensor:
        return draw(b * population, u, k).masked_fill(~each.allowed, -1).argmax(2)

    rate = each.rate.masked_fill(~each.allowed, -1).argmax(2)
    some = draw(b * population, u) < draw(b * population, 1)
    place = torch.where(some, torch.where(draw(b * population, u) < 0.5, rate, anywhere()), 0)
    order = torch.arange(b * population, device=device) % population
    place = torch.where((order == 0).unsqueeze(1), 0, torch.where((order == 1).unsqueeze(1), rate, place))
    first = population * torch.arange(b, device=device).unsqueeze(1)
    place = fit(each, place)
    fitness = each.utility(place).view(b, population)
    for _ in range(generations):
        rivals = (draw(2, 2, b, population) * population).long()
        better = fitness.expand(2, b, -1).gather(2, rivals[0]) >= fitness.expand(2, b, -1).gather(2, rivals[1])
        one, two = (torch.where(better, rivals[0], rivals[1]) + first).flatten(1)
        child = torch.where(draw(b * population, u) < 0.5, place[one], place[two])
        child = torch.where(draw(b * population, u) < mutation, anywhere(), child)
        fittest = fitness.argmax(1) + first.squeeze(1)
        child[first.squeeze(1)] = place[fittest]
        place = fit(each, child)
        fitness = each.utility(place).view(b, population)
    return place[fitness.argmax(1) + first.squeeze(1)]
