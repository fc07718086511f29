"""What the tests of files save, and how they compare it."""

import numpy as np

from bcq_tf.codes import BinaryCodes, CompositionalCodes, UniformCodes, packing
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES


def random_codes(seed, rows, columns, bits, group_size=None, offset=False, ragged=False,
                 dtype=np.float16):  # fmt: skip
    rng = np.random.default_rng(seed)
    counts = [rows] * bits
    if ragged:
        counts[1:] = sorted(rng.integers(0, rows, bits - 1, endpoint=True), reverse=True)
    groups = 1 if group_size is None else -(-columns // group_size)
    held = np.float16 if dtype == "e5m4" else dtype
    return BinaryCodes(
        [packing.pack(rng.random((n, columns)) < 0.5) for n in counts],
        [as_scales(rng.random((n, groups)), dtype) for n in counts],
        columns,
        group_size,
        rng.normal(size=(rows, groups)).astype(held) if offset else None,
        rng.permutation(rows).astype(np.int32) if ragged else None,
    )


def as_scales(values, dtype):
    return SCALE_DTYPES["e5m4"].rounded(values) if dtype == "e5m4" else values.astype(dtype)


FACTS = {
    BinaryCodes: ("columns", "group_size"),
    UniformCodes: ("columns", "bits", "limit"),
    CompositionalCodes: (),
}


def assert_same(value, expected):
    """Equal to the bit, of the same type, dtype and shape."""
    kind = type(expected)
    if kind in FACTS:
        assert type(value) is kind
        assert all(getattr(value, fact) == getattr(expected, fact) for fact in FACTS[kind])
        arrays, others = value.arrays(), expected.arrays()
        assert list(arrays) == list(others)
    else:
        arrays, others = {"": value}, {"": expected}
    for name, array in arrays.items():
        other = others[name]
        assert (array.dtype, array.shape) == (other.dtype.newbyteorder("="), other.shape)
        assert array.tobytes() == other.astype(array.dtype).tobytes()
        assert not array.flags.writeable
