"""Agreements: worth against plain loops, results against all choices, and what users would not do alone."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from hetgraph.solvers.announced import announced
from hetgraph.solvers.handover import Choice, best_places, improve, priced
from hetgraph.solvers.negotiated import added_value, agree, intended, negotiated


def draw(networks: int, users: int, cells: int, seed: int, room: int = 4) -> Choice:
    """Users with two other cells each, some of them allowed, some cells without room."""
    g = torch.Generator().manual_seed(seed)
    order = torch.rand(networks, users, cells, generator=g).argsort(dim=2)[..., :3]
    allowed = torch.rand(networks, users, 3, generator=g) < 0.7
    allowed[..., 0] = True
    rate = (torch.randn(networks, users, 3, generator=g, dtype=torch.float64) * 1.2 + 3).exp()
    return Choice(order, allowed, rate, torch.randint(0, room, (networks, cells), generator=g).double())


def one_network(cell: Sequence[Sequence[int]], rate: Sequence[Sequence[float]], room: Sequence[int]) -> Choice:
    """All places allowed."""
    cells = torch.tensor([cell])
    return Choice(cells, torch.ones_like(cells, dtype=torch.bool), torch.tensor([rate]).double(), torch.tensor([room]))


def utility(choice: Choice, b: int, place: Sequence[int], without: int = -1) -> float:
    """Sum of log(1 + rate) of a network by hand, a user left out."""
    cell = [int(choice.cell[b, u, p]) for u, p in enumerate(place)]
    here = [c for u, c in enumerate(cell) if u != without]
    terms = (float(choice.rate[b, u, p]) / here.count(cell[u]) for u, p in enumerate(place) if u != without)
    return sum(math.log(1 + x) for x in terms)


def keeps(choice: Choice, b: int, place: Sequence[int]) -> bool:
    """Whether users only go where they may and where there is room."""
    joins = [int(choice.cell[b, u, p]) for u, p in enumerate(place) if p]
    may = all(bool(choice.allowed[b, u, p]) for u, p in enumerate(place))
    return may and all(joins.count(k) <= float(choice.room[b, k]) for k in joins)


def test_worth_is_what_a_user_adds() -> None:
    choice = draw(6, 8, 4, seed=0)
    choice = replace(choice, room=choice.room + 9)  # room for all
    place = torch.where(choice.allowed.roll(1, 2)[..., 0], 2, 0)
    found = added_value(choice, place)
    for b, u, p in itertools.product(range(6), range(8), range(3)):
        moved = place[b].tolist()
        moved[u] = p
        expected = utility(choice, b, moved) - utility(choice, b, moved, without=u)
        assert float(found[b, u, p]) == pytest.approx(expected, abs=1e-9)


def test_agreements_keep_the_rules_and_never_make_it_worse() -> None:
    choice = draw(30, 12, 5, seed=1)
    place = torch.zeros_like(choice.cell[..., 0])
    before = choice.utility(place)
    for _ in range(12):
        place = agree(choice, place, 1)
        after = choice.utility(place)
        assert bool((after >= before - 1e-9).all())
        before = after
        assert all(keeps(choice, b, place[b].tolist()) for b in range(30))
    whole = agree(choice, torch.zeros_like(place), 12)
    assert torch.equal(whole, place)
    for b in range(30):  # nothing that one user could do is left
        base = utility(choice, b, place[b].tolist())
        for u, p in itertools.product(range(12), range(3)):
            moved = [p if i == u else q for i, q in enumerate(place[b].tolist())]
            assert not keeps(choice, b, moved) or utility(choice, b, moved) <= base + 1e-4


@pytest.mark.parametrize(("users", "cells"), [(6, 3), (6, 5)])
def test_near_the_best_of_all_choices(users: int, cells: int) -> None:
    choice = draw(25, users, cells, seed=users)
    found = agree(choice, intended(choice), 30)
    regret = room = 0.0
    for b in range(25):
        best = max(utility(choice, b, p) for p in itertools.product(range(3), repeat=users) if keeps(choice, b, p))
        regret += best - utility(choice, b, found[b].tolist())
        room += best - utility(choice, b, [0] * users)
    central = choice.utility(improve(choice, torch.zeros_like(choice.cell[..., 0])))
    assert regret < 0.05 * room
    assert float((choice.utility(found) - central).mean()) > -0.02 * room / 25


def test_two_users_change_places_and_far_cells_do_not_wait() -> None:
    """Users of cells 0 and 1 would each rather be at the other's; those of 2 and 3 likewise. One round is enough for both pairs."""
    cell = [[0, 1], [1, 0], [2, 3], [3, 2]]
    rate = [[10.0, 60.0]] * 4
    choice = one_network(cell, rate, [1, 1, 1, 1])
    stay = torch.zeros(1, 4, dtype=torch.long)
    assert agree(choice, stay, 1).tolist() == [[1, 1, 1, 1]]  # both exchanges in one round
    assert agree(replace(choice, room=torch.zeros(1, 4)), stay, 5).tolist() == [[0, 0, 0, 0]]
    b = negotiated(choice, patience=0.0)
    assert b.argmax(2).tolist() == [[1, 1, 1, 1]]
    assert negotiated(choice, patience=3.0).argmax(2).tolist() == [[0, 0, 0, 0]]  # 60 is below 10 exp(3)


def test_one_goes_on_so_that_another_comes() -> None:
    """Cell 1 is no place for two, and the one who is there would not leave it for its own sake: neither helps alone, both do."""
    cell, rate = [[0, 1], [1, 2]], [[10.0, 14.0], [14.0, 13.8]]
    choice = one_network(cell, rate, [2, 2, 2])
    assert utility(choice, 0, [0, 0]) > max(utility(choice, 0, [1, 0]), utility(choice, 0, [0, 1]))
    assert agree(choice, torch.zeros(1, 2, dtype=torch.long), 5).tolist() == [[1, 1]]
    assert utility(choice, 0, [1, 1]) > utility(choice, 0, [0, 0])


def test_of_equals_one_goes() -> None:
    """Three users of cell 0 gain the same in cell 1, which takes one: one goes, in one round as in many."""
    choice = one_network([[0, 1]] * 3, [[12.0, 20.0]] * 3, [3, 1])
    for rounds in (1, 5):
        assert agree(choice, torch.zeros(1, 3, dtype=torch.long), rounds).sum() == 1
    two = one_network([[0, 1]] * 2, [[12.0, 12.5]] * 2, [2, 2])  # where both are worse off than one
    for rounds in range(1, 5):
        assert agree(two, torch.zeros(1, 2, dtype=torch.long), rounds).sum() == 1


def test_worth_of_a_full_cell_by_hand() -> None:
    """Cell 1 takes one, and user 0 is there: user 1 would push it out, user 2 is at home there and may always come back."""
    choice = one_network([[0, 1], [0, 1], [1, 0]], [[10.0, 40.0], [10.0, 30.0], [25.0, 4.0]], [3, 1])
    place = torch.tensor([[1, 0, 1]])

    def adds(user: int, at: int) -> float:
        moved = [at if u == user else p for u, p in enumerate(place[0].tolist())]
        return utility(choice, 0, moved) - utility(choice, 0, moved, without=user)

    found = added_value(choice, place)[0]
    expected = min(adds(1, 1) - (adds(0, 1) - adds(0, 0)), adds(1, 0))
    assert float(found[1, 1]) == pytest.approx(expected, abs=1e-4) and float(found[1, 1]) < float(found[1, 0])
    assert float(found[2, 0]) == pytest.approx(adds(2, 0), abs=1e-9)
    choice = replace(choice, rate=torch.tensor([[[10.0, 10.5], [10.0, 900.0], [25.0, 4.0]]]).double())
    capped = added_value(choice, place)[0]  # user 1 would gain more there than user 0 does: it is to stay all the same
    assert adds(1, 1) - (adds(0, 1) - adds(0, 0)) > adds(1, 0)
    assert 0 < float(capped[1, 0] - capped[1, 1]) < 1e-4


def test_patience_counts_once() -> None:
    choice = draw(5, 12, 5, seed=8)
    less = torch.cat([choice.rate[..., :1], choice.rate[..., 1:] * math.exp(-0.7)], 2)
    expected = negotiated(replace(choice, rate=less), patience=0.0)
    torch.testing.assert_close(negotiated(choice, patience=0.7), expected, rtol=1e-12, atol=1e-12)
    assert not torch.equal(negotiated(choice, patience=0.0), expected)


def test_prices_grow_with_crowding_by_loop() -> None:
    choice = draw(4, 12, 5, seed=9, room=30)
    found = priced(choice, 0.3, 0.05).rate
    some = False
    for b, u in itertools.product(range(4), range(12)):
        room = [float(choice.room[b, cell]) for cell in choice.cell[b, u].tolist()]
        prices = [0.0] + [max(0.3 + 0.05 * (sum(room) / 3 - one), 0.0) for one in room[1:]]
        some |= 0.0 in prices[1:]
        expected = [rate * math.exp(-price) for rate, price in zip(choice.rate[b, u].tolist(), prices, strict=True)]
        assert found[b, u].tolist() == pytest.approx(expected, rel=1e-12)
    assert some  # no price below zero
    torch.testing.assert_close(priced(choice, 0.3).rate[..., 1:], choice.rate[..., 1:] * math.exp(-0.3))


def test_crowding_sends_users_where_there_is_room() -> None:
    """A user may leave its cell for one of two that are as good; one of them has taken as many as it may but five."""
    choice = one_network([[0, 1, 2]], [[4.0, 8.0, 8.1]], [10, 20, 5])
    for rule in (negotiated, best_places):
        price = {"patience": 0.4} if rule is negotiated else {"least_gain": 0.4}
        one, other = (rule(choice, **price, crowding=crowding) for crowding in (0.0, 0.03))  # type: ignore[operator]
        places = [int(found.argmax(2)) if rule is negotiated else int(found) for found in (one, other)]
        assert places == [2, 1]
    dear = replace(choice, room=torch.tensor([[30, 12, 5]]))
    assert int(best_places(dear, 0.4)) == 2 and int(best_places(dear, 0.4, 0.1)) == 0


def test_a_full_cell_takes_those_who_gain_most_and_others_do_not_ask() -> None:
    """Six users hear an empty cell that takes two: announcements send more there, agreements the two of the highest rates."""
    cell = [[0, 1]] * 6
    rate = [[12.0, 12.0 + 6 * u] for u in (2, 5, 0, 3, 4, 1)]
    choice = one_network(cell, rate, [6, 2])
    alone = announced(choice.cell[0], choice.rate[0], choice.allowed[0], 2)
    assert int((alone.argmax(1) == 1).sum()) > 2
    found = negotiated(choice, patience=0.0)
    assert found.argmax(2)[0].nonzero().flatten().tolist() == [1, 4]
    assert bool(found.isfinite().all())


def test_networks_of_a_batch_do_not_touch() -> None:
    choice = draw(5, 12, 5, seed=3)
    together = negotiated(choice, agreements=8)
    for b in range(5):
        alone = Choice(*(getattr(choice, name)[b : b + 1] for name in ("cell", "allowed", "rate", "room")))
        torch.testing.assert_close(negotiated(alone, agreements=8), together[b : b + 1], rtol=1e-12, atol=1e-12)
