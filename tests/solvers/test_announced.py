"""Announced intentions against a plain loop, and what they are for."""

import math

import pytest
import torch

from hetgraph.solvers.announced import announced


def by_hand(
    cell: list[list[int]], rate: list[list[float]], allowed: list[list[bool]], rounds: int, patience: float
) -> list[list[float]]:
    """The same, user by user."""
    n, places = len(cell), len(cell[0])
    counted = [[r * (math.exp(-patience) if c else 1) for c, r in enumerate(row)] for row in rate]
    wish = [[float(c == 0) for c in range(places)] for _ in range(n)]

    def worth() -> list[list[float]]:
        out = [[0.0] * places for _ in range(n)]
        share = [[0.0] * places for _ in range(n)]
        count = [[0.0] * places for _ in range(n)]
        for u in range(n):
            for c in range(places):
                same = [(i, j) for i in range(n) for j in range(places) if cell[i][j] == cell[u][c] and i != u]
                count[u][c] = sum(wish[i][j] for i, j in same)
                share[u][c] = counted[u][c] / (count[u][c] + 1)
        for u in range(n):
            for c in range(places):
                same = [(i, j) for i in range(n) for j in range(places) if cell[i][j] == cell[u][c] and i != u]
                felt = sum(wish[i][j] * share[i][j] / (1 + share[i][j]) for i, j in same)
                lost = felt * math.log(1 + 1 / count[u][c]) if count[u][c] > 1e-3 else felt * math.log(1001)
                out[u][c] = math.log(1 + share[u][c]) - lost
        return out

    for _ in range(rounds):
        now = worth()
        for u in range(n):
            best = max(w for w, a in zip(now[u], allowed[u], strict=True) if a)
            power = [math.exp((w - best) / 0.05) * a for w, a in zip(now[u], allowed[u], strict=True)]
            for c in range(places):
                wish[u][c] += 0.6 * (power[c] / sum(power) - wish[u][c])
    return worth()


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_worth_is_that_of_a_plain_loop(rounds: int) -> None:
    generator = torch.Generator().manual_seed(rounds)
    cell = torch.rand(12, 5, generator=generator).argsort(1)[:, :3]
    rate = 60 * torch.rand(12, 3, generator=generator, dtype=torch.float64)
    allowed = torch.rand(12, 3, generator=generator) < 0.7
    allowed[:, 0] = True
    found = announced(cell, rate * torch.tensor([1, math.exp(-0.3), math.exp(-0.3)]), allowed, 5, rounds=rounds)
    expected = by_hand(cell.tolist(), rate.tolist(), allowed.tolist(), rounds, 0.3)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_users_do_not_all_go_to_the_same_empty_cell() -> None:
    """Twelve users of one cell who all hear an empty one as well: without announcements all would go there."""
    cell = torch.tensor([[0, 1]]).expand(12, 2)
    rate = (100 + torch.rand(12, 2, generator=torch.Generator().manual_seed(0))).double()
    allowed = torch.ones(12, 2, dtype=torch.bool)
    alone = announced(cell, rate, allowed, 2, rounds=0)
    assert bool((alone[:, 1] > alone[:, 0]).all())
    told = announced(cell, rate, allowed, 2, rounds=60, temperature=0.3, damping=0.1)
    wish = (told / 0.3).softmax(1)[:, 1].sum()
    assert 5 < float(wish) < 7


def test_networks_of_a_batch_do_not_know_each_other() -> None:
    generator = torch.Generator().manual_seed(3)
    cell = torch.rand(8, 4, generator=generator).argsort(1)[:, :3]
    rate, allowed = 9 * torch.rand(8, 3, generator=generator), torch.ones(8, 3, dtype=torch.bool)
    both = announced(torch.cat([cell, cell.flip(0) + 4]), torch.cat([rate, 2 * rate]), allowed.repeat(2, 1), 8)
    torch.testing.assert_close(both[:8], announced(cell, rate, allowed, 4))
