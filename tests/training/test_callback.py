"""BCQCallback in `fit`: when it solves, what the logs say, what it keeps and what it refuses."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import BCQCallback
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import QuantEmbedding
from bcq_tf.training.quantizer import ModelQuantizer
from tests.backends import only_on
from tests.small_models import batches, compiled_mlp, mlp, regression_data

BATCH = 16  # 4 steps an epoch
RULES = {"*kernel": {}}


def fit(model, callbacks, epochs=2, **options):
    options = {
        "validation_data": batches(seed=2, size=32),
        "verbose": 0,
        "shuffle": False,
    } | options
    return model.fit(batches(), epochs=epochs, callbacks=callbacks, **options)


def is_quantized(model, bits):
    """Whether each row of the hidden kernel has at most 2**bits distinct values."""
    kernel = model.get_layer("hidden").kernel.numpy()
    return all(len(np.unique(column)) <= 2**bits for column in kernel.T)


class Spy(keras.callbacks.Callback):
    """Calls `look(model)` at the end of each epoch and keeps the answers."""

    def __init__(self, look):
        super().__init__()
        self.look, self.seen = look, []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(self.look(self.model))


@pytest.fixture
def solves(monkeypatch):
    """The optimizer steps at which weights were solved, with the effort."""
    calls = []
    solve = ModelQuantizer.solve

    def spy(self, effort="full"):
        calls.append((int(self.model.optimizer.iterations), effort))
        solve(self, effort)

    monkeypatch.setattr(ModelQuantizer, "solve", spy)
    return calls


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every_n_steps": 1000}, [(4, "low"), (8, "low")]),
        ({"every_n_steps": 3}, [(3, "low"), (4, "low"), (6, "warm"), (8, "low")]),
        ({"every_n_steps": 4}, [(4, "low"), (8, "warm")]),  # once where both fall together
        ({"every_n_steps": 1000, "latent": True}, [(0, "low"), (4, "low"), (8, "low")]),
        (
            {"every_n_steps": 3, "latent": True, "effort": "full"},
            [(0, "full"), (3, "warm"), (4, "full"), (6, "warm"), (8, "full")],
        ),
    ],
    ids=["longer", "crossing", "dividing", "latent, longer", "latent, crossing"],
)
def test_solves_at_multiples_of_the_interval_and_before_each_validation(options, expected, solves):
    fit(compiled_mlp(), [BCQCallback(rules=RULES, **options)])
    assert solves == expected


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.graphs
def test_an_interval_crossed_inside_one_execution_counts(latent, solves):
    model = compiled_mlp(steps_per_execution=4)
    fit(model, [BCQCallback(rules=RULES, every_n_steps=3, latent=latent)], validation_freq=2)
    assert (4, "warm" if latent else "low") in solves


def test_gradient_accumulation_divides_the_steps(solves):
    model = compiled_mlp(keras.optimizers.SGD(0.05, gradient_accumulation_steps=2))
    fit(model, [BCQCallback(rules=RULES, every_n_steps=1, monitor="loss")], 1, validation_data=None)
    assert [step for step, _ in solves] == [1, 2]


@pytest.mark.graphs
@pytest.mark.parametrize(("bits", "latent"), [(1, True), (2, False), (3, True)])
def test_val_logs_are_those_of_the_quantized_model_in_the_file(tmp_path, latent, bits):
    path = tmp_path / "best.bcq.npy"
    model = compiled_mlp(metrics=["mae"])
    callback = BCQCallback(path, bits, rules=RULES, latent=latent, every_n_steps=2)
    history = fit(model, [callback]).history
    saved = bcq_tf.read(path)
    best = int(np.argmin(history["val_loss"]))
    assert saved.metadata["epoch"] == best
    assert saved.metadata["value"] == pytest.approx(history["val_loss"][best])
    assert saved.metadata["step"] == 4 * (best + 1)
    fresh = compiled_mlp(metrics=["mae"])
    bcq_tf.load_weights(fresh, path)
    loss, mae = fresh.evaluate(batches(seed=2), verbose=0)
    assert loss == pytest.approx(history["val_loss"][best], rel=1e-5)
    assert mae == pytest.approx(history["val_mae"][best], rel=1e-5)
    assert is_quantized(fresh, bits)


@pytest.mark.parametrize("latent", [False, True])
def test_training_ends_with_the_best_epochs_weights(tmp_path, latent):
    path = tmp_path / "best.bcq.npy"
    model = compiled_mlp(keras.optimizers.SGD(-0.02))  # climbs, so the first epoch is the best
    history = fit(model, [BCQCallback(path, rules=RULES, latent=latent)], epochs=3).history
    assert np.argmin(history["val_loss"]) == 0
    fresh = mlp()
    bcq_tf.load_weights(fresh, path)
    for a, b in zip(model.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_logs_have_error_and_bits():
    history = fit(compiled_mlp(), [BCQCallback(rules=RULES)]).history
    assert 0 < history["bcq_error"][0] < 0.1
    assert 3 < history["bcq_bits"][0] < 7  # 3 bits, padding of rows of 32 and 40, scales


@pytest.mark.parametrize("latent", [False, True])
def test_the_logs_have_each_weights_error_where_that_is_asked_for(latent):
    seen = []
    board = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append({**logs}))
    callback = BCQCallback(
        rules={"hidden*": 1, "output*": 4}, latent=latent, log_weights=True,
        schedule={6: {"hidden*": None}},
    )  # fmt: skip
    history = fit(compiled_mlp(), [board, callback], epochs=3).history
    names = {name for name in history if name.startswith("bcq_error/")}
    assert names == {"bcq_error/hidden/kernel", "bcq_error/output/kernel"}
    assert all([logs[name] for logs in seen] == history[name] for name in names)
    hidden, output = (history[f"bcq_error/{name}/kernel"] for name in ("hidden", "output"))
    assert hidden[0] == 0
    assert 0 < min(hidden[1:]) < max(hidden[1:]) < 0.5
    assert 0 < min(output) < max(output) < 0.1


def fit_around_a_table(path, bits, seed, target, resume):
    """A callback, and the codes of a packed embedding under the layer that it quantized."""
    ids = np.random.default_rng(0).integers(0, 90, (64, 4))
    codes = quantize_uniform(np.random.default_rng(seed).normal(size=(90, 40)), bits)
    layers = [QuantEmbedding.from_codes(codes), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,), dtype="int32"), *layers])
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    callback, y = BCQCallback(path, 3, rules=RULES, resume=resume), np.full((64, 1), target)
    model.fit(ids, y, validation_data=(ids, y), verbose=0, callbacks=[callback])
    np.testing.assert_array_equal(layers[0].codes.packed, codes.packed)
    return callback, codes


@only_on("tensorflow")  # packed tables
def test_a_run_goes_on_with_the_same_packed_table_alone(tmp_path):
    path = tmp_path / "m.bcq.npy"
    first, codes = fit_around_a_table(path, 2, 0, 0.0, resume=None)
    for bits, seed in ((4, 0), (2, 1)):
        with pytest.raises(ValueError, match="`resume=True` needs .* differs in: the model"):
            fit_around_a_table(path, bits, seed, 99.0, resume=True)
    second, _ = fit_around_a_table(path, 2, 0, 99.0, resume=True)
    assert second.best == first.best
    kept = bcq_tf.read(path)
    (packed,) = (kept[name] for name in kept if name.endswith("packed"))
    np.testing.assert_array_equal(packed, codes.packed)


@only_on("tensorflow")
@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.graphs
def test_under_mirrored_strategy(tmp_path, latent):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = compiled_mlp()
    callback = BCQCallback(tmp_path / "m.bcq.npy", 2, rules=RULES, every_n_steps=3, latent=latent)
    logs = fit(model, [callback], epochs=2).history
    assert is_quantized(model, 2)
    again = mlp()
    bcq_tf.load_weights(again, tmp_path / "m.bcq.npy")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert callback.best == min(logs["val_loss"])


def test_beside_model_checkpoint_backup_and_early_stopping(tmp_path):
    callbacks = [
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.ModelCheckpoint(tmp_path / "model.keras"),
        keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(),
        BCQCallback(tmp_path / "best.bcq.npy", rules=RULES, latent=True),
    ]
    model = compiled_mlp()
    fit(model, callbacks, epochs=3)
    assert is_quantized(model, 3)
    assert keras.saving.load_model(tmp_path / "model.keras") is not None


def test_the_averaged_weights_are_quantized_when_training_ends(tmp_path):
    path = tmp_path / "average.bcq.npy"
    model = compiled_mlp(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.9))
    callback = BCQCallback(path, rules=RULES)
    fit(model, [callback])
    average = model.optimizer._model_variables_moving_average[0].numpy()
    expected = bcq_tf.quantize(average.T, bits=3)
    found = model.get_layer("hidden").kernel.numpy().T
    assert (
        np.square(found - average.T).sum()
        <= 1.01 * np.square(expected.reconstruct() - average.T).sum()
    )
    assert bcq_tf.read(path).metadata["value"] is None


def test_without_validation_the_last_epoch_is_kept_with_a_warning(tmp_path):
    path = tmp_path / "last.bcq.npy"
    model = compiled_mlp()
    with pytest.warns(UserWarning, match="`monitor` 'val_loss' was in no epoch's logs"):
        fit(model, [BCQCallback(path, rules=RULES, latent=True)], validation_data=None)
    assert is_quantized(model, 3)
    assert bcq_tf.read(path).metadata["epoch"] == 1


def test_validation_every_second_epoch_rates_that_epoch(tmp_path):
    path = tmp_path / "best.bcq.npy"
    fit(compiled_mlp(), [BCQCallback(path, rules=RULES)], epochs=3, validation_freq=2)
    assert bcq_tf.read(path).metadata["epoch"] == 1


def test_a_monitor_that_grows_is_maximised(tmp_path):
    x, y = regression_data()
    labels = y.argmax(1)
    model = mlp()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    callback = BCQCallback(tmp_path / "b.bcq.npy", rules=RULES, monitor="val_accuracy")
    history = model.fit(
        x, labels, BATCH, 4, 0, [callback], validation_data=(x, labels), shuffle=False
    ).history
    assert callback.best == pytest.approx(max(history["val_accuracy"]))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("latent", [False, True])
def test_mixed_precision(tmp_path, policy, latent):
    path = tmp_path / "best.bcq.npy"
    keras.config.set_dtype_policy(policy)
    try:
        model = compiled_mlp()
        fit(model, [BCQCallback(path, rules=RULES, latent=latent, every_n_steps=2)])
    finally:
        keras.config.set_dtype_policy("float32")
    assert is_quantized(model, 3)
    assert np.isfinite(bcq_tf.read(path).metadata["value"])


def test_one_callback_serves_two_fits(tmp_path):
    callback = BCQCallback(rules=RULES, latent=True)
    for _ in range(2):
        model = compiled_mlp()
        fit(model, [callback])
        assert is_quantized(model, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": 3}, "`schedule` must be a mapping of steps to bits. Received: 3"),
        ({"bits": 0}, "`bits` must be an integer from 1 to 8. Received: bits=0"),
        ({"bits": 9}, "`bits` must be an integer from 1 to 8. Received: bits=9"),
        ({"bits": 2.0}, "`bits` must be an integer from 1 to 8. Received: bits=2.0"),
        ({"group_size": 20}, "`group_size` must be None or a positive multiple of 32"),
        ({"solver": "best"}, "`solver` must be one of .* Received: solver='best'"),
        ({"effort": "warm"}, "`effort` must be one of .* Received: effort='warm'"),
        ({"mode": "up"}, "`mode` must be one of .* Received: mode='up'"),
        ({"every_n_steps": 0}, "`every_n_steps` must be a positive integer. Received: .*=0"),
        ({"latent": 1}, "`latent` must be True or False. Received: latent=1"),
        ({"filepath": "model.npy"}, "`filepath` must end in '.bcq.npy'. Received: 'model.npy'"),
        ({"keep": 0}, "`keep` must be a positive integer. Received: keep=0"),
        ({"filepath": "a.bcq.npy", "keep": 2}, "`filepath` must hold a field .* keep=2"),
    ],
)
def test_bad_arguments_are_refused_before_training(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        BCQCallback(**arguments)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (
            lambda bcq: [bcq, keras.callbacks.EarlyStopping(restore_best_weights=True)],
            "`callbacks` must have BCQCallback after EarlyStopping",
        ),
        (lambda bcq: [keras.callbacks.SwapEMAWeights(), bcq], "must not hold SwapEMAWeights"),
        (lambda bcq: [bcq, keras.callbacks.SwapEMAWeights()], "must not hold SwapEMAWeights"),
    ],
)
def test_other_callbacks_that_would_undo_the_work_are_refused(callbacks, message):
    model = compiled_mlp(keras.optimizers.SGD(0.05, use_ema=True))
    with pytest.raises(ValueError, match=message):
        fit(model, callbacks(BCQCallback(rules=RULES)))


def test_a_monitor_that_the_logs_lack_is_named():
    with pytest.raises(ValueError, match="`monitor` must be one of .*='val_bleu'"):
        fit(compiled_mlp(), [BCQCallback(rules=RULES, monitor="val_bleu")])


def test_a_monitor_without_a_direction_asks_for_a_mode():
    with pytest.raises(ValueError, match="Pass `mode='max'`"):
        fit(compiled_mlp(), [BCQCallback(rules=RULES, monitor="bcq_bits")])


def test_a_rule_that_matches_nothing_is_named():
    with pytest.raises(ValueError, match="`rules` must have patterns that match .* 'encoder"):
        fit(compiled_mlp(), [BCQCallback(rules={"encoder*": 2})])


def test_nan_in_a_weight_is_named_and_the_file_stays(tmp_path):
    path = tmp_path / "best.bcq.npy"
    fit(compiled_mlp(), [BCQCallback(path, rules=RULES)])
    before = path.read_bytes()
    model = compiled_mlp(keras.optimizers.SGD(float("nan")))
    with pytest.raises(ValueError, match=r"NaN.*\(weight 'hidden/kernel'\)"):
        fit(model, [BCQCallback(path, rules=RULES)])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_a_damaged_file_is_refused_and_stays(tmp_path):
    path = tmp_path / "best.bcq.npy"
    path.write_bytes(b"not a file of ours")
    with pytest.raises(bcq_tf.FileFormatError, match="best.bcq.npy"):
        fit(compiled_mlp(), [BCQCallback(path, rules=RULES)])
    assert path.read_bytes() == b"not a file of ours"


def test_an_unknown_field_in_the_path_is_named(tmp_path):
    with pytest.raises(ValueError, match="`filepath` may hold the fields .*val_bleu"):
        fit(compiled_mlp(), [BCQCallback(tmp_path / "{val_bleu}.bcq.npy", rules=RULES)])
    assert os.listdir(tmp_path) == []
