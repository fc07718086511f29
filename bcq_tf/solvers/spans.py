"""How a matrix is cut up: into groups of columns of equal length, and into chunks of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bcq_tf.pool import cores

# What is treated at once: enough that the work outweighs NumPy's calls, little enough that the
# arrays of a chunk stay in a core's cache.
CHUNK_WEIGHTS = 1 << 17
CHUNK_LEVELS = 1 << 12  # rows times levels


@dataclasses.dataclass(frozen=True)
class Span:
    """Columns of a matrix that form whole groups of one length."""

    columns: slice
    groups: slice

    @property
    def width(self) -> int:
        """Columns of one group."""
        return (self.columns.stop - self.columns.start) // (self.groups.stop - self.groups.start)

    def rows(self, matrix: np.ndarray) -> np.ndarray:
        """[R, C] -> [R * groups, width], one row for each group."""
        return matrix[:, self.columns].reshape(-1, self.width)

    def params(self, params: np.ndarray) -> np.ndarray:
        """[m, R, G] -> [m, R * groups], the params of `rows`."""
        return params[:, :, self.groups].reshape(len(params), -1)


def spans(columns: int, group_size: int | None) -> list[Span]:
    """The whole row; or all full groups, then the short one that may be left."""
    if group_size is None or group_size >= columns:
        return [Span(slice(0, columns), slice(0, 1))]
    full = columns // group_size
    found = [Span(slice(0, full * group_size), slice(0, full))]
    if columns % group_size:
        found.append(Span(slice(full * group_size, columns), slice(full, full + 1)))
    return found


def for_chunks(count: int, width: int, levels: int, work: Callable[[slice], None]) -> None:
    """Calls `work` with slices that cover `count` rows, on all cores.

    width: weights of a row. levels: how many a row's weights can take, without their signs.
    """
    step = max(1, min(CHUNK_LEVELS // levels, CHUNK_WEIGHTS // width))
    chunks = [slice(begin, min(begin + step, count)) for begin in range(0, count, step)]
    workers = min(cores(), len(chunks))
    if workers == 1:
        for chunk in chunks:
            work(chunk)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, chunks):  # the loop raises what `work` raised
            pass
