"""The float layers whose packed forms are tested, each with inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

import bcq_tf
from bcq_tf.codes import MatrixView
from bcq_tf.layers.kinds.registry import weight_of
from bcq_tf.layers.swap import pack_layer, packable_variables
from bcq_tf.selection.layer_views import view_weights

ROWS = 70  # more than one tile, not a multiple of its 64 rows


@dataclasses.dataclass(frozen=True)
class Case:
    """A float layer: how it is made, the shape of its input, and whether that is token ids."""

    make: Callable[..., keras.layers.Layer]
    shape: tuple[int, ...]
    ids: bool = False


CASES = {
    "dense": Case(lambda **k: layers.Dense(ROWS, activation="gelu", **k), (3, 50)),
    "dense_sequence": Case(lambda **k: layers.Dense(ROWS, use_bias=False, **k), (2, 3, 50)),
    "query": Case(
        lambda **k: layers.EinsumDense("abc,cde->abde", (None, 7, 10), bias_axes="de", **k),
        (2, 3, 50),
    ),
    "attention_output": Case(
        lambda **k: layers.EinsumDense("abcd,cde->abe", (None, ROWS), bias_axes="e", **k),
        (2, 3, 5, 10),
    ),
    "ellipsis": Case(lambda **k: layers.EinsumDense("...x,xy->...y", ROWS, **k), (2, 3, 4, 50)),
    "permuted": Case(
        lambda **k: layers.EinsumDense("abcd,dbf->afc", (ROWS, 4), activation="relu", **k),
        (2, 5, 4, 10),
    ),
    "embedding": Case(lambda **k: layers.Embedding(ROWS, 50, **k), (2, 6), ids=True),
    "tied": Case(lambda **k: layers.ReversibleEmbedding(ROWS, 50, **k), (2, 6), ids=True),
    "conv1d": Case(lambda **k: layers.Conv1D(ROWS, 1, activation="relu", **k), (2, 6, 50)),
    "conv2d_strided": Case(lambda **k: layers.Conv2D(ROWS, 1, strides=(2, 3), **k), (2, 5, 7, 50)),
    "conv3d": Case(lambda **k: layers.Conv3D(ROWS, 1, padding="same", **k), (1, 2, 3, 2, 50)),
    "shared_axis": Case(lambda **k: layers.EinsumDense("abc,bcd->abd", (4, ROWS), **k), (2, 4, 50)),
    "axis_summed_alone": Case(lambda **k: layers.EinsumDense("abc,cd->ad", ROWS, **k), (2, 4, 50)),
    "many_positions": Case(lambda **k: layers.Conv2D(ROWS, 1, strides=2, **k), (2, 9, 11, 50)),
    "causal": Case(
        lambda **k: layers.Conv1D(ROWS, 3, padding="causal", dilation_rate=2, **k), (2, 7, 50)
    ),
    "groups": Case(
        lambda **k: layers.Conv2D(ROWS, (3, 2), padding="same", groups=2, **k), (1, 5, 4, 66)
    ),
    "transposed": Case(
        lambda **k: layers.Conv2DTranspose(ROWS, 3, strides=2, activation="relu", **k),
        (1, 3, 2, 34),
    ),
    "transposed_3d": Case(lambda **k: layers.Conv3DTranspose(5, 2, **k), (1, 2, 3, 2, 40)),
    "depthwise": Case(lambda **k: layers.DepthwiseConv2D(6, depth_multiplier=2, **k), (2, 7, 8, 9)),
    "separable": Case(lambda **k: layers.SeparableConv1D(ROWS, 9, **k), (2, 11, 50)),
}


def inputs(case: Case, seed: int = 0) -> np.ndarray:
    """Random inputs of the case."""
    rng = np.random.default_rng(seed)
    if case.ids:
        return rng.integers(0, ROWS, case.shape).astype("int32")
    return rng.normal(size=case.shape).astype("float32")


def built(case: Case, seed: int = 0, **settings) -> keras.layers.Layer:
    """The float layer, built, every variable random."""
    rng = np.random.default_rng(seed)
    layer = case.make(**settings)
    layer.build((None, *case.shape[1:]))
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape) / 8)
    return layer


def quantized(layer, **settings) -> dict[str, tuple[bcq_tf.BinaryCodes, MatrixView]]:
    """Codes and view of each packable weight; the float layer takes the codes' value."""
    views = dict(zip(map(id, layer.weights), view_weights(layer), strict=True))
    made = {}
    for name, variable in packable_variables(layer).items():
        view = views[id(variable)]
        matrix = view.to_matrix(keras.ops.convert_to_numpy(variable))
        codes = bcq_tf.quantize(matrix, effort="low", **settings)
        variable.assign(view.from_matrix(codes.reconstruct()))
        made[name] = codes, view
    return made


def pack(layer, made: dict, trainable: bool = False, precision: str = "exact") -> None:
    """`pack_layer` with what `quantized` returned."""
    weights = {name: weight_of(codes, view, trainable) for name, (codes, view) in made.items()}
    values = {name: weights[name].values(codes) for name, (codes, _) in made.items()}
    pack_layer(layer, weights, precision, values)
