"""Straight-through training against the same steps written out by hand."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf import BCQConfig, quantize
from bcq_tf.training.latent import train_latent
from bcq_tf.training.latent.projection import levels
from bcq_tf.training.quantizer import ModelQuantizer
from tests.backends import only_on
from tests.small_models import batches, compiled_mlp, regression_data

BATCH = 16
FEW, STEPS = 4, 8  # of one epoch and of two


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("group_size", [None, 32])
def test_levels_are_all_sums_of_signed_scales(bits, group_size):
    matrix = np.random.default_rng(0).normal(size=(3, 70))
    codes = quantize(matrix, bits=bits, group_size=group_size)
    found = levels(codes)
    assert found.shape == (3, codes.groups, 2 ** (bits - 1))
    for row, group in np.ndindex(3, codes.groups):
        scales = [float(scale[row, group]) for scale in codes.scales]
        sums = {abs(float(np.dot(s, scales))) for s in itertools.product([-1, 1], repeat=bits)}
        sums = sorted({round(value, 5) for value in sums})
        assert np.allclose(np.unique(found[row, group].round(5)), sums, atol=2e-5)


def attach(model, bits=2, **config):
    """(LatentTraining of the model's weights solved now, the callback that announces steps)."""
    quantizer = ModelQuantizer(model, BCQConfig(bits, **config), rules={"*kernel": bits})
    quantizer.solve()
    training = train_latent(model, quantizer.plan.chosen, quantizer.codes)
    announce = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: training.expect_step()
    )
    return training, quantizer, announce


def nearest_value(matrix, codes):
    """Each weight's nearest sum of signed scales, of all the sums."""
    group = np.arange(codes.columns) // (codes.group_size or codes.columns)
    scales = [np.float32(scale)[:, group] for scale in codes.scales]
    offset = 0 if codes.offset is None else np.float32(codes.offset)[:, group]
    values = np.stack([
        offset + sum(s * a for s, a in zip(signs, scales, strict=True))
        for signs in itertools.product([-1, 1], repeat=codes.bits)
    ])  # fmt: skip
    nearest = np.abs(values - matrix).argmin(axis=0)
    return np.take_along_axis(values, nearest[None], axis=0)[0]


def within_range(matrix, codes):
    """The weights, those further from their offset than the range reaches brought back to it.

    Not where their mean distance is beyond it: the codes are not those of such weights.
    """
    result = np.array(matrix, np.float32)
    width = codes.group_size or codes.columns
    for row, group in np.ndindex(codes.scales[0].shape):
        part = result[row, width * group : width * (group + 1)]
        top = sum(float(scale[row, group]) for scale in codes.scales)
        limit = top * 2**codes.bits / (2**codes.bits - 1)
        offset = 0 if codes.offset is None else float(codes.offset[row, group])
        if np.abs(part - offset).mean() <= limit:
            part[:] = np.clip(part, offset - limit, offset + limit)
    return result


def gradients(model, x, y):
    """Of the mean squared error, at the model's present weights."""
    if keras.backend.backend() == "jax":
        import jax

        def loss(values):
            return keras.ops.mean((y - model.stateless_call(values, [], x)[0]) ** 2)

        return jax.grad(loss)([variable.value for variable in model.trainable_variables])
    with tf.GradientTape() as tape:
        loss = keras.ops.mean((y - model(x)) ** 2)
    return tape.gradient(loss, model.trainable_variables)


def train_by_hand(model, quantizer, x, y, steps, applies=lambda step: 1):
    """The definition: gradients at the quantized weights, update of the latent ones."""
    for step in range(steps):
        batch = slice(step * BATCH % len(x), step * BATCH % len(x) + BATCH)
        latents = quantizer.values()
        quantizer.put_values(by_codes(quantizer, nearest_value))
        slopes = gradients(model, x[batch], y[batch])
        quantizer.put_values(latents)
        for _ in range(applies(step)):
            quantizer.put_values(by_codes(quantizer, within_range))
            model.optimizer.apply(slopes, model.trainable_variables)
    model.optimizer.finalize_variable_values(model.trainable_variables)  # as `fit` does


def by_codes(quantizer, function):
    """function(matrix, codes) of each weight, by position."""
    found = quantizer.values()
    for weight in quantizer.plan.chosen:
        matrix = weight.view.to_matrix(found[weight.position])
        codes = quantizer.codes[weight.position]
        found[weight.position] = weight.view.from_matrix(function(matrix, codes))
    return found


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
    "clipped": lambda: keras.optimizers.SGD(0.05, global_clipnorm=0.1),
    "accumulating": lambda: keras.optimizers.SGD(0.05, gradient_accumulation_steps=2),
    "averaging": lambda: keras.optimizers.SGD(
        0.05, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3
    ),
}


def fit_and_by_hand(
    optimizer, bits=2, steps=STEPS, fit_model=None, applies=lambda step: 1, **compile_options
):
    """(the model after `fit`, the model after the same steps by hand)."""
    x, y = regression_data()
    trained = fit_model or compiled_mlp(optimizer(), **compile_options)
    reference = compiled_mlp(optimizer())
    reference.set_weights(trained.get_weights())
    training, _, announce = attach(trained, bits)
    quantizer = ModelQuantizer(reference, BCQConfig(bits), rules={"*kernel": bits})
    quantizer.solve()
    epochs = steps * BATCH // len(x)
    trained.fit(batches(), epochs=epochs, shuffle=False, verbose=0, callbacks=[announce])
    training.remove()
    train_by_hand(reference, quantizer, x, y, steps, applies)
    return trained, reference


def assert_same_weights(model, other, rtol=2e-4, atol=2e-5):
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol, atol, err_msg=a.path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_takes_the_steps_of_the_definition(name):
    steps = STEPS if name in ("accumulating", "averaging") else FEW
    assert_same_weights(*fit_and_by_hand(OPTIMIZERS[name], steps=steps))


@pytest.mark.parametrize(
    ("optimizer", "compile_options"),
    [
        pytest.param("sgd", {"run_eagerly": True}, id="eagerly"),
        pytest.param("adamw", {"steps_per_execution": 3}, id="several an execution"),
        pytest.param("adamw", {"steps_per_execution": 4, "jit_compile": True}, id="under XLA"),
    ],
)
@pytest.mark.graphs
def test_every_way_to_compile_takes_the_same_steps(optimizer, compile_options):
    assert_same_weights(*fit_and_by_hand(OPTIMIZERS[optimizer], **compile_options))


@pytest.mark.parametrize("bits", [1, 3, 4])
def test_every_number_of_bits(bits):
    assert_same_weights(*fit_and_by_hand(OPTIMIZERS["sgd"], bits, FEW))


@only_on("tensorflow")
@pytest.mark.graphs
def test_mirrored_replicas_take_the_steps_of_one():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = compiled_mlp(OPTIMIZERS["adam"]())
    assert_same_weights(*fit_and_by_hand(OPTIMIZERS["adam"], fit_model=model))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_float32_latents(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = compiled_mlp(keras.optimizers.SGD(0.05))
    finally:
        keras.config.set_dtype_policy("float32")
    # The compute dtype rounds the gradients, so the steps agree to its precision only.
    trained, reference = fit_and_by_hand(
        lambda: keras.optimizers.SGD(0.05), steps=FEW, fit_model=model
    )
    assert_same_weights(trained, reference, rtol=0.05, atol=0.005)


@pytest.mark.parametrize("config", [{"offset": True}, {"group_size": 32}], ids=str)
def test_offsets_and_groups_are_projected(config):
    # With a learning rate of 0 the loss tells which weights the step saw.
    x, y = regression_data(inputs=70)
    model = keras.Sequential([keras.Input((70,)), keras.layers.Dense(4)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    training, quantizer, announce = attach(model, bits=2, **config)
    weight = quantizer.plan.chosen[0]
    codes = quantizer.codes[weight.position]
    matrix = weight.view.to_matrix(quantizer.values()[weight.position])
    history = model.fit(x, y, len(x), verbose=0, callbacks=[announce])
    training.remove()
    expected = x @ nearest_value(matrix, codes).T
    assert history.history["loss"][0] == pytest.approx(np.mean((expected - y) ** 2), rel=1e-5)
    latent = weight.view.to_matrix(quantizer.values()[weight.position])
    np.testing.assert_allclose(latent, within_range(matrix, codes), rtol=1e-6)
    assert not np.allclose(latent, matrix)  # some weight was out of range


def test_a_row_of_zeros_can_train():
    dense = keras.layers.Dense(4, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((32,)), dense])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    training, _, announce = attach(model)
    model.fit(batches(), verbose=0, callbacks=[announce])
    training.remove()
    assert np.all(np.any(dense.kernel.numpy() != 0, axis=0))


@pytest.mark.graphs
def test_new_codes_are_projected_onto_from_the_next_step_on():
    model = compiled_mlp(keras.optimizers.SGD(0.0))
    training, quantizer, announce = attach(model)
    losses = []
    for scale in (1.0, 0.0):
        codes = {p: scaled(c, scale) for p, c in quantizer.codes.items()}
        training.set_codes(codes)
        history = model.fit(batches(), verbose=0, shuffle=False, callbacks=[announce])
        losses.append(history.history["loss"][0])
    training.remove()
    assert losses[1] == pytest.approx(np.mean(regression_data()[1] ** 2), rel=1e-4)  # all weights 0
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def scaled(codes, factor):
    return dataclasses.replace(codes, scales=tuple(s * s.dtype.type(factor) for s in codes.scales))


@pytest.mark.graphs
def test_remove_gives_the_model_its_own_step_back():
    model, untouched = compiled_mlp(), compiled_mlp()
    untouched.set_weights(model.get_weights())
    training, _, _ = attach(model)
    training.remove()
    for each in (model, untouched):
        each.fit(batches(), shuffle=False, verbose=0)
    assert_same_weights(model, untouched, rtol=0, atol=0)


@pytest.mark.graphs
def test_a_fit_after_an_interrupted_one_trains_plainly():
    model, untouched = compiled_mlp(), compiled_mlp()
    attach(model)  # and never removed, as after an exception in `fit`
    untouched.set_weights(model.get_weights())
    for each in (model, untouched):
        each.fit(batches(), shuffle=False, verbose=0)
    assert_same_weights(model, untouched, rtol=0, atol=0)
