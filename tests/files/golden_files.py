"""What the files in tests/files/data hold. Run as a script, this writes those not there yet.

They were written once and must be readable for ever; never write one again.

- `codes_v1.bcq.npy`: format version 1; ragged planes with a row order, groups, offsets, and arrays.
- `transformer_bcq_numpy1.bcq.npy`: the pickled format of transformer_bcq, written by NumPy 1.26,
  whose pickles name `numpy.core` where those of NumPy 2 name `numpy._core`.
"""

from __future__ import annotations

import pathlib

import numpy as np

DATA = pathlib.Path(__file__).parent / "data"
CODES_V1 = DATA / "codes_v1.bcq.npy"
TRANSFORMER_BCQ = DATA / "transformer_bcq_numpy1.bcq.npy"

METADATA = {"epoch": 3, "loss": 0.1, "name": "naïve", "nested": {"list": [1, None, True, "x"]}}


def _signs(*shape):
    # Some pattern of booleans without a short period.
    n = np.arange(np.prod(shape)).reshape(shape)
    return n * n % 7 % 2 == 1


def codes_v1() -> dict:
    """The tensors of `CODES_V1`, by name."""
    import ml_dtypes

    from bcq_tf.codes import BinaryCodes
    from bcq_tf.codes.packing import pack

    ragged = BinaryCodes(
        planes=[pack(_signs(rows, 40)) for rows in (3, 2, 2)],
        scales=[np.full((rows, 2), 1 / rows, np.float16) for rows in (3, 2, 2)],
        columns=40,
        group_size=32,
        offset=np.arange(6, dtype=np.float16).reshape(3, 2) / 8,
        row_order=np.array([2, 0, 1], np.int32),
    )
    plain = BinaryCodes([pack(_signs(2, 16))], [np.array([[0.5], [0.25]], np.float32)], 16)
    return {
        "decoder/embedding": ragged,
        "decoder/kernel": plain,
        "decoder/bias": np.array([1, -2.5, np.nan, np.inf], np.float32),
        "half": np.array([[1.5], [-2]], ml_dtypes.bfloat16),
        "steps": np.array(2**40, np.int64),
        "mask": np.array([True, False, True]),
        "empty": np.zeros((0, 3), np.float64),
    }


def legacy_weights() -> dict:
    """The signs [R, C, q] and alphas [R, q] of the quantized weights of `TRANSFORMER_BCQ`."""
    return {
        name: (_signs(rows, columns, 3), (1 + np.arange(rows * 3).reshape(rows, 3)) / 10)
        for name, rows, columns in (
            ("encoder/pos_embedding/embedding/0", 5, 8),
            ("encoder/layer_0/self_attention/mha/0", 16, 8),
            ("final_layer/0", 6, 8),
        )
    }


def legacy_tree() -> dict:
    """What is pickled in `TRANSFORMER_BCQ`."""
    table, attention, final = legacy_weights().values()
    return {
        "encoder/pos_embedding/embedding": [_legacy_dict(*table, [5, 8])],
        "encoder/layer_0/self_attention/mha": [
            _legacy_dict(*attention, [8, 2, 8]),
            np.arange(16, dtype=np.float32).reshape(2, 8),
        ],
        "encoder/layer_0/self_attention/layernorm": [np.ones(8, "f4"), np.zeros(8, "f4")],
        "final_layer": [_legacy_dict(*final, [8, 6], transpose=True), np.ones(6, np.float32)],
    }


def _legacy_dict(signs, alphas, shape, transpose=False) -> dict:
    bits = np.packbits(signs, axis=1)
    return {
        "num_bits": signs.shape[2],
        "transpose": transpose,
        "test_integrity": True,
        "w_orig_shape": shape,
        "w_2d_shape": list(signs.shape[:2]),
        "bits": bits,
        "alphas": alphas,
        "shape": {"bits": bits.shape, "alphas": alphas.shape, "orig": shape},
    }


def main():
    DATA.mkdir(exist_ok=True)
    if not TRANSFORMER_BCQ.exists():
        np.save(TRANSFORMER_BCQ, legacy_tree(), allow_pickle=True)
    if not CODES_V1.exists():
        from bcq_tf.files.file import save

        save(CODES_V1, codes_v1(), METADATA)


if __name__ == "__main__":
    main()
