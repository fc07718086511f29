"""A plain writer of the pickled files of transformer_bcq: greedy codes, row by row."""

import numpy as np


def quantize(weight, num_bits=3, transpose=False):
    """The dict that stands for a weight in a legacy file."""
    matrix = weight.reshape(-1, weight.shape[-1]).astype(np.float64)
    matrix = matrix.T.copy() if transpose else matrix
    rows, columns = matrix.shape
    positive = np.zeros((rows, columns, num_bits), bool)
    alphas = np.zeros((rows, num_bits))
    for r in range(rows):
        residual = matrix[r].copy()
        for q in range(num_bits):
            positive[r, :, q] = residual >= 0
            alphas[r, q] = np.abs(residual).mean()
            residual -= alphas[r, q] * np.where(positive[r, :, q], 1, -1)
    bits = np.packbits(positive, axis=1)
    return {
        "num_bits": num_bits,
        "transpose": transpose,
        "test_integrity": True,
        "w_orig_shape": list(weight.shape),
        "w_2d_shape": [rows, columns],
        "bits": bits,
        "alphas": alphas,
        "shape": {"bits": bits.shape, "alphas": alphas.shape, "orig": list(weight.shape)},
    }


def dequantize(fields):
    """The float64 weight that such a dict stands for."""
    columns = fields["w_2d_shape"][1]
    signs = np.unpackbits(fields["bits"], axis=1)[:, :columns] * 2.0 - 1
    matrix = (signs * fields["alphas"][:, None, :]).sum(axis=2)
    return (matrix.T if fields["transpose"] else matrix).reshape(fields["w_orig_shape"])


def random_weight(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write(path, value):
    # As an array of one object, which np.save makes of a dict; a list needs it to be said.
    array = np.empty((), object)
    array[()] = value
    np.save(path, array, allow_pickle=True)


def header(shape="()"):
    text = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + text.encode()
