"""quantize_model, load_weights and the report, over every kind of Keras model."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.training import quantizer
from bcq_tf.training.quantizer import ModelQuantizer
from tests.models.packed_models import IDS, NoConfig
from tests.small_models import mlp

L = keras.layers


def image_model():
    return keras.Sequential(
        [
            keras.Input((12, 12, 8)),
            L.Conv2D(16, 3, name="conv"),
            L.BatchNormalization(),
            L.SeparableConv2D(40, 3, depth_multiplier=5),
            L.DepthwiseConv2D(3),
            L.GlobalAveragePooling2D(),
            L.Dense(5),
        ]
    )


def text_model():
    tokens = keras.Input((7,), dtype="int32")
    x = L.Embedding(50, 32)(tokens)
    x = L.Bidirectional(L.LSTM(32, return_sequences=True))(x)
    x = L.TimeDistributed(L.Dense(32))(x)
    x = L.GRU(40, return_sequences=True)(x)
    x = L.MultiHeadAttention(2, 16)(x, x)
    return keras.Model(tokens, L.SimpleRNN(33)(x))


def tied_model():
    tokens = keras.Input((7,), dtype="int32")
    table = L.ReversibleEmbedding(50, 32, tie_weights=True)
    hidden = L.Dense(32)(table(tokens))
    return keras.Model(tokens, hidden)


def nested_model():
    inner = mlp(32, 40, 32)
    x = keras.Input((32,))
    return keras.Model(x, inner(inner(x)))  # the inner model is shared


class Subclassed(keras.Model):
    def __init__(self, units):  # an argument, and no get_config: Keras has no config of it
        super().__init__()
        self.blocks = [L.Dense(64), L.Dense(units)]

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def subclassed_model():
    model = Subclassed(32)
    model(np.zeros((1, 32), "float32"))
    return model


MODELS = {
    "functional": mlp,
    "image": image_model,
    "text": text_model,
    "tied": tied_model,
    "nested": nested_model,
    "subclassed": subclassed_model,
}


def example_input(model, seed=0):
    rng = np.random.default_rng(seed)
    shape = (3, *(model.input_shape[1:] if hasattr(model, "input_shape") else (32,)))
    if shape[1:] == (7,):
        return rng.integers(0, 50, shape)
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_its_file(name, tmp_path):
    path = tmp_path / "model.bcq.npy"
    model = MODELS[name]()
    before = [w.numpy() for w in model.weights]
    report = bcq_tf.quantize_model(model, bits=3, filepath=path)
    assert report.chosen, report
    assert len(report.chosen) + len(report.skipped) == len(model.weights)
    fresh = MODELS[name]()
    bcq_tf.load_weights(fresh, path)
    for a, b in zip(model.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    x = example_input(model)
    np.testing.assert_array_equal(model(x), fresh(x))
    skipped = {weight.path for weight in report.skipped}
    for variable, value in zip(model.weights, before, strict=True):
        unchanged = np.array_equal(variable.numpy(), value)
        assert unchanged == (variable.path in skipped), variable.path


@pytest.mark.parametrize("name", MODELS)
def test_the_reports_total_is_the_file(name, tmp_path):
    path = tmp_path / "model.bcq.npy"
    report = bcq_tf.quantize_model(MODELS[name](), bits=2, filepath=path)
    assert report.nbytes == path.stat().st_size
    parts = report.codes_nbytes + report.float_nbytes
    assert parts == sum(tensor.nbytes for tensor in bcq_tf.read(path).values())
    for weight in (*report.chosen, *report.skipped):
        assert weight.path in str(report)
    assert all(weight.reason for weight in report.skipped)
    assert report.to_dict()["nbytes"] == report.nbytes


def test_a_file_that_is_not_enough_says_so():
    assert "lacks the model's Keras config" not in str(bcq_tf.quantize_model(mlp(), effort="low"))
    model = NoConfig(48)
    model(IDS)
    report = bcq_tf.quantize_model(model, effort="low")
    assert "lacks the model's Keras config" in str(report)
    assert not report.to_dict()["has_config"]


def test_a_quantized_models_error_is_that_of_its_weights():
    model = mlp()
    before = model.get_weights()
    report = bcq_tf.quantize_model(model, bits=2)
    after = {w.path: w.numpy() for w in model.weights}
    for weight in report.chosen:
        value = next(b for b, w in zip(before, model.weights, strict=True) if w.path == weight.path)
        error = np.square(after[weight.path] - value).sum() / np.square(value).sum()
        assert weight.error == pytest.approx(error, rel=1e-3)  # 4 digits are kept


def test_the_whole_error_is_the_share_of_lost_energy():
    model = mlp()
    quantizer = ModelQuantizer(model, rules={"*": 1, "output/kernel": 4})
    quantizer.solve()
    values = quantizer.values()
    lost = sum(
        np.square(w.view.to_matrix(values[w.position]) - quantizer.codes[w.position].reconstruct())
        .sum()
        for w in quantizer.plan.chosen
    )  # fmt: skip
    energy = sum(np.square(value).sum() for value in values.values())
    assert quantizer.error == pytest.approx(lost / energy, rel=1e-5)


def test_quantizing_twice_changes_nothing():
    model = mlp()
    bcq_tf.quantize_model(model, bits=3)
    once = model.get_weights()
    bcq_tf.quantize_model(model, bits=3)
    for a, b in zip(once, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_a_shared_table_is_solved_once():
    report = bcq_tf.quantize_model(nested_model(), bits=3)
    assert [w.path for w in report.chosen] == ["hidden/kernel", "output/kernel"]


def test_nan_is_named_and_the_model_unchanged(tmp_path):
    path = tmp_path / "model.bcq.npy"
    model = mlp()
    before = model.get_layer("hidden").kernel.numpy()
    model.get_layer("output").kernel.assign(np.full((40, 4), np.nan))
    with pytest.raises(ValueError, match=r"NaN.*\(weight 'output/kernel'\)") as error:
        bcq_tf.quantize_model(model, filepath=path)
    assert "\n" not in str(error.value)
    np.testing.assert_array_equal(model.get_layer("hidden").kernel.numpy(), before)
    assert not path.exists()


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="`model` must be built"):
        bcq_tf.quantize_model(keras.Sequential([L.Dense(3)]))


def test_a_model_of_other_shapes_is_refused_and_unchanged(tmp_path):
    path = tmp_path / "model.bcq.npy"
    bcq_tf.quantize_model(mlp(32, 40), filepath=path)
    other = mlp(32, 48)
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"weight 0 is \[32, 48\] .*in the file \[32, 40\]"):
        bcq_tf.load_weights(other, path)
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_of_another_number_of_weights_is_refused(tmp_path):
    path = tmp_path / "model.bcq.npy"
    bcq_tf.quantize_model(mlp(), filepath=path)
    with pytest.raises(ValueError, match="it has 2 weights, the file 4: 'output/kernel'"):
        bcq_tf.load_weights(keras.Sequential([keras.Input((32,)), L.Dense(40)]), path)


def test_a_file_without_a_models_weights_is_refused(tmp_path):
    path = tmp_path / "loose.bcq.npy"
    bcq_tf.save(path, {"a": np.zeros(3, "float32")})
    with pytest.raises(bcq_tf.FileFormatError, match="loose.bcq.npy"):
        bcq_tf.load_weights(mlp(), path)


LIES = {
    "no table": lambda tensors, metadata: metadata.pop("weights"),
    "no reasons": lambda tensors, metadata: metadata.update(skipped=[]),
    "a line is missing": lambda tensors, metadata: metadata["weights"].pop("0"),
    "a line is no dict": lambda tensors, metadata: metadata["weights"].update({"0": 3}),
    "an error is text": lambda tensors, metadata: metadata["weights"]["0"].update(error="x"),
    "a view is empty": lambda tensors, metadata: metadata["weights"]["0"].update(view={}),
    "a view is of other shape": lambda tensors, metadata: metadata["weights"]["0"].update(
        view={"shape": [40, 4], "rows": [0], "columns": [1]}
    ),
    "codes are of another kind": lambda tensors, metadata: tensors.update(
        {next(iter(tensors)): bcq_tf.UniformCodes(np.zeros((40, 1), np.uint8), 0.5, 2, 4)}
    ),
    "a name has no position": lambda tensors, metadata: tensors.update(x=tensors.popitem()[1]),
    "a position is missing": lambda tensors, metadata: tensors.update(
        {"7:x": tensors.popitem()[1]}
    ),
    "a position is negative": lambda tensors, metadata: tensors.update(
        {"-1:x": tensors.popitem()[1]}
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_contradicts_itself_is_a_format_error(tmp_path, lie):
    path, lying = tmp_path / "model.bcq.npy", tmp_path / "lying.bcq.npy"
    model = mlp()
    bcq_tf.quantize_model(model, filepath=path)
    tensors, metadata = dict(bcq_tf.read(path)), bcq_tf.read(path).metadata
    LIES[lie](tensors, metadata)
    bcq_tf.save(lying, tensors, metadata)
    before = model.get_weights()
    with pytest.raises(bcq_tf.FileFormatError, match=r"lying\.bcq\.npy"):
        bcq_tf.load_weights(model, lying)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_keras_config_is_in_the_file_where_there_is_one(tmp_path):
    for build, has_config in ((mlp, True), (subclassed_model, False)):
        path = tmp_path / "model.bcq.npy"
        bcq_tf.quantize_model(build(), filepath=path)
        config = bcq_tf.read(path).metadata["model"]
        assert (config is not None) == has_config
    bcq_tf.quantize_model(mlp(), filepath=path)
    rebuilt = keras.saving.deserialize_keras_object(bcq_tf.read(path).metadata["model"])
    bcq_tf.load_weights(rebuilt, path)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("a.npy", ValueError, "`filepath` must end with '.bcq.npy'. Received: filepath="),
        ("file/a.bcq.npy", NotADirectoryError, "Is no folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_said_before_the_work(
    tmp_path, monkeypatch, name, error, message
):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(quantizer, "quantize", None)  # any solve fails
    with pytest.raises(error, match=message):
        bcq_tf.quantize_model(mlp(), filepath=tmp_path / name)
