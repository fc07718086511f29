"""Tables of uniform and compositional codes, and their look-ups with the ids as last argument."""

import dataclasses

import numpy as np
import tensorflow as tf

from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.ops.compositional import compositional_gather
from bcq_tf.ops.uniform import uniform_gather

ROWS = 21


def uniform_codes(bits, columns=13, zeros=()):
    """Codes of random rows, those in `zeros` of zeros."""
    matrix = np.random.default_rng(bits).normal(size=(ROWS, columns)).astype("float32")
    matrix[list(zeros)] = 0
    return quantize_uniform(matrix, bits)


def gather_uniform(codes, ids, half_step=None):
    """Rows of UniformCodes."""
    half_step = tf.constant(codes.half_step) if half_step is None else half_step
    parts = tf.constant(codes.packed), half_step
    return uniform_gather(*parts, ids, codes.bits, codes.columns, codes.zero_rows)


def compositional_codes(form, dtype="float32", seed=0):
    """Random codes of `form` = (M, K, columns)."""
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, form[1], (ROWS, form[0]))
    return CompositionalCodes.of(indexes, rng.normal(size=form).astype(dtype))


def gather_compositional(codes, ids, codebooks=None):
    """Rows of CompositionalCodes."""
    codebooks = tf.constant(codes.codebooks) if codebooks is None else codebooks
    return compositional_gather(tf.constant(codes.packed), codebooks, ids, codes.bits)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of codes of either kind."""

    codes: object
    gather: object

    def rows(self, ids):
        """Rows by the op."""
        return self.gather(self.codes, ids)

    def expected(self, ids):
        """Rows of the codes' matrix."""
        return self.codes.reconstruct()[ids]


COMPOSITIONAL_FORMS = {
    "one number": (1, 1, 1),
    "one column": (3, 5, 1),
    "few columns": (4, 3, 7),
    "sixteen of sixteen": (16, 16, 50),
    "many columns": (5, 9, 300),
    "many codebooks": (20, 2, 20),
    "bytes": (3, 256, 33),
    "long indexes": (3, 300, 17),
}
TABLES = {
    **{f"uniform, {bits} bits": (bits, ()) for bits in range(1, 9)},
    **{f"uniform, {bits} bits, rows of zeros": (bits, (0, 7, 8, 20)) for bits in (1, 5, 8)},
    **{
        f"compositional, {name}, float32": (f, "float32") for name, f in COMPOSITIONAL_FORMS.items()
    },
    **{
        f"compositional, {name}, float16": (COMPOSITIONAL_FORMS[name], "float16")
        for name in ("few columns", "sixteen of sixteen", "bytes", "long indexes")
    },
}


def make_table(name):
    """One of `TABLES`."""
    first, second = TABLES[name]
    if name.startswith("uniform"):
        return Table(uniform_codes(first, zeros=second), gather_uniform)
    return Table(compositional_codes(first, second), gather_compositional)
