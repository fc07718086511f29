"""Products in parts against NumPy's."""

import numpy as np
import pytest

from bcq_tf.solvers.compositional import index_search
from bcq_tf.solvers.compositional.index_search import lone_product


@pytest.mark.parametrize("rows", [1, 6, 7, 20, 21])
@pytest.mark.parametrize("limit", [1, 7 * 15, 1 << 18])
def test_products_in_parts_are_products(monkeypatch, rows, limit):
    monkeypatch.setattr(index_search, "LONE_PRODUCT", limit)
    rng = np.random.default_rng(rows)
    a = rng.standard_normal((rows, 5)).astype(np.float32)
    b = rng.standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_allclose(lone_product(a, b), a @ b, rtol=1e-4, atol=1e-5)
