"""Handovers against a slow oracle, and that none ever breaks the margin or the load cap."""

import pytest
import torch

from hetgraph.radio.handover import HandoverRule, handovers, resource_rates


def slow(cell: list[int], target: list[int], gain: list[float], cells: int, rule: HandoverRule) -> list[int]:
    load = [cell.count(k) for k in range(cells)]
    out = list(cell)
    for user in sorted(range(len(cell)), key=lambda u: -gain[u]):
        wish = target[user]
        if wish < 0 or wish == cell[user] or gain[user] < rule.margin_db:
            continue
        if load[wish] / rule.max_users <= rule.max_load + 1e-9:
            load[wish] += 1
            out[user] = wish
    return out


@pytest.mark.parametrize("rule", [HandoverRule(), HandoverRule(1.0, 0.5, 8), HandoverRule(0.0, 0.0, 3)])
def test_handovers_against_one_user_after_the_other(rule: HandoverRule) -> None:
    generator = torch.Generator().manual_seed(0)
    cell = torch.randint(5, (60, 40), generator=generator)
    target = torch.randint(-1, 5, (60, 40), generator=generator)
    gain = torch.randn(60, 40, generator=generator) * 6
    found = handovers(cell, target, gain, 5, rule)
    for b in range(60):
        assert found[b].tolist() == slow(cell[b].tolist(), target[b].tolist(), gain[b].tolist(), 5, rule)


@pytest.mark.parametrize("adversarial", [False, True])
def test_no_handover_below_the_margin_or_into_a_full_cell(adversarial: bool) -> None:
    """100,000 steps; adversaries all ask for the fullest cell that still takes one."""
    rule, generator = HandoverRule(), torch.Generator().manual_seed(1)
    cell = torch.randint(9, (500, 120), generator=generator)
    moved = 0
    for _ in range(200):
        load = torch.nn.functional.one_hot(cell, 9).sum(1)
        gain = torch.randn(500, 120, generator=generator) * 5
        target = torch.randint(-1, 9, (500, 120), generator=generator)
        if adversarial:
            target = load.masked_fill(load > 25, -1).argmax(1, keepdim=True).expand(500, 120)
        after = handovers(cell, target, gain, 9, rule)
        went = after != cell
        assert bool((gain[went] >= rule.margin_db).all()) and torch.equal(after[went], target[went])
        joined = (torch.nn.functional.one_hot(after, 9) * went.unsqueeze(2)).sum(1)
        grown = joined > 0
        assert bool((load[grown] <= 25).all()) and bool((load + joined)[grown].le(26).all())
        moved, cell = moved + int(went.sum()), after
    assert moved > 1000


def test_levels_share_a_cell_or_cost_nothing() -> None:
    cell = torch.tensor([[0, 0, 1]])
    level, alone = torch.tensor([[0, 4, 2]]), torch.tensor([[6.0, 12.0, 5.0]])
    torch.testing.assert_close(resource_rates(cell, level, alone, 3), torch.tensor([[1.0, 10.0, 5.0]]))
    paper = resource_rates(cell, level, alone, 3, model="paper")
    torch.testing.assert_close(paper, torch.tensor([[3.0 * 0.6, 6.0 * 1.0, 5.0 * 0.8]]))
    best = resource_rates(cell, torch.full_like(level, 4), alone, 3, model="paper")
    assert bool((best >= paper).all())
    with pytest.raises(ValueError, match=r"expected 0\.\.4"):
        resource_rates(cell, level + 1, alone, 3)
    with pytest.raises(ValueError, match="expected 'shared' or 'paper'"):
        resource_rates(cell, level, alone, 3, model="free")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected at least one user"):
        HandoverRule(max_users=0)
