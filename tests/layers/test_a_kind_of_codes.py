"""A fifth kind of codes, made here: files, reports, commands, layers and exports take it."""

import dataclasses
import json
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.cli import main as cli
from bcq_tf.codes import CodedMatrix, kinds
from bcq_tf.codes.declaration import Array
from bcq_tf.embeddings import CompressedVectors
from bcq_tf.layers import CodedWeight
from bcq_tf.layers.kinds import registry
from bcq_tf.layers.packed_embedding import PackedEmbedding
from tests.files.forged import forge

ROWS, COLUMNS = 60, 24
IDS = np.random.default_rng(0).integers(0, ROWS, (5, 7)).astype("int32")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RowwiseCodes(CodedMatrix):
    """W[r, c] = steps[r] * (numbers[r, c] + shift)"""

    numbers: np.ndarray
    steps: np.ndarray
    shift: float

    KIND = "rowwise"
    SUMMARY = "shift={0.shift}"
    FACTS: ClassVar = {"shift": float}
    ARRAYS: ClassVar = {
        "numbers": Array(("int8",), lambda codes: codes.shape),
        "steps": Array(("float32",), lambda codes: codes.shape[:1]),
    }

    bits = 8

    @property
    def shape(self):
        return self.numbers.shape

    def rows(self, ids):
        return self.steps[ids, np.newaxis] * (self.numbers[ids] + np.float32(self.shift))


@dataclasses.dataclass(frozen=True)
class RowwiseWeight(CodedWeight):
    """The facts of `RowwiseCodes`: there are none beside the sizes."""

    CODES = RowwiseCodes
    OWN_OPS = False
    bits = 8

    @classmethod
    def of(cls, codes, view, trainable=False):
        return cls(view)

    def gather(self, parts, ids, dtype):
        numbers = tf.cast(tf.gather(parts["numbers"], ids), tf.float32)
        steps = tf.gather(parts["steps"], ids)[..., tf.newaxis]
        return tf.cast(steps * (numbers + parts["shift"]), dtype)


@keras.saving.register_keras_serializable(package="tests")
class RowwiseEmbedding(PackedEmbedding):
    WEIGHT = RowwiseWeight


@pytest.fixture(autouse=True)
def the_kind():
    kinds.register(RowwiseCodes)
    registry.register(RowwiseEmbedding)
    yield
    del kinds.KINDS["rowwise"], registry.EMBEDDINGS["rowwise"]


def random_codes(seed=0):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-128, 128, (ROWS, COLUMNS)).astype(np.int8)
    return RowwiseCodes(numbers, rng.random(ROWS).astype(np.float32), 0.5)


def assert_same(codes, expected):
    assert isinstance(codes, RowwiseCodes)
    assert codes.shift == expected.shift
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(codes.arrays()[name], array)


def embedding_model():
    layer = keras.layers.Embedding(ROWS, COLUMNS, name="words")
    return keras.Sequential([keras.Input((7,), dtype="int32"), layer, keras.layers.LSTM(3)])


# Values, files and reports


def test_the_declaration_checks_the_parts():
    good = random_codes()
    assert good.nbytes == ROWS * COLUMNS + 4 * ROWS + 4
    assert repr(good) == "RowwiseCodes([60, 24], shift=0.5, 1684 bytes, 9.36 bits per weight)"
    with pytest.raises(TypeError, match="`numbers` must be int8. Received: int16"):
        dataclasses.replace(good, numbers=good.numbers.astype(np.int16))
    with pytest.raises(ValueError, match=r"`steps` must be \[60\]. Received: \[59\]"):
        dataclasses.replace(good, steps=good.steps[1:])
    with pytest.raises(ValueError, match="`steps` must be finite. Received: NaN or Inf"):
        dataclasses.replace(good, steps=good.steps * np.nan)
    with pytest.raises(ValueError, match="`numbers` must have at least one row"):
        RowwiseCodes(good.numbers[:0], good.steps[:0], 0.5)


def test_a_file_holds_it(tmp_path):
    bcq_tf.save(tmp_path / "a.bcq.npy", {"w": random_codes(), "bias": np.ones(3, np.float32)})
    assert_same(bcq_tf.read(tmp_path / "a.bcq.npy")["w"], random_codes())


@pytest.mark.parametrize(
    ("entry", "numbers", "message"),
    [
        ({}, None, "entry that breaks the format"),
        ({"shift": 0.5, "rows": [60]}, None, "entry that breaks the format"),
        ({"shift": "x"}, None, "could not convert"),
        ({"shift": 0.5}, np.ones((3, 3), np.int8), r"`steps` must be \[3\]. Received: \[60\]"),
        ({"shift": 0.5}, np.ones((60, 3), np.uint8), "`numbers` must be int8"),
    ],
)
def test_a_hostile_file_is_refused(entry, numbers, message, tmp_path):
    codes = random_codes()
    tensors = [
        ("w/steps", codes.steps),
        ("w/numbers", codes.numbers if numbers is None else numbers),
    ]
    (tmp_path / "a.npy").write_bytes(forge(tensors, {"w": {"kind": "rowwise"} | entry}))
    with pytest.raises(bcq_tf.FileFormatError, match=message):
        bcq_tf.read(tmp_path / "a.npy")


def test_a_process_that_does_not_know_it_says_so(tmp_path):
    bcq_tf.save(tmp_path / "a.bcq.npy", {"w": random_codes()})
    known = kinds.KINDS.pop("rowwise")
    try:
        with pytest.raises(bcq_tf.FileFormatError, match="of the unknown kind 'rowwise'"):
            bcq_tf.read(tmp_path / "a.bcq.npy")
    finally:
        kinds.register(known)


def test_inspect_shows_it(tmp_path, capsys):
    bcq_tf.save(tmp_path / "a.bcq.npy", {"w": random_codes()})
    assert cli.main(["inspect", str(tmp_path / "a.bcq.npy"), "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["tensors"]
    assert (line["shape"], line["bits"], line["nbytes"]) == ([ROWS, COLUMNS], 8, 1684)


def test_compressed_vectors_are_of_it(tmp_path):
    vectors = CompressedVectors(map(str, range(ROWS)), random_codes())
    vectors.save(tmp_path / "words.bcq.npy")
    again = CompressedVectors.read(tmp_path / "words.bcq.npy")
    assert_same(again.codes, random_codes())
    np.testing.assert_array_equal(again.rows([7])[0], random_codes().rows([7])[0])


# Layers


@pytest.mark.parametrize("jit", [False, True])
def test_an_embedding_looks_up_in_it(jit):
    layer = RowwiseEmbedding.from_codes(random_codes())
    rows = tf.function(layer, jit_compile=jit)(IDS)
    np.testing.assert_array_equal(rows, random_codes().reconstruct()[IDS])
    assert_same(layer.codes, random_codes())
    assert layer.nbytes == random_codes().nbytes
    layer.assign_codes("embeddings", random_codes(seed=1))
    np.testing.assert_array_equal(layer(IDS), random_codes(seed=1).reconstruct()[IDS])


def test_a_model_is_packed_with_it_saved_loaded_and_unpacked(tmp_path):
    model = embedding_model()
    floats = model.get_layer("words")
    report = bcq_tf.pack_model(model, {floats.embeddings.path: random_codes()})
    assert type(model.get_layer("words")) is RowwiseEmbedding
    (line,) = report.packed
    assert (line.bits, line.nbytes, line.float_nbytes) == (8, 1684, 4 * ROWS * COLUMNS)
    expected = model(IDS).numpy()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(again.get_layer("words").codes, random_codes())
    np.testing.assert_array_equal(again(IDS), expected)
    bcq_tf.unpack_model(model)
    np.testing.assert_array_equal(model.get_layer("words").embeddings, random_codes().reconstruct())


def test_an_exported_model_has_it(tmp_path):
    layer = RowwiseEmbedding.from_codes(random_codes())
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer])
    bcq_tf.export_saved_model(model, tmp_path / "saved")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    rows = loaded.serve(tf.constant(IDS))
    np.testing.assert_array_equal(rows, random_codes().reconstruct()[IDS])
    kept = tf.train.load_checkpoint(str(tmp_path / "saved" / "variables" / "variables"))
    types, shapes = kept.get_variable_to_dtype_map(), kept.get_variable_to_shape_map()
    assert [types[name] for name, shape in shapes.items() if len(shape) == 2] == [tf.int8]


def test_layers_that_compute_products_decode_it():
    model = keras.Sequential([keras.Input((COLUMNS,)), keras.layers.Dense(ROWS, name="dense")])
    path = model.get_layer("dense").kernel.path
    report = bcq_tf.pack_model(model, {path: random_codes()})
    assert [line.path for line in report.packed] == [path]
    kernel = random_codes().reconstruct().T
    np.testing.assert_array_equal(model.get_layer("dense").kernel, kernel)
    x = np.random.default_rng(0).normal(size=(3, COLUMNS)).astype("float32")
    np.testing.assert_allclose(model(x), x @ kernel, rtol=1e-5, atol=1e-5)
