"""Random numbers by counting: uniform, independent of the company of a network, against a slow hash."""

import torch

from hetgraph.graph.counters import FIRST, GOLDEN, SECOND, Networks, choices, uniforms

MASK = (1 << 64) - 1


def slow(key: int, number: int) -> int:
    """SplitMix64 in Python's integers."""
    z = (key + number * GOLDEN) & MASK
    z = ((z ^ (z >> 30)) * (FIRST & MASK)) & MASK
    z = ((z ^ (z >> 27)) * (SECOND & MASK)) & MASK
    return z ^ (z >> 31)


def test_numbers_are_those_of_the_hash() -> None:
    keys = Networks(7, range(3, 6)).keys
    found = uniforms(keys, 40, 5, 4)
    assert found.shape == (5, 4, 3)
    for row in range(5):
        half, word = divmod(row, 3)
        for slot in range(4):
            for network, key in enumerate(keys.tolist()):
                z = slow(key, 40 + 1 + word * 4 + slot)
                expected = (z >> (40 if half == 0 else 16)) & ((1 << 24) - 1)
                assert float(found[row, slot, network]) == expected / (1 << 24)


def test_a_network_has_its_numbers_in_any_company() -> None:
    many = uniforms(Networks(1, range(100)).keys, 9, 3, 5)
    assert torch.equal(uniforms(Networks(1, range(42, 43)).keys, 9, 3, 5)[..., 0], many[..., 42])
    assert torch.equal(uniforms(Networks(1, range(100)).keys, 11, 3, 2)[0], many[0, 2:4])
    assert not torch.equal(uniforms(Networks(2, range(100)).keys, 9, 3, 5), many)


def test_numbers_are_uniform_and_networks_independent() -> None:
    drawn = uniforms(Networks(3, range(3000)).keys, 0, 6, 40).double()
    assert float(drawn.min()) >= 0 and float(drawn.max()) < 1
    error = (1 / 12 / drawn.numel()) ** 0.5
    assert abs(float(drawn.mean()) - 0.5) < 4 * error and abs(float(drawn.var()) * 12 - 1) < 0.01
    each = torch.corrcoef(drawn.flatten(0, 1)).fill_diagonal_(0).abs()  # between numbers, over networks
    assert float(each.max()) < 5.5 / 3000**0.5
    each = torch.corrcoef(drawn.flatten(0, 1).T[:200]).fill_diagonal_(0).abs()  # between networks, over numbers
    assert float(each.max()) < 5 / 240**0.5
    counts = choices(drawn.float(), 7).flatten().bincount().double() / drawn.numel()
    torch.testing.assert_close(counts, torch.full((7,), 1 / 7, dtype=torch.float64), atol=2e-3, rtol=0)
    almost = torch.tensor([1 - 2.0**-24])
    assert all(int(choices(almost, count)) == count - 1 for count in range(1, 3000))
