"""Times of the products of packed layers beside those of float matrices."""

from __future__ import annotations

import numpy as np

from bcq_tf.cli.timing import compared, waiting

MOST_PRODUCTS = 64  # in one call, whose own time is then little beside theirs
CALL_WORK = 1 << 26  # multiply-adds of one call, unless one product is more


def time_products(model, batches: list[int]) -> list[dict]:
    """Times of the products of a packed model's layers, once for all layers of equal size.

    Args:
        model: a model that `bcq_tf.pack_model` packed.
        batches: numbers of rows of x.

    Returns:
        For each size and batch "layers", the paths of the weights; "kind", which is "product", x
        [batch, columns] times the matrix, or "rows", `batch` rows of it; "rows" and "columns" of
        the matrix, its "bits", the "batch", and what `compared` returns.
    """
    results = []
    for members in _alike(model).values():
        layer, name = members[0]
        layout = layer.packed_weights[name].layout
        facts = {
            "layers": [f"{member.path}/{own}" for member, own in members],
            "kind": _kind(layer, name),
            "rows": layout.rows,
            "columns": layout.columns,
            "bits": layout.bits,
        }
        for batch in batches:
            count = _products_in_a_call(layout, batch)
            times = compared(_rivals(layer, name, batch, count), count)
            results.append(facts | {"batch": batch} | times)
    return results


def _alike(model) -> dict[tuple, list]:
    # {what the time depends on: [(layer, name of the weight)]}
    from bcq_tf.layers.packed_model import packed_layers

    found = {}
    for layer in packed_layers(model):
        for name, weight in layer.packed_weights.items():
            if not weight.PRODUCTS:
                continue
            key = (
                _kind(layer, name),
                weight.layout,
                weight.scale_dtype,
                weight.offset,
                weight.row_order,
                layer.compute_dtype,
                layer.precision,
            )
            found.setdefault(key, []).append((layer, name))
    return found


def _kind(layer, name: str) -> str:
    # A table that is read both ways costs most in its product.
    tied = getattr(layer, "tie_weights", False)
    return "rows" if name == "embeddings" and not tied else "product"


def _products_in_a_call(layout, batch: int) -> int:
    return min(max(CALL_WORK // (layout.rows * layout.columns * batch), 2), MOST_PRODUCTS)


def _rivals(layer, name: str, batch: int, count: int) -> dict:
    import tensorflow as tf

    from bcq_tf.ops import bcq_gather

    weight = layer.packed_weights[name]
    layout, dtype = weight.layout, layer.compute_dtype
    matrix = weight.view.to_matrix(layer.float_value(name), tf)
    rng = np.random.default_rng(0)
    if _kind(layer, name) == "rows":
        ids = tf.constant(rng.integers(0, layout.rows, (count, batch)))
        return {
            "float": _chain(lambda i: tf.gather(matrix, i), ids),
            "packed": _chain(lambda i: bcq_gather(layer.codes_of(name), i, dtype), ids),
        }
    x = tf.cast(rng.standard_normal((count, batch, layout.columns)), dtype)
    kernel = tf.transpose(matrix)
    return {
        "float": _chain(lambda x: tf.matmul(x, kernel), x),
        "packed": _chain(lambda x: layer.product(x, name), x),
    }


def _chain(function, xs):
    # One call that computes `function` of each of xs [count, ...], one after the other. All results
    # are returned, as TensorFlow leaves out what nobody reads.
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(xs.shape, xs.dtype)])
    def run(xs):
        results = []
        for x in tf.unstack(xs):
            with tf.control_dependencies(results[-1:]):
                results.append(function(x))
        return results

    made = run.get_concrete_function()
    return waiting(lambda: made(xs))
