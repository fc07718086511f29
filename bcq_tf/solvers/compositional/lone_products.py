"""Matrix products on the thread that asks for them.

OpenBLAS takes no threads of its own below so many multiplications. Its threads are in the way where
there are several already, and they wait for each other where the machine has other work: products
of some thousand rows and few columns then take many times as long.
"""

from __future__ import annotations

import numpy as np

LONE_PRODUCT = 1 << 18


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a [n, D] @ b [D, K], float32 [n, K]."""
    step = max(1, LONE_PRODUCT // b.size)
    whole = len(a) - len(a) % step
    result = np.empty((len(a), b.shape[1]), np.float32)
    parts = a[:whole].reshape(-1, step, len(b)) @ b
    result[:whole] = parts.reshape(whole, b.shape[1])
    np.matmul(a[whole:], b, out=result[whole:])
    return result
