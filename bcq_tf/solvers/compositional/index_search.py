"""Local search of the indexes of additive codes, with the codebooks given."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.spans import for_chunks

TRIALS = 4  # of a round
CHANGED = 2  # indexes of a row that a trial changes at random
SWEEPS = 3  # over all codebooks, after which few indexes still change
LONE_PRODUCT = 1 << 18  # multiplications, below which OpenBLAS takes no threads of its own


def improve_indexes(
    matrix: np.ndarray, indexes: np.ndarray, codebooks: np.ndarray, seed: tuple[int, ...]
) -> None:
    """Lowers the squared error of rows by other indexes: iterated local search.

    A trial changes some indexes of each row at random, then takes the best index of one codebook
    after the other, the rest held. A row keeps what makes its error smaller.

    Args:
        matrix: float32 [R, D].
        indexes: intp [R, M], improved in place.
        codebooks: float32 [M, K, D].
        seed: of the trials. What they try does not depend on the number of threads.
    """
    norms = np.square(codebooks).sum(axis=2)
    products = codebooks @ codebooks.swapaxes(1, 2)
    known = (codebooks, norms, products)

    def work(chunk: slice) -> None:
        rng = np.random.default_rng((*seed, chunk.start))
        _search(matrix[chunk], indexes[chunk], known, rng)

    for_chunks(len(matrix), max(codebooks.shape[1:]), 1, work)


def lone_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a [n, D] @ b [D, K], float32 [n, K], on the thread that asks for it.

    OpenBLAS's threads are in the way where there are several already, and they wait for each other
    where the machine has other work: products of some thousand rows and few columns then take many
    times as long.
    """
    step = max(1, LONE_PRODUCT // b.size)
    whole = len(a) - len(a) % step
    result = np.empty((len(a), b.shape[1]), np.float32)
    parts = a[:whole].reshape(-1, step, len(b)) @ b
    result[:whole] = parts.reshape(whole, b.shape[1])
    np.matmul(a[whole:], b, out=result[whole:])
    return result


def residuals(matrix: np.ndarray, indexes: np.ndarray, codebooks: np.ndarray) -> np.ndarray:
    """matrix - sum_m codebooks[m, indexes[:, m]], float32 [R, D]."""
    rest = matrix.copy()
    for codebook, index in zip(codebooks, indexes.T, strict=True):
        rest -= codebook[index]
    return rest


def _search(matrix, indexes, known, rng) -> None:
    rest = residuals(matrix, indexes, known[0])
    _descend(rest, indexes, known, rng)
    if indexes.shape[1] == 1:
        return  # the best index of the only codebook is the best there is
    error = _squares(rest)
    for _ in range(TRIALS):
        tried, tried_rest = indexes.copy(), rest.copy()
        _disturb(tried_rest, tried, known[0], rng)
        for _ in range(SWEEPS):
            _descend(tried_rest, tried, known, rng)
        tried_error = _squares(tried_rest)
        better = np.flatnonzero(tried_error < error)
        for kept, new in ((indexes, tried), (rest, tried_rest), (error, tried_error)):
            kept[better] = new[better]


def _disturb(rest, indexes, codebooks, rng) -> None:
    rows = np.arange(len(rest))
    count, entries, _ = codebooks.shape
    for _ in range(CHANGED):
        m, k = rng.integers(count, size=len(rest)), rng.integers(entries, size=len(rest))
        rest += codebooks[m, indexes[rows, m]] - codebooks[m, k]
        indexes[rows, m] = k


def _descend(rest, indexes, known, rng) -> None:
    # The best index of each codebook in turn. With u = rest + c_old the error |u - c_k|^2 is, but
    # for a constant, |c_k|^2 - 2 c_k . rest - 2 c_k . c_old.
    codebooks, norms, products = known
    for m in rng.permutation(len(codebooks)):
        old = indexes[:, m]
        cost = lone_product(rest, -2 * codebooks[m].T)
        cost += (norms[m] - 2 * products[m])[old]
        new = cost.argmin(axis=1)
        changed = np.flatnonzero(new != old)
        rest[changed] += codebooks[m, old[changed]] - codebooks[m, new[changed]]
        indexes[changed, m] = new[changed]


def _squares(rest: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", rest, rest)
