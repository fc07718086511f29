"""`allocate`: rules that spend a budget where a model's loss falls most."""

import json

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf import allocate
from tests.backends import only_on

pytestmark = [
    only_on("tensorflow"),
    pytest.mark.filterwarnings("ignore:`calibration`"),
]
COMMON, WORDS = 8, 64


def words(rows=400, seed=0):
    """Sentences of 6 of 64 words, nearly all of them of the first 8."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, COMMON, (rows, 6))
    rare = rng.random((rows, 6)) < 0.02
    return np.where(rare, rng.integers(COMMON, WORDS, (rows, 6)), ids).astype("int32")


def classifier(loss="sparse_categorical_crossentropy") -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((6,), dtype="int32"),
        L.Embedding(WORDS, 64, name="table"),
        L.GlobalAveragePooling1D(),
        L.Dense(64, activation="tanh", name="hidden"),
        L.Dense(64, name="linear"),
        L.Dense(8, activation="softmax", name="output"),
    ]
    model = keras.Sequential(layers, name="m")
    table = model.get_layer("table").embeddings
    table.assign(20 * table)
    model.layers[-1].kernel.assign(8 * model.layers[-1].kernel)
    if loss:
        model.compile(loss=loss)
    return model


def bits_of(rules, path):
    return rules[path].get("bits", rules[path].get("row_bits"))


def test_frequent_words_get_more_bits_than_rare_ones():
    rules = allocate(classifier(), 2.0, calibration=words())
    row_bits = np.array([int(digit) for digit in bits_of(rules, "m/table/embeddings")])
    assert row_bits[:COMMON].min() > row_bits[COMMON:].mean() + 0.5


@pytest.mark.parametrize("loss", ["mean_squared_error", "binary_crossentropy"])
def test_weights_that_matter_more_get_more_bits(loss):
    keras.utils.set_random_seed(0)
    x = keras.Input((64,))
    strong, weak = L.Dense(8, name="strong")(x), L.Dense(8, name="weak")(x)
    model = keras.Model(x, keras.ops.sigmoid(strong + 0.01 * weak), name="m")
    model.compile(loss=loss)
    data = np.random.default_rng(0).normal(size=(200, 64)).astype("float32")
    rules = allocate(model, 2.6, calibration=data)
    assert bits_of(rules, "strong/kernel") > bits_of(rules, "weak/kernel")


@pytest.mark.parametrize("budget", [1.7, 2.2, 3.1])
def test_the_budget_is_what_the_codes_take(budget):
    model, x = classifier(), words()
    rules = allocate(model, budget, calibration=x, config=bcq_tf.BCQConfig(group_size=32))
    report = bcq_tf.quantize_model(model, rules=json.loads(json.dumps(rules)), calibration=x)
    assert budget - 0.15 < report.bits_per_weight <= budget
    assert {weight.codes.group_size for weight in report.chosen} == {32}


def test_bytes_are_those_of_all_weights():
    model = classifier()
    rules = allocate(model, nbytes=4000, calibration=words())
    report = bcq_tf.quantize_model(model, rules=rules)
    assert 3700 < report.codes_nbytes + report.float_nbytes <= 4000


@pytest.mark.parametrize(
    ("config", "columns", "expected"),
    [
        (None, 64, {None}),  # of a row as long as a group there is one
        (None, 192, {None, 128, 64}),
        (bcq_tf.BCQConfig(group_size=96), 192, {96}),
    ],
)
def test_whole_rows_and_groups_are_tried_unless_a_size_is_given(config, columns, expected):
    # Rows whose two halves differ in size, and others.
    random = np.random.default_rng(0)
    chosen = set()
    for spread in ([1, 1, 1], [1, 1, 60], [1, 30, 900]):
        model = keras.Sequential([keras.Input((columns,)), L.Dense(64)])
        model.compile(loss="mse")
        sizes = np.repeat(spread[: max(1, columns // 64)], 64)[:, None]
        model.layers[0].kernel.assign(sizes * random.normal(size=(columns, 64)))
        data = (random.normal(size=(300, columns)) / sizes.T).astype("float32")
        (rule,) = allocate(model, 3.3, calibration=data, config=config).values()
        chosen.add(rule["group_size"])
    assert chosen <= expected
    assert len(chosen) > 1 or len(expected) == 1


@pytest.mark.parametrize(
    ("given", "size", "dtype"),
    [
        ("auto", 1, "e5m4"),
        ("float16", 1, "float16"),
        ("float32", 1, "float32"),
        # Scales that might leave its range.
        ("auto", 1e4, "float32"),
        ("auto", 1e-6, "float32"),
    ],
)
def test_scales_of_groups_are_short_where_that_holds_them(given, size, dtype):
    model = keras.Sequential([keras.Input((128,)), L.Dense(64)])
    model.compile(loss="mse")
    random = np.random.default_rng(0)
    model.layers[0].kernel.assign(size * random.normal(size=(128, 64)))
    data = random.normal(size=(300, 128)).astype("float32")
    config = bcq_tf.BCQConfig(group_size=64, scale_dtype=given)
    (rule,) = allocate(model, 3.6, calibration=data, config=config).values()
    assert rule.get("scale_dtype", "auto") == dtype
    report = bcq_tf.quantize_model(
        model, budget=3.6, calibration=data, config=bcq_tf.BCQConfig(scale_dtype=given)
    )
    assert report.bits_per_weight <= 3.6


def test_group_sizes_are_chosen_too():
    model = classifier()
    kernel, table = model.get_layer("hidden").kernel, model.get_layer("table").embeddings
    large = np.where(np.arange(64) < 32, 30.0, 1.0).astype("float32")
    kernel.assign(kernel * large[:, None])
    table.assign(table / large)
    rules = allocate(model, 3.0, calibration=words(), group_sizes=(None, 32))
    assert rules["m/hidden/kernel"]["group_size"] == 32


def test_it_is_better_than_equal_bits():
    x, losses = words(), {}
    for name in ("equal", "budget"):
        model = classifier()
        before = np.log(model.predict(x, verbose=0))
        if name == "equal":
            report = bcq_tf.quantize_model(model, 2, calibration=x)
            size = report.bits_per_weight
        else:
            assert bcq_tf.quantize_model(model, budget=size, calibration=x).bits_per_weight <= size
        after = np.log(model.predict(x, verbose=0))
        losses[name] = (np.exp(before) * (before - after)).sum(axis=1).mean()
    assert losses["budget"] < 0.7 * losses["equal"]


def test_any_loss_will_do_where_there_are_targets():
    def own_loss(y, predicted):
        return keras.ops.sum((keras.ops.one_hot(y[:, 0], 8) - predicted) ** 4, axis=-1)

    x = words()
    y = x[:, :1] % 8
    rules = allocate(classifier(own_loss), 2.0, calibration=(x, y))
    row_bits = np.array([int(digit) for digit in bits_of(rules, "m/table/embeddings")])
    assert row_bits[:COMMON].mean() > row_bits[COMMON:].mean() + 0.5
    with pytest.raises(ValueError, match="`calibration` must have targets"):
        allocate(classifier(own_loss), 2.0, calibration=x)


def test_rules_hold_and_paths_are_no_patterns():
    model = classifier()
    rules = {"*linear*": {"bits": 4}, "*output*": None, "*hidden*": {"group_size": 32}}
    found = allocate(model, 3.0, calibration=words(), rules=rules)
    assert found["m/linear/kernel"] == {"bits": 4, "group_size": None}
    assert found["*output*"] is None
    assert bits_of(found, "m/hidden/kernel") in (1, 2, 3, 4)
    plan = bcq_tf.select(model, rules=found)
    assert [weight.path for weight in plan.chosen] == [p for p in found if p.startswith("m/")]


def test_weights_that_no_sample_reaches_get_what_others_get():
    x = keras.Input((64,))
    used, unused = L.Dense(64, name="used"), L.Dense(64, name="unused")
    model = keras.Model(x, [used(x), unused(x)])

    class First(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model

        def call(self, x):
            return self.inner(x)[0]

    outer = First()
    outer(np.zeros((1, 64), "f"))
    outer.compile(loss="mse")
    data = np.random.default_rng(0).normal(size=(300, 64)).astype("float32")
    rules = allocate(outer, 2.6, calibration=data)
    assert {abs(bits_of(rules, path) - 2) <= 1 for path in rules} == {True}


def test_samples_give_the_same_rules_again():
    assert allocate(classifier(), 2.0, calibration=words()) == allocate(
        classifier(), 2.0, calibration=words()
    )


WRONG = [
    ({}, "`budget` or `nbytes` must be given, not both. Received: neither"),
    ({"budget": 2, "nbytes": 900}, "`budget` or `nbytes` must be given, not both"),
    ({"budget": "2"}, "`budget` must be a positive number. Received: budget='2'"),
    ({"budget": float("nan")}, "`budget` must be a positive number"),
    ({"budget": 0.9}, r"`budget` must be from 1\.\d+ to 5\.\d+ bits a weight"),
    ({"budget": 33}, r"`budget` must be from 1\.\d+ to 5\.\d+ bits a weight"),
    ({"nbytes": 100}, r"`nbytes` must be \d+ or more for this model"),
    ({"budget": 2, "bits": (0, 1)}, "`bits` must be an integer from 1 to 8"),
    ({"budget": 2, "group_sizes": (20,)}, "`group_size` must be None or a positive multiple of 32"),
    ({"budget": 2, "calibration": []}, "`calibration` must have a batch"),
    ({"budget": 2, "rules": {"*nothing*": 2}}, "`rules` must have patterns that match"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_bad_input_is_one_line_and_changes_nothing(arguments, message):
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message) as error:
        allocate(model, **{"calibration": words(40)} | arguments)
    assert "\n" not in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_without_a_loss_is_refused():
    with pytest.raises(ValueError, match="`model` must be compiled with a loss"):
        allocate(classifier(loss=None), 2.0, calibration=words(40))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 2, "bits": 3}, "`budget` must be given without `bits`"),
        ({"budget": 2, "calibration": None}, "`budget` needs `calibration`"),
        ({"budget": -1}, "`budget` must be a positive number"),
    ],
)
def test_a_budget_stands_alone(arguments, message):
    for function in (lambda **a: bcq_tf.quantize_model(classifier(), **a), bcq_tf.BCQCallback):
        with pytest.raises(ValueError, match=message):
            function(**{"calibration": words(40)} | arguments)


def test_a_run_spends_it_once(tmp_path):
    x = words(64)
    y = x[:, 0] % 8
    path, settings = tmp_path / "best.bcq.npy", {"budget": 2.2, "calibration": x}

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def fit(epochs, *others, **more):
        model = classifier()
        callback = bcq_tf.BCQCallback(path, latent=True, monitor="loss", **settings | more)
        model.fit(x, y, epochs=epochs, verbose=0, callbacks=[*others, callback])
        return callback

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    with pytest.raises(KeyboardInterrupt):
        fit(2, backup(), Stop())
    first = bcq_tf.read(path)
    row_bits = next(codes.row_bits for codes in first.values() if hasattr(codes, "row_bits"))
    assert len(set(row_bits)) > 1
    report = fit(2, backup()).report
    assert report.bits_per_weight <= 2.2
    np.testing.assert_array_equal(report.chosen[0].codes.row_bits, row_bits)
    again = fit(1, resume=True).report
    np.testing.assert_array_equal(again.chosen[0].codes.row_bits, row_bits)
    packed = bcq_tf.load_model(path)
    np.testing.assert_allclose(
        packed.get_layer("table")(x[:2]), report.codes["m/table/embeddings"].rows(x[:2].ravel())
        .reshape(2, 6, 64), rtol=1e-5, atol=1e-6,
    )  # fmt: skip
