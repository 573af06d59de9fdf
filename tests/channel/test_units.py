"""Decibels and watts."""

import math

import pytest
import torch

from hetgraph.units import db_to_linear, dbm_to_w, linear_to_db, w_to_dbm


def test_known_values():
    assert db_to_linear(3.0) == pytest.approx(1.995262314968879)
    assert dbm_to_w(46.0) == pytest.approx(39.81071705534973)
    assert w_to_dbm(1.0) == pytest.approx(30.0)
    assert linear_to_db(0.0) == -math.inf
    assert math.isnan(linear_to_db(-1.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_agree_with_floats_and_keep_their_dtype(dtype):
    x_db = torch.linspace(-130.0, 60.0, 77, dtype=dtype)
    linear = db_to_linear(x_db)
    assert linear.dtype == dtype
    expected = torch.tensor([db_to_linear(x.item()) for x in x_db], dtype=dtype)
    torch.testing.assert_close(linear, expected, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=0.0)
    torch.testing.assert_close(linear_to_db(linear), x_db, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(w_to_dbm(dbm_to_w(x_db)), x_db, rtol=1e-5, atol=1e-4)


def test_zero_watts_is_minus_infinity():
    assert linear_to_db(torch.zeros(2)).tolist() == [-math.inf, -math.inf]
    assert w_to_dbm(0.0) == -math.inf
