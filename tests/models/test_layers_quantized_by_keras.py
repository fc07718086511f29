"""Models of which Keras has quantized or extended a layer: the file of the rest is read by them."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf

X = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
IDS = np.arange(24).reshape(4, 6)
FIRST = {
    "dense": (lambda: L.Dense(48, name="first"), (64,), X),
    "einsum": (lambda: L.EinsumDense("ab,bc->ac", 48, bias_axes="c", name="first"), (64,), X),
    "embedding": (lambda: L.Embedding(50, 32, name="first"), (6,), IDS),
}


def changed(kind: str, change: str) -> keras.Model:
    """A model whose first layer is as Keras makes it of a float one that is built."""
    make, shape, x = FIRST[kind]
    first = make()
    model = keras.Sequential([keras.Input(shape), first, L.Flatten(), L.Dense(40, name="second")])
    if change == "lora":
        first.enable_lora(4)
        (b,) = [v for v in first.trainable_variables if v.name.endswith("_b")]
        b.assign(np.full(b.shape, 0.5))
    else:
        first.quantize(change)
    model(x)
    return model


@pytest.mark.parametrize(
    ("kind", "change"),
    [(kind, change) for kind in FIRST for change in ("int8", "int4", "float8", "lora")
     if (kind, change) != ("embedding", "float8")],
)  # fmt: skip
def test_a_file_is_read_by_the_model_alone_and_by_models_made_in_other_ways(tmp_path, kind, change):
    model, x = changed(kind, change), FIRST[kind][2]
    model.save(tmp_path / "float.keras")
    path = tmp_path / "model.bcq.npy"
    report = bcq_tf.quantize_model(model, bits=2, filepath=path)
    assert [line.path.split("/", 1)[1] for line in report.chosen] == ["second/kernel"]
    expected = model(x)
    reloaded = keras.saving.load_model(tmp_path / "float.keras")  # its weights in Keras' own order
    bcq_tf.load_weights(reloaded, path)
    fresh = changed(kind, change)
    bcq_tf.load_weights(fresh, path)
    for other in (reloaded, fresh, bcq_tf.load_model(path), bcq_tf.load_model(path, packed=False)):
        np.testing.assert_allclose(other(x), expected, rtol=1e-5, atol=1e-5)
