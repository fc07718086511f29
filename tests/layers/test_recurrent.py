"""Recurrent layers from codes: what the float layer of the codes' value computes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.layers import PackedRecurrent
from bcq_tf.layers.packed_recurrent import MOST_SEQUENCES

STEPS, WIDTH, UNITS = 5, 34, 33
BATCHES = [3, MOST_SEQUENCES + 1]  # from the codes, and from kernels decoded once


class OwnLoop(L.GRU):
    """Turns the sequence round before its loop, in a way of its own."""

    def inner_loop(self, sequences, *args, **kwargs):
        return super().inner_loop(keras.ops.flip(sequences, axis=1), *args, **kwargs)


@keras.saving.register_keras_serializable(package="tests")
class OwnGates(L.LSTMCell):
    """Has no gate but that of the output, in a way of its own."""

    def _compute_carry_and_output_fused(self, z, c_tm1):
        return c_tm1 + self.activation(z[2]), self.recurrent_activation(z[3])


LAYERS = {
    "lstm": lambda: L.LSTM(UNITS, return_sequences=True),
    "last output": lambda: L.LSTM(UNITS, use_bias=False),
    "gru": lambda: L.GRU(UNITS, return_sequences=True),
    "gru, reset before": lambda: L.GRU(UNITS, reset_after=False, bias_initializer="normal"),
    "simple": lambda: L.SimpleRNN(UNITS, return_sequences=True),
    "backwards": lambda: L.LSTM(UNITS, go_backwards=True, return_sequences=True),
    "unrolled": lambda: L.GRU(UNITS, unroll=True),
    "both ways": lambda: L.Bidirectional(L.LSTM(UNITS, return_sequences=True)),
    "cells": lambda: L.RNN([L.LSTMCell(UNITS), L.GRUCell(UNITS)], return_sequences=True),
    "a cell": lambda: L.RNN(L.SimpleRNNCell(UNITS, activation="relu")),
    "own loop": lambda: OwnLoop(UNITS),
    "own gates": lambda: L.RNN(OwnGates(UNITS)),
}


def model_of(make, shape=(STEPS, WIDTH)):
    keras.utils.set_random_seed(0)
    x = keras.Input(shape)
    return keras.Model(x, make()(x))


def pack(model, bits=3, **settings):
    """Packs a model; returns the float model of the codes' value."""
    codes = bcq_tf.quantize_model(model, bits, effort="low").codes
    reference = keras.models.clone_model(model)
    reference.set_weights(model.get_weights())
    report = bcq_tf.pack_model(model, codes, **settings)
    assert not report.dequantized
    return reference


def inputs(batch, shape=(STEPS, WIDTH)):
    return np.random.default_rng(batch).normal(size=(batch, *shape)).astype("float32")


def close(actual, expected, tolerance=2e-6):
    for mine, wanted in zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_layer_computes_what_the_float_one_does(name):
    model = model_of(LAYERS[name])
    reference = pack(model)
    for batch in BATCHES:
        x = inputs(batch)
        close(model(x), reference(x))
    if name == "own loop":
        flipped = inputs(3)[:, ::-1]
        plain = L.GRU(UNITS)
        plain.build(flipped.shape)
        plain.set_weights(reference.layers[1].get_weights())
        close(model(inputs(3)), plain(flipped))


@pytest.mark.graphs
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru, reset before", "cells"])
def test_in_graphs_of_any_batch(name, jit_compile):
    model = model_of(LAYERS[name])
    reference = pack(model)
    spec = tf.TensorSpec([None, STEPS, WIDTH])
    function = tf.function(model, input_signature=[spec], jit_compile=jit_compile)
    for batch in BATCHES:
        close(function(inputs(batch)), reference(inputs(batch)))


@pytest.mark.parametrize("layer", [L.LSTM, L.GRU, L.SimpleRNN])
def test_masks(layer):
    def make():
        ids = keras.Input((STEPS,), dtype="int32")
        x = L.Embedding(40, WIDTH, mask_zero=True)(ids)
        return keras.Model(ids, layer(UNITS, return_sequences=True)(x))

    model = make()
    reference = pack(model)
    for batch in BATCHES:
        ids = np.random.default_rng(batch).integers(0, 3, (batch, STEPS))
        close(model(ids), reference(ids))


@pytest.mark.parametrize("layer", [L.LSTM, L.GRU])
def test_states_are_given_and_returned(layer):
    states = 2 if layer is L.LSTM else 1
    x = [keras.Input((STEPS, WIDTH)), *(keras.Input((UNITS,)) for _ in range(states))]
    model = keras.Model(x, layer(UNITS, return_state=True)(x[0], initial_state=x[1:]))
    reference = pack(model)
    for batch in BATCHES:
        values = [inputs(batch), *(inputs(batch, (UNITS,)) for _ in range(states))]
        close(model(values), reference(values))


def test_states_stay_from_batch_to_batch():
    x = keras.Input(batch_shape=(2, STEPS, WIDTH))
    model = keras.Model(x, L.LSTM(UNITS, stateful=True)(x))
    reference = pack(model)
    first, second = inputs(2), 2 * inputs(2)
    for values in (first, second):
        close(model(values), reference(values))
    assert not np.allclose(model(second), reference(first))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(L.ConvLSTM1D, (4, 6, 12)), (L.ConvLSTM2D, (3, 6, 5, 12))],
)
def test_convolutional_cells(layer, shape):
    model = model_of(lambda: layer(16, 3, padding="same"), shape)
    reference = pack(model)
    close(model(inputs(2, shape)), reference(inputs(2, shape)))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    model = model_of(lambda: L.LSTM(UNITS, dtype=policy))
    reference = pack(model)
    for batch in BATCHES:
        assert model(inputs(batch)).dtype == policy.removeprefix("mixed_")
        close(model(inputs(batch)), reference(inputs(batch)), tolerance=3e-2)


def test_one_kernel_alone():
    model = model_of(LAYERS["lstm"])
    codes = bcq_tf.quantize_model(model, 2, rules={"*/recurrent_kernel": None}).codes
    x = inputs(3)
    expected = model(x)
    report = bcq_tf.pack_model(model, codes)
    assert [line.path.split("/")[-1] for line in report.packed] == ["kernel"]
    close(model(x), expected)


@pytest.mark.parametrize("dropout", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_dropout_is_at_work_in_training_alone(dropout):
    model = model_of(lambda: L.GRU(UNITS, **dropout))
    reference = pack(model, trainable_scales=True)
    x = inputs(3)
    close(model(x, training=False), reference(x, training=False))
    assert not np.allclose(model(x, training=True), model(x, training=True))


@pytest.mark.parametrize("batch", BATCHES)
def test_scales_train(batch):
    model = model_of(LAYERS["lstm"])
    pack(model, trainable_scales=True)
    scales = model.trainable_variables
    assert {v.name for v in scales} == {"kernel_scales", "recurrent_kernel_scales", "bias"}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs(batch)) ** 2)
    gradients = tape.gradient(loss, [v.value for v in scales])
    assert all(np.any(gradient != 0) for gradient in gradients)


def test_nothing_that_has_codes_is_float_in_memory():
    model = model_of(LAYERS["both ways"])
    pack(model)
    assert max(np.asarray(v).nbytes for v in model.weights) < 4 * 4 * UNITS * UNITS / 2


@pytest.mark.parametrize("name", ["lstm", "both ways", "cells", "a cell"])
def test_files_clones_and_floats_again(name, tmp_path):
    model = model_of(LAYERS[name])
    classes = [type(layer) for layer in model.layers]
    reference = pack(model)
    x, expected = inputs(3), reference(inputs(3))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    model.save(tmp_path / "model.keras")
    for other in (clone, keras.saving.load_model(tmp_path / "model.keras")):
        assert any(isinstance(layer, PackedRecurrent) for layer in other._flatten_layers())
        assert [v.shape for v in other.weights] == [v.shape for v in model.weights]
        close(other(x), expected)
    bcq_tf.unpack_model(model)
    assert [type(layer) for layer in model.layers] == classes
    assert [v.shape for v in model.weights] == [v.shape for v in reference.weights]
    np.testing.assert_array_equal(model(x), expected)
