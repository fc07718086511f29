"""`FastMultiEmbedding`: many embedding tables in one variable, one look-up, one gradient."""

from __future__ import annotations

import keras
import tensorflow as tf

from bcq_tf import native
from bcq_tf.ops.binary import DTYPES
from bcq_tf.ops.embedding import gather_rows
from bcq_tf.ops.tables import Tables


@keras.saving.register_keras_serializable(package="bcq_tf")
class FastMultiEmbedding(keras.layers.Layer):
    """Embeddings of several features, each with a table of its own, side by side.

    For one `keras.layers.Embedding` a feature and their concatenation: the tables stand back to
    back in one vector, nothing is padded, and one op looks up the rows of all of them. Its gradient
    is one dense vector, summed in float32 in the order of the ids. This pays for small tables: one
    with many more rows than a batch has ids is better off as a `FastEmbedding`.

    Args:
        sizes: rows of each of the T tables.
        dims: dimensions of each table; they may differ.
        embeddings_initializer: of each table, which gets its own random numbers.
        embeddings_regularizer: of the vector of all tables.
        deterministic: as of `FastEmbedding`.
        **kwargs: of `keras.layers.Layer`.

    Inputs are ids [..., T], a column a table; the result is [..., sum(dims)] in the compute dtype,
    the tables' rows one after the other. The variable `embeddings` is float32, float16 or bfloat16
    [sum of sizes[t] dims[t]]; `table(t)` is one table of it. On JAX and torch the layer runs on
    `keras.ops`.

    Raises:
        ValueError: an argument breaks its rule.
        tf.errors.InvalidArgumentError: an id is no row of its table; the message names both. See
            `bcq_tf.ops.embedding.gather_rows` for GPUs, where the row is NaN instead.
    """

    def __init__(
        self,
        sizes,
        dims,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        deterministic: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._tables = Tables(sizes, dims)
        if not isinstance(deterministic, bool):
            raise ValueError(
                f"`deterministic` must be a bool. Received: deterministic={deterministic!r}"
            )
        if self.variable_dtype not in [dtype.name for dtype in DTYPES]:
            raise ValueError(
                f"`dtype` must have variables in one of {[dtype.name for dtype in DTYPES]}. "
                f"Received: {self.variable_dtype}"
            )
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.deterministic = deterministic
        self.supports_jit = native.supports_xla()
        self.autocast = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each table."""
        return self._tables.sizes

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions of each table."""
        return self._tables.dims

    def build(self, input_shape=None):
        """Makes the variable `embeddings`."""
        if input_shape is not None:
            self._check_shape(input_shape)
        self.embeddings = self.add_weight(
            shape=(self._tables.elements,),
            initializer=self._initialize,
            regularizer=self.embeddings_regularizer,
            name="embeddings",
        )

    def call(self, inputs):
        """inputs: ids [..., T] -> [..., sum(dims)]."""
        self._check_shape(inputs.shape)
        if inputs.dtype not in ("int32", "int64"):
            inputs = keras.ops.cast(inputs, "int32")
        if keras.backend.backend() == "tensorflow":
            rows = self._rows(inputs)
        else:
            rows = keras.ops.concatenate(
                [
                    keras.ops.take(self.table(t), inputs[..., t], axis=0)
                    for t in range(len(self._tables))
                ],
                axis=-1,
            )
        return keras.ops.cast(rows, self.compute_dtype)

    def _rows(self, ids):
        tables, vector = self._tables, tf.convert_to_tensor(self.embeddings.value)
        if len(tables) > 1:
            return gather_rows(vector, ids, tables, self.deterministic)
        table = tf.reshape(vector, [tables.sizes[0], tables.dims[0]])
        return gather_rows(table, ids[..., 0], tables, self.deterministic)

    def table(self, index: int):
        """Table `index` [size, dim], made at each access.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= index < len(self._tables):
            raise IndexError(
                f"`index` must be from 0 to {len(self._tables) - 1}. Received: index={index}"
            )
        shape = self._tables.sizes[index], self._tables.dims[index]
        start = self._tables.starts[index]
        part = keras.ops.convert_to_tensor(self.embeddings)[start : start + shape[0] * shape[1]]
        return keras.ops.reshape(part, shape)

    def compute_output_shape(self, input_shape):
        """[..., T] -> [..., sum(dims)]."""
        return (*input_shape[:-1], self._tables.columns)

    def get_config(self):
        """What the layer was made of."""
        return super().get_config() | {
            "sizes": list(self.sizes),
            "dims": list(self.dims),
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
            "deterministic": self.deterministic,
        }

    def _check_shape(self, shape) -> None:
        if len(shape) == 0 or shape[-1] != len(self._tables):
            raise ValueError(
                f"`inputs` must be [..., {len(self._tables)}], an id for each table. "
                f"Received: {tuple(shape)}"
            )

    def _initialize(self, shape, dtype):
        del shape
        values = [
            keras.ops.reshape(_of_table(self.embeddings_initializer, t)(shape, dtype=dtype), [-1])
            for t, shape in enumerate(zip(self.sizes, self.dims, strict=True))
        ]
        return keras.ops.concatenate(values)


def _of_table(initializer, index: int):
    # An initializer gives the same numbers each time: each table has its own, of another seed.
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" not in config:
        return initializer
    seed = config["seed"]
    if seed is not None and not isinstance(seed, int):
        return initializer
    return type(initializer).from_config(config | {"seed": None if seed is None else seed + index})
