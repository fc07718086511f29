"""`QuantEmbedding`: an embedding of so many bits, made from a matrix or a file of vectors."""

from __future__ import annotations

import os

import keras
import numpy as np

from bcq_tf.codes import BinaryCodes, CodedMatrix, UniformCodes
from bcq_tf.codes.kinds import KINDS
from bcq_tf.config import check_integer
from bcq_tf.files import file
from bcq_tf.layers.kinds.coded_weight import table_view
from bcq_tf.layers.kinds.registry import weight_of
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.layers.table_codes import METHODS, check_method, table_codes, table_weight
from bcq_tf.shown import short


@keras.saving.register_keras_serializable(package="bcq_tf")
class QuantEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose table has so many bits a value, and is frozen.

    The layer keeps codes and no float table. Its variables, and so `.keras` and weights files, hold
    the codes; without `weights` and `embedding_file` the table is zero until they are loaded. The
    codes do not train, whatever `trainable` says; the other layers of a model do.

    Args:
        num_embeddings: R, rows of the table.
        embedding_dim: C.
        nbit: bits of a value: 1 to 8; 16 or 32 for a table of floats.
        weights: float matrix [R, C]; or its codes, made by `method` with `nbit` bits.
        embedding_file: a file of word vectors, see `bcq_tf.embeddings.read_vectors`, or a
            `.bcq.npy` file with a tensor "embeddings", a matrix or codes as above. Row i is word i.
        method: "uniform", one clipping limit for the table, see
            `bcq_tf.embeddings.quantize_uniform`; or "binary", scales for each row, see
            `bcq_tf.quantize`.
        padding_idx: a row that is zero; None for none. Rows of zeros stay zero in any case.
        packed_weights: how the codes are kept, of `get_config`.
        **kwargs: of `keras.layers.Embedding`, for example mask_zero, and `PackedLayer`.

    Raises:
        ValueError, TypeError: an argument breaks its rule; the matrix or the codes do not fit.
        bcq_tf.embeddings.VectorFileError, bcq_tf.FileFormatError, OSError: the file is damaged or
            cannot be read.

    Example:
        >>> table = np.random.default_rng(0).normal(size=(1000, 64)).astype("float32")
        >>> layer = bcq_tf.layers.QuantEmbedding(1000, 64, nbit=2, weights=table)
        >>> layer(np.array([[3, 1, 4]])).shape
        TensorShape([1, 3, 64])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        nbit: int = 32,
        *,
        weights=None,
        embedding_file=None,
        method: str = "uniform",
        padding_idx: int | None = None,
        packed_weights: dict | None = None,
        **kwargs,
    ):
        nbit = check_method(nbit, method)
        _check_shape(num_embeddings, embedding_dim, padding_idx)
        shape = int(num_embeddings), int(embedding_dim)
        if weights is not None and embedding_file is not None:
            raise ValueError(
                "`weights` or `embedding_file` must be None. "
                f"Received: both, embedding_file={embedding_file!r}"
            )
        codes = None
        if embedding_file is not None:
            weights = _read(embedding_file)
        if weights is not None:
            name = "weights" if embedding_file is None else "embedding_file"
            codes = _codes(name, weights, shape, nbit, method, padding_idx)
            packed_weights = {"embeddings": weight_of(codes, table_view(shape))}
        elif packed_weights is None:
            zeros = padding_idx is not None
            packed_weights = {"embeddings": table_weight(*shape, nbit, method, zeros)}
        super().__init__(*shape, packed_weights=packed_weights, **kwargs)
        self.nbit, self.method, self.padding_idx = nbit, method, padding_idx
        if codes is not None:
            self.build_of(None, "embeddings", codes)

    @classmethod
    def from_codes(cls, codes: BinaryCodes | UniformCodes, **kwargs) -> QuantEmbedding:
        """A built layer with these codes; keyword arguments of the class.

        Raises:
            TypeError: the codes are of another type.
        """
        if getattr(codes, "KIND", None) not in METHODS:
            raise TypeError(
                f"`codes` must be UniformCodes or BinaryCodes. Received: {type(codes).__name__}"
            )
        return cls(*codes.shape, codes.bits, weights=codes, method=codes.KIND, **kwargs)

    @classmethod
    def from_config(cls, config):
        """A layer whose values are to be loaded.

        Raises:
            ValueError: the config names values, which `get_config` does not: one that comes from a
                file of somebody else would make the layer open files.
        """
        for name in ("embedding_file", "weights"):
            if config.get(name) is not None:
                raise ValueError(
                    f"`config` must not name `{name}`. Received: {name}={short(config[name])}"
                )
        return super().from_config(config)

    def get_config(self):
        """The arguments, without the values of the table: those are variables."""
        config = super().get_config()
        own = {
            "num_embeddings": config.pop("input_dim"),
            "embedding_dim": config.pop("output_dim"),
            "nbit": self.nbit,
            "method": self.method,
            "padding_idx": self.padding_idx,
        }
        return config | own


def _check_shape(num_embeddings, embedding_dim, padding_idx) -> None:
    for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
        check_integer(name, size, 1)
    if padding_idx is not None:
        check_integer("padding_idx", padding_idx, 0, num_embeddings - 1)


def _read(path):
    # The matrix or the codes in a file.
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"`embedding_file` must be a path. Received: {path!r}")
    if not os.fsdecode(path).endswith(file.SUFFIX):
        from bcq_tf.embeddings import read_vectors

        return read_vectors(path).matrix
    tensors = file.read(path)
    if "embeddings" not in tensors:
        raise ValueError(
            "`embedding_file` must hold a tensor named 'embeddings'. "
            f"Received: {sorted(tensors)[:3]} ('{tensors.path}')"
        )
    return tensors["embeddings"]


def _codes(name: str, given, shape: tuple, nbit: int, method: str, padding_idx):
    # The codes of what was given, a matrix or codes.
    if not isinstance(given, CodedMatrix):
        given = np.asarray(given)
    if tuple(given.shape) != shape:
        raise ValueError(
            f"`{name}` must be [num_embeddings, embedding_dim], {list(shape)}. "
            f"Received: {list(given.shape)}"
        )
    if isinstance(given, np.ndarray):
        if padding_idx is not None and given[padding_idx].any():
            given = given.copy()
            given[padding_idx] = 0
        try:
            return table_codes(given, nbit, method)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("`matrix`", f"`{name}`")) from None
    if (given.KIND, given.bits) != (method, nbit):
        raise ValueError(
            f"`{name}` must be a matrix or {KINDS[method].__name__} of {nbit} bits, as nbit={nbit}"
            f" and method={method!r} say. Received: {given!r}"
        )
    return given if padding_idx is None else given.without_row(padding_idx)
