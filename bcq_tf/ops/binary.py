"""`bcq_matmul` and `bcq_gather`: the product with a matrix of binary codes, and its rows; and the
whole matrix, transposed."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.codes import BinaryCodes
from bcq_tf.ops import compiled, portable
from bcq_tf.ops.engine import Op
from bcq_tf.ops.fields import integer_ids
from bcq_tf.ops.tiled_codes import TiledCodes, tiled

DTYPES = (tf.float32, tf.float16, tf.bfloat16)
PRECISIONS = ("exact", "fast")

product = Op(compiled.product, portable.product)
gather = Op(compiled.gather, portable.gather)


def _columns_of_rows(codes: TiledCodes, dtype: tf.DType):
    return tf.transpose(gather(tf.range(codes.layout.rows, dtype=tf.int64), codes, dtype))


columns = Op(compiled.columns, _columns_of_rows)


def bcq_matmul(x, codes: BinaryCodes | TiledCodes, precision: str = "exact"):
    """y = x W^T with the matrix W [R, C] that `codes` stand for; W is never made.

    Args:
        x: float32, float16 or bfloat16 [..., C].
        codes: `TiledCodes`, or `BinaryCodes`, which are put into tiles at each call.
        precision: "exact" has the error of a float32 product, for finite x at most 4e-7 of the
            result's root mean square on Gaussian inputs. "fast" rounds x to 8 bits, relative to the
            largest of its neighbours, or for several rows of x the levels of W: 5e-3 there. Where
            the compiled library is not loaded both are the float32 product. Gradients are always
            exact.

    Returns:
        [..., R] of x's dtype, accumulated in float32. The compiled op gives the same bits for every
        number of threads and, where exact, every split of the batch and every processor. NaN and
        Inf go where a float product takes them.

    Differentiable, to any order, by x and by the scales and the offset of `TiledCodes`: with
    dW = dy^T x, the gradient of scales[g, i, r] is the sum of dW[r, c] sign(i, r, c) over the
    columns c of group g, that of offset[g, r] the sum of dW[r, c]. Signs have none. Training the
    scales alone is AlphaTuning (Kwon et al. 2022).

    Raises:
        TypeError: x is of another dtype, or codes are no codes.
        ValueError: x does not end with C, or precision is unknown.
        tf.errors.InvalidArgumentError: the same, of what is known only when a graph runs.

    Example:
        >>> matrix = np.random.default_rng(0).normal(size=(100, 256)).astype("float32")
        >>> codes = bcq_tf.quantize(matrix, bits=3)
        >>> tiled = bcq_tf.ops.TiledCodes.from_codes(codes)
        >>> x = np.ones((2, 256), "float32")
        >>> y = bcq_tf.ops.bcq_matmul(x, tiled)
        >>> bool(np.allclose(y, x @ codes.reconstruct().T, atol=1e-3))
        True
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {list(PRECISIONS)}. Received: precision={precision!r}"
        )
    codes = tiled(codes)
    x = tf.convert_to_tensor(x)
    check_dtype("x", x.dtype)
    columns = codes.layout.columns
    if x.shape.rank == 0 or (x.shape.rank and x.shape[-1] not in (None, columns)):
        raise ValueError(f"`x` must be [..., {columns}]. Received: {x.shape}")
    return product(x, codes, precision)


def bcq_gather(codes: BinaryCodes | TiledCodes, ids, dtype=tf.float32):
    """The rows `ids` of the matrix W [R, C] that `codes` stand for: an embedding from its codes.

    Args:
        codes: `TiledCodes`, or `BinaryCodes`, which are put into tiles at each call.
        ids: integers from 0 to R - 1, of any shape.
        dtype: of the result: float32, float16 or bfloat16.

    Returns:
        [..., C], in float32 the same bits as `codes.reconstruct()[ids]`. Differentiable by scales
        and offset as `bcq_matmul` is.

    Raises:
        TypeError: ids are no integers, or codes are no codes.
        tf.errors.InvalidArgumentError: an id is no row; the message names it. Plain TensorFlow ops
            cannot raise on a GPU or under XLA: such a row is NaN there.

    Example:
        >>> codes = bcq_tf.quantize(np.eye(4, 32), bits=2)
        >>> rows = bcq_tf.ops.bcq_gather(bcq_tf.ops.TiledCodes.from_codes(codes), [2, 0])
        >>> rows.numpy()[:, :4]
        array([[0., 0., 1., 0.],
               [1., 0., 0., 0.]], dtype=float32)
    """
    codes = tiled(codes)
    dtype = tf.as_dtype(dtype)
    check_dtype("dtype", dtype)
    return gather(integer_ids(ids), codes, dtype)


def bcq_columns(codes: BinaryCodes | TiledCodes, dtype=tf.float32):
    """W^T [C, R], as kernels of layers are, of the matrix W that `codes` stand for; arguments,
    bits and gradients as those of `bcq_gather` for all rows."""
    dtype = tf.as_dtype(dtype)
    check_dtype("dtype", dtype)
    return columns(tiled(codes), dtype)


def check_dtype(name: str, dtype: tf.DType) -> None:
    """Raises TypeError unless the ops compute in `dtype`."""
    if dtype not in DTYPES:
        allowed = ", ".join(allowed.name for allowed in DTYPES)
        raise TypeError(f"`{name}` must be one of {allowed}. Received: {dtype.name}")
