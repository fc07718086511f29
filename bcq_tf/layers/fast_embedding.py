"""`FastEmbedding`: an embedding whose gradient is made by scatter-add."""

from __future__ import annotations

import keras
import tensorflow as tf

from bcq_tf import native
from bcq_tf._keras import held_variable
from bcq_tf.ops.binary import DTYPES
from bcq_tf.ops.embedding import gather_rows, gather_rows_sparse
from bcq_tf.ops.engine import has_gpu
from bcq_tf.ops.tables import Tables

LEAST_SPARSE_ELEMENTS = 1 << 16
LEAST_SPARSE_ELEMENTS_OF_UNKNOWN = 1 << 20
LEAST_ROWS_PER_ID = 2


@keras.saving.register_keras_serializable(package="bcq_tf")
class FastEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` that trains faster on TensorFlow, above all where ids repeat.

    Keras's gradient is a list of rows, one for each id, which the optimizer adds to the table one
    after the other, or first sorts out. Here the rows are added up in one pass, in float32 and in
    the order of the ids, so the result has the same bits for any number of threads:

    - to one dense gradient like the table. So it is wherever a GPU is used.
    - on the CPU, for a large table and few ids (or a number of ids that is unknown while the
      function is traced), to `tf.IndexedSlices` in which each row stands once. The table is then
      never read or written as a whole by optimizers that can do without: SGD without momentum,
      among Keras's. Adam and others make a dense gradient of it.

    With repeated ids Adam and the like differ from `keras.layers.Embedding` with TensorFlow: these
    square the sum of an id's rows, as they should, and not each row.

    The method is that of FastEmbedding for PyTorch, which however adds in no fixed order.

    Args:
        input_dim: size of the vocabulary.
        output_dim: dimensions of a row.
        deterministic: whether the gradient must have the same bits each time on CUDA devices, too;
            with False rows are added there in any order. It changes nothing on the CPU.
        **kwargs: of `keras.layers.Embedding`. LoRA and quantized dtypes are refused.

    Inputs are ids of any shape [...], the result is [..., output_dim] in the compute dtype. Tables
    are float32, float16 or bfloat16; with another dtype, another Keras backend, or ragged or sparse
    ids this is `keras.layers.Embedding`. `model.export` within `bcq_tf.ops.portable_ops()` gives a
    SavedModel that does not need bcq_tf.

    Raises:
        ValueError: an argument breaks its rule.
        tf.errors.InvalidArgumentError: an id is not from 0 to input_dim - 1; the message names it.
            (`keras.layers.Embedding` counts negative ids from the end.) See
            `bcq_tf.ops.embedding.gather_rows` for GPUs, where the row is NaN instead.

    Example:
        >>> layer = bcq_tf.layers.FastEmbedding(1000, 64)
        >>> layer(np.array([[3, 1, 4]])).shape
        TensorShape([1, 3, 64])
    """

    def __init__(self, input_dim, output_dim, *args, deterministic: bool = True, **kwargs):
        if kwargs.get("lora_rank"):
            _refuse_lora(f"lora_rank={kwargs['lora_rank']}")
        super().__init__(input_dim, output_dim, *args, **kwargs)
        if self.lora_rank:
            _refuse_lora(f"lora_rank={self.lora_rank}")
        if self.quantization_mode:
            raise ValueError(f"`dtype` must not be quantized. Received: {self.dtype_policy.name}")
        if not isinstance(deterministic, bool):
            raise ValueError(
                f"`deterministic` must be a bool. Received: deterministic={deterministic!r}"
            )
        self.deterministic = deterministic
        self.supports_jit = native.supports_xla()

    def call(self, inputs, training=None):
        """inputs: ids [...] -> [..., output_dim]."""
        if not self._is_fast(inputs):
            return super().call(inputs)
        ids = inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, tf.int32)
        return tf.cast(self._rows(ids, training), self.compute_dtype)

    def _is_fast(self, inputs) -> bool:
        return isinstance(inputs, tf.Tensor) and self.variable_dtype in DTYPES

    def _rows(self, ids, training):
        table = held_variable(self, "embeddings").value
        sparse = isinstance(table, tf.Variable) and not tf.distribute.has_strategy()
        if sparse and self._prefers_sparse(ids.shape.num_elements()):
            return gather_rows_sparse(table, ids, repeats=training is not False)
        tables = Tables((self.input_dim,), (self.output_dim,))
        return gather_rows(table, ids, tables, self.deterministic)

    def _prefers_sparse(self, count: int | None) -> bool:
        # Measured with benchmarks/embedding.py. count: of ids; None: unknown.
        elements = self.input_dim * self.output_dim
        if has_gpu():
            return False
        if count is None:
            return elements >= LEAST_SPARSE_ELEMENTS_OF_UNKNOWN
        return elements >= LEAST_SPARSE_ELEMENTS and count * LEAST_ROWS_PER_ID <= self.input_dim

    def enable_lora(self, *args, **kwargs):
        """Raises ValueError: use `keras.layers.Embedding`."""
        _refuse_lora(f"layer '{self.name}'")

    def get_config(self):
        """The config of `keras.layers.Embedding`, and `deterministic`."""
        return super().get_config() | {"deterministic": self.deterministic}


def _refuse_lora(received: str) -> None:
    raise ValueError(f"`lora_rank` must be None for a FastEmbedding. Received: {received}")
