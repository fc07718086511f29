"""Built layers and the matrices that their weights are seen as."""

import numpy as np

from bcq_tf.codes import MatrixView
from bcq_tf.selection.layer_views import view_weights


def built(layer, *shape):
    """The layer, built, with random weights (biases too) in place of zeros."""
    rng = np.random.default_rng(0)
    layer.build(shape)
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape).astype(variable.dtype))
    return layer


def matrices(layer) -> dict[str, np.ndarray]:
    """{name of the variable: its matrix [R, C]} of the weights that have a view."""
    views = zip(layer.weights, view_weights(layer), strict=True)
    return {v.name: w.to_matrix(v.numpy()) for v, w in views if isinstance(w, MatrixView)}


def random(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)
