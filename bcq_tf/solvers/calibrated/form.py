"""`QuadraticForm`: how much the errors of a row cost, from the second moments of the inputs."""

from __future__ import annotations

import dataclasses

import numpy as np

DAMPING = 0.1  # of the mean diagonal, added to it: what few samples say is not all that counts


@dataclasses.dataclass(frozen=True)
class QuadraticForm:
    """e H e^T for the errors e of a row, with columns in the order in which they are solved.

    Args:
        order: int [C]; column k of the form is column order[k] of the matrix: those whose errors
            cost most come first, while others are left to make up for them.
        matrix: float32 [C, C], H: symmetric, positive definite, of mean diagonal about 1.
        feedback: float32 [C, C], upper triangular with ones on the diagonal: what an error in
            column j adds to the target of each later column k. H = feedback D feedback^T with a
            diagonal D, so that each column is best given the level nearest its target.
    """

    order: np.ndarray
    matrix: np.ndarray
    feedback: np.ndarray

    @classmethod
    def of(cls, moments: np.ndarray) -> QuadraticForm:
        """Of second moments E[x x^T], float [C, C]; moments of zero are taken for those of noise.

        Raises:
            ValueError: they are not those of any inputs: not positive semi-definite.
        """
        h = _damped(moments.astype(np.float64))
        order = np.argsort(-np.diag(h), kind="stable")
        h = h[np.ix_(order, order)]
        try:
            # The Cholesky factor of H from the last column on is that of H reversed.
            root = np.linalg.cholesky(h[::-1, ::-1])[::-1, ::-1]
        except np.linalg.LinAlgError:
            raise _indefinite() from None
        feedback = (root / np.diag(root)).astype(np.float32)
        return cls(order, h.astype(np.float32), feedback)

    @property
    def importance(self) -> np.ndarray:
        """What errors cost where each stands alone: float32 [C], in the order of the matrix."""
        result = np.empty(len(self.order), np.float32)
        result[self.order] = np.diag(self.matrix)
        return result


def _damped(h: np.ndarray) -> np.ndarray:
    diagonal = np.diag(h)
    if diagonal.min() < 0:
        raise _indefinite()
    mean = diagonal.mean()
    if mean == 0:
        if h.any():
            raise _indefinite()
        return np.eye(len(h))
    return h / mean + DAMPING * np.eye(len(h))


def _indefinite() -> ValueError:
    return ValueError("`moments` must be positive semi-definite. Received: a matrix that is not")


def corrected(matrix: np.ndarray, moments: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """The matrix that gives for new inputs x nearest to what `matrix` gave for the old ones u.

    By least squares, W + W E[(u - x) x^T] E[x x^T]^-1 (Li et al. 2025), the latter damped.

    Args:
        matrix: W, float [R, C], finite.
        moments: E[x x^T], [C, C].
        cross: E[(u - x) x^T], [C, C].
    """
    if not np.isfinite(matrix).all():  # for `quantize` to say so
        return matrix
    mean = np.diag(moments).mean(dtype=np.float64)
    if mean == 0:
        return matrix
    h = _damped(moments.astype(np.float64)).astype(np.float32)
    change = np.linalg.solve(h, (cross / np.float32(mean)).T).T  # cross H^-1
    return matrix + (matrix.astype(np.float32, copy=False) @ change)
