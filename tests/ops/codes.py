"""Random binary codes of every form, and the two ways in which their ops run."""

import contextlib

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.packing import pack


def random_codes(
    seed=0,
    rows=70,
    columns=100,
    bits=3,
    group_size=None,
    ragged=False,
    offset=False,
    dtype="float32",
):
    """Codes with random signs, scales and offset; `ragged` rows have fewer planes and an order."""
    rng = np.random.default_rng(seed)
    counts = np.full(bits, rows)
    if ragged:
        counts[1:] = np.sort(rng.integers(0, rows + 1, bits - 1))[::-1]
    groups = 1 if group_size is None else -(-columns // group_size)
    return BinaryCodes(
        planes=[pack(rng.random((count, columns)) < 0.5) for count in counts],
        scales=[rng.uniform(0.1, 1, (count, groups)).astype(dtype) for count in counts],
        columns=columns,
        group_size=group_size,
        offset=rng.normal(size=(rows, groups)).astype(dtype) if offset else None,
        row_order=rng.permutation(rows) if ragged else None,
    )


FORMS = {
    "plain": {},
    "one_bit": {"bits": 1},
    "eight_bits": {"bits": 8, "rows": 20},
    "one_weight": {"rows": 1, "columns": 1},
    "one_row": {"rows": 1, "columns": 333},
    "one_column": {"rows": 130, "columns": 1},
    "whole_tiles": {"rows": 128, "columns": 64},
    "groups": {"group_size": 32},
    "short_last_group": {"group_size": 64, "columns": 150, "offset": True},
    "offset": {"offset": True},
    "half_scales": {"group_size": 32, "offset": True, "dtype": "float16"},
    "ragged": {"ragged": True, "rows": 300, "bits": 4},
    "ragged_groups": {"ragged": True, "rows": 200, "group_size": 32, "offset": True},
}


def runs_on(which):
    """A context in which ops are the compiled ones or the plain TensorFlow ones."""
    from bcq_tf.ops import portable_ops

    return portable_ops() if which == "portable" else contextlib.nullcontext()
