"""`PackedLayer`: what the layers that keep a weight as codes have in common."""

from __future__ import annotations

import contextlib
import math
import types
from collections.abc import Mapping

import keras
import tensorflow as tf

from bcq_tf import native
from bcq_tf._keras import (
    deferred_variables,
    initialize,
    initialize_rest,
    own_variables,
)
from bcq_tf.codes import CodedMatrix
from bcq_tf.config import check_choice
from bcq_tf.layers.kinds.coded_weight import item_bytes
from bcq_tf.layers.kinds.registry import weight_from_dict, weight_of
from bcq_tf.ops import TiledCodes, many_rows
from bcq_tf.ops.binary import PRECISIONS
from bcq_tf.shown import short

COMPUTE_DTYPES = ("float32", "float16", "bfloat16")


class CodedValue:
    """The attribute of a weight in `PACKED`: its float value, made at each access.

    It is the variable where the layer does not have that weight as codes.
    """

    def __set_name__(self, owner, name: str):
        self._name = name

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        if self._name in layer.packed_weights:
            value = layer.kept_floats.get(self._name)
            return layer.float_value(self._name) if value is None else value
        own = vars(layer)
        return own[f"_{self._name}"] if f"_{self._name}" in own else own[self._name]

    def __set__(self, layer, value):
        vars(layer)[self._name] = value


class PackedLayer:
    """Stands before a Keras layer class: the weights named are codes, and have no float variable.

    For each packed weight there are variables such as `kernel_tiles` and `kernel_scales`, by the
    kind of codes, see `CodedWeight`.
    `layer.kernel`, or the like, is the float value, made at each access.

    Args:
        packed_weights: {name of the weight: `CodedWeight`, or the dict of one}, the names that the
            class has in `PACKED`.
        precision: of products, see `bcq_tf.ops.bcq_matmul`.
        *args, **kwargs: the layer's own.

    Raises:
        ValueError: an argument breaks its rule, the layer computes in float64, or the backend of
            Keras is not TensorFlow.
    """

    PACKED: tuple[str, ...] = ()
    """The weights that can be packed."""
    kept_floats: Mapping = types.MappingProxyType({})
    """{name: float value} of the packed weights in `decoded`."""

    def __init__(self, *args, packed_weights, precision: str = "exact", **kwargs):
        super().__init__(*args, **kwargs)
        self.set_packing(packed_weights, precision)

    def set_packing(self, packed_weights, precision: str) -> None:
        """Takes the arguments of the class, before there are variables; errors as there."""
        check_backend()
        check_choice("precision", precision, PRECISIONS)
        if not isinstance(packed_weights, Mapping):
            raise TypeError(
                f"`packed_weights` must be a dict. Received: {type(packed_weights).__name__}"
            )
        unknown = [name for name in packed_weights if name not in self.PACKED]
        if unknown or not packed_weights:
            raise ValueError(
                f"`packed_weights` must name some of {list(self.PACKED)}. "
                f"Received: {short(list(packed_weights))}"
            )
        if self.compute_dtype not in COMPUTE_DTYPES:
            raise ValueError(
                f"`dtype` must compute in one of {list(COMPUTE_DTYPES)}. "
                f"Received: {self.compute_dtype}"
            )
        made = {name: weight_from_dict(weight) for name, weight in packed_weights.items()}
        # Not a plain dict, which Keras would wrap.
        self.packed_weights = types.MappingProxyType(made)
        self.precision = precision
        self.supports_jit = native.supports_xla() or not any(w.OWN_OPS for w in made.values())

    def add_weight(self, shape=None, *args, name=None, **kwargs):
        """As `keras.layers.Layer.add_weight`; variables of codes in place of a packed weight.

        Raises ValueError where that is of another shape.
        """
        if name not in self.packed_weights:
            return super().add_weight(shape, *args, name=name, **kwargs)
        weight = self.packed_weights[name]
        if weight.view.shape != tuple(shape):
            raise ValueError(
                f"`packed_weights` must have a {name!r} of {list(shape)}. Received: {weight}"
            )
        self.add_parts(name)
        return None

    def add_parts(self, name: str, values: dict | None = None) -> None:
        """Adds the variables of the packed weight `name`.

        values: by part, tensors or variables to share; None where they get their values later.
        """
        for part, (shape, dtype, trainable) in self.packed_weights[name].parts().items():
            value = values and values[part]
            if not isinstance(value, keras.Variable):
                value = super().add_weight(
                    shape=shape,
                    initializer="zeros" if value is None else _constant(value),
                    dtype=dtype,
                    trainable=trainable,
                    autocast=False,
                    name=f"{name}_{part}",
                )
            setattr(self, f"{name}_{part}", value)

    def parts_of(self, name: str) -> dict:
        """The variables of the packed weight `name`, by part."""
        return {part: getattr(self, f"{name}_{part}") for part in self.packed_weights[name].parts()}

    @property
    def nbytes(self) -> int:
        """Bytes of the values of all variables."""
        return sum(
            math.prod(variable.shape) * item_bytes(variable.dtype)
            for variable in own_variables(self)
        )

    def codes_of(self, name: str) -> TiledCodes:
        """The binary codes of the packed weight `name`; their parts are Keras variables."""
        return self.packed_weights[name].tiled(self.parts_of(name))

    def assign_codes(self, name: str, codes: CodedMatrix) -> None:
        """Gives the variables of the packed weight `name` the values of `codes`.

        Raises:
            TypeError, ValueError: there is no such weight; the codes are of another kind or layout.
        """
        weight = self.packed_weights.get(name)
        if weight is None:
            raise ValueError(f"`name` must be one of {list(self.packed_weights)}. Received: {name}")
        given = weight_of(codes, weight.view, weight.trainable)
        if given != weight:
            raise ValueError(f"`codes` must be those of {weight}. Received: {given}")
        values = weight.values(codes)
        for part, variable in self.parts_of(name).items():
            initialize(variable, values[part])

    def build_of(self, input_shape, name: str, codes: CodedMatrix, bias=None) -> None:
        """Builds the layer; `codes`, of the packed weight `name`, and `bias` are its first values.

        Zeros are not made before: TensorFlow would keep their memory.
        """
        with deferred_variables() as made:
            self.build(input_shape)
        self.assign_codes(name, codes)
        if bias is not None:
            initialize(self.bias, bias)
        initialize_rest(made)

    def product(self, x, name: str):
        """x [..., C] times the packed weight `name`, as a matrix [R, C]: [..., R].

        Binary codes are multiplied as they are, but for many rows of x, see `bcq_tf.ops.many_rows`;
        others have their float value made for it.
        """
        if x.dtype not in COMPUTE_DTYPES:
            x = keras.ops.cast(x, self.compute_dtype)
        if self.packed_weights[name].PRODUCTS:
            return many_rows.product(x, self.codes_of(name), self.precision)
        return tf.einsum("...c,rc->...r", x, self.float_matrix(name, x.dtype))

    def float_matrix(self, name: str, dtype: str | None = None):
        """The float value [R, C] of the packed weight `name`, in `dtype` or the compute dtype."""
        weight = self.packed_weights[name]
        return weight.matrix(self.parts_of(name), dtype or self.compute_dtype)

    def float_value(self, name: str, dtype: str | None = None):
        """The float value of the packed weight `name`, in its own shape.

        dtype: of the result, by default the compute dtype.
        """
        weight = self.packed_weights[name]
        return weight.value(self.parts_of(name), dtype or self.compute_dtype)

    @contextlib.contextmanager
    def decoded(self):
        """In this context the float values are made once, not at each access."""
        kept = {name: self.float_value(name) for name in self.packed_weights}
        vars(self)["kept_floats"] = types.MappingProxyType(kept)  # past Keras, which would wrap it
        try:
            yield
        finally:
            del vars(self)["kept_floats"]

    def __dir__(self):
        # Keras reads all that stands here when it saves and loads, and would make the float values.
        made = {"codes", *self.PACKED}
        return [name for name in super().__dir__() if name not in made]

    def get_config(self):
        """The config of the float layer, and that of the packing."""
        return super().get_config() | self.packing_config()

    def packing_config(self) -> dict:
        """The arguments that make the layer a packed one, as JSON-able data."""
        packed = {name: weight.to_dict() for name, weight in self.packed_weights.items()}
        return {"packed_weights": packed, "precision": self.precision}

    def save_own_variables(self, store):
        """By name, as the order differs between layers that were packed and those made anew."""
        for variable in own_variables(self):
            store[variable.name] = variable

    def load_own_variables(self, store):
        """Raises ValueError where the names are not those of this layer."""
        own = {variable.name: variable for variable in own_variables(self)}
        if set(own) != set(store.keys()):
            raise ValueError(
                f"layer '{self.name}' must be given {sorted(own)}. Received: {sorted(store.keys())}"
            )
        for name, variable in own.items():
            variable.assign(store[name])

    def enable_lora(self, *args, **kwargs):
        """Raises ValueError: the layer is packed."""
        raise ValueError(f"`layer` must not be packed to have LoRA. Received: '{self.name}'")


def check_backend() -> None:
    """Raises ValueError unless the backend of Keras is TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "packed layers need the TensorFlow backend of Keras. "
            f"Received: backend '{keras.backend.backend()}'"
        )


def _constant(value):
    return lambda shape, dtype: tf.cast(value, dtype)
