"""`export_saved_model`: what is in the folder answers as the model does, and no more is in it."""

import concurrent.futures
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import native
from bcq_tf.export.saved_model import load_saved_model
from bcq_tf.ops import engine
from tests import fresh
from tests.export.models import (
    MODELS,
    attention,
    float_mlp,
    half_mlp,
    made,
    packed,
    packed_mlp,
    same,
)

needs_ops = pytest.mark.skipif(not engine.library(), reason="the compiled ops are not loaded")

# Answers with the SavedModel argv[1] to the arrays of argv[2], into argv[3].
SERVE = """
import sys, numpy as np, tensorflow as tf
serve = {load}(sys.argv[1]).signatures["serving_default"]
given = np.load(sys.argv[2])
answers = serve(**{{name: tf.constant(given[name]) for name in given}})
np.savez(sys.argv[3], **answers)
"""


def answers(path, arrays) -> dict:
    """{output: array} of the signature that servers call."""
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    return {
        name: value.numpy()
        for name, value in served(**{name: tf.constant(a) for name, a in arrays.items()}).items()
    }


def served_by(code, exported, path) -> dict:
    """{output: array} of a fresh process that runs `code` as SERVE is."""
    folder = Path(path).parent
    np.savez(folder / "given.npz", **exported.arrays)
    done = fresh.run(code, path, folder / "given.npz", folder / "got.npz", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "gradient" not in done.stderr
    return dict(np.load(folder / "got.npz"))


@pytest.mark.parametrize("portable", [True, pytest.param(False, marks=needs_ops)])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_answers_as_the_model_does(make, portable, tmp_path):
    exported = made(make)
    bcq_tf.export_saved_model(exported.model, tmp_path / "m", portable, exported.signature)
    same(answers(tmp_path / "m", exported.arrays), exported.expected())


@pytest.mark.parametrize("portable", [True, pytest.param(False, marks=needs_ops)])
def test_dropout_is_not_at_work(portable, tmp_path):
    layers = [keras.Input((64,)), keras.layers.Dropout(0.5), keras.layers.Dense(64)]
    model, x = packed(keras.Sequential(layers)), np.ones((3, 64), "float32")
    bcq_tf.export_saved_model(model, tmp_path / "m", portable)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    np.testing.assert_allclose(loaded.serve(x), model.predict(x, verbose=0), atol=1e-6)


def test_a_portable_one_answers_where_bcq_tf_cannot_be_imported(tmp_path):
    exported = attention()
    bcq_tf.export_saved_model(exported.model, tmp_path / "m")
    code = "import sys; sys.modules['bcq_tf'] = None\n" + SERVE.format(load="tf.saved_model.load")
    same(served_by(code, exported, tmp_path / "m"), exported.expected())


@needs_ops
def test_compiled_ops_in_another_process(tmp_path):
    exported = attention()
    bcq_tf.export_saved_model(exported.model, tmp_path / "m", portable=False)
    code = "import bcq_tf.native as n, tensorflow as tf\n"
    code += "tf.load_op_library(str(n.library(n.TF_OPS)))\n"
    code += SERVE.format(load="tf.saved_model.load")
    found = served_by(code, exported, tmp_path / "m")
    same(found, exported.expected(), tolerance=1e-6)


@needs_ops
def test_load_saved_model_registers_the_compiled_ops(tmp_path):
    exported = packed_mlp()
    bcq_tf.export_saved_model(exported.model, tmp_path / "m", portable=False)
    serve = load_saved_model(tmp_path / "m").signatures["serving_default"]
    found = serve(**{name: tf.constant(array) for name, array in exported.arrays.items()})
    same({name: value.numpy() for name, value in found.items()}, exported.expected(), 1e-6)


def test_without_compiled_ops_only_portable_models_are_written_and_read(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "library", lambda: None)
    with pytest.raises(native.NativeLibraryError, match="`portable` must be True without"):
        bcq_tf.export_saved_model(packed_mlp().model, tmp_path / "m", portable=False)
    with pytest.raises(native.NativeLibraryError, match="needs the compiled ops .* `make native`"):
        load_saved_model(tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("portable", [True, pytest.param(False, marks=needs_ops)])
def test_variables_on_disk_are_no_larger_than_the_codes(portable, tmp_path):
    model = float_mlp(512)
    bcq_tf.quantize_model(model, bits=2, effort="low", filepath=tmp_path / "m.bcq.npy")
    bcq_tf.pack_model(model, tmp_path / "m.bcq.npy")
    bcq_tf.export_saved_model(model, tmp_path / "m", portable)
    (data,) = (tmp_path / "m/variables").glob("variables.data*")
    # The compiled ops' tiles have 64 rows, the last layer has 4: 60 rows of 512 columns, 2 bits.
    tiles = 0 if portable else 60 * 512 * 2 // 8
    names = 6000  # TensorFlow's list of the objects that own the variables
    assert data.stat().st_size < (tmp_path / "m.bcq.npy").stat().st_size + tiles + names
    assert (tmp_path / "m/saved_model.pb").stat().st_size < 100_000


def test_the_signature_is_that_of_a_keras_export(tmp_path):
    model = float_mlp()
    model.export(tmp_path / "float", verbose=False)
    bcq_tf.export_saved_model(packed(model), tmp_path / "packed")
    float_one, ours = (tf.saved_model.load(str(tmp_path / n)) for n in ("float", "packed"))
    for name in ("serve", "serving_default"):
        assert (
            ours.signatures[name].structured_input_signature
            == float_one.signatures[name].structured_input_signature
        )
        assert (
            ours.signatures[name].structured_outputs
            == float_one.signatures[name].structured_outputs
        )
    assert ours.signatures["serving_default"].inputs[0].shape.as_list() == [None, 32]


@pytest.mark.parametrize("portable", [True, pytest.param(False, marks=needs_ops)])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_inside_only(policy, portable, tmp_path):
    exported = half_mlp(policy)
    bcq_tf.export_saved_model(exported.model, tmp_path / "m", portable)
    same(answers(tmp_path / "m", exported.arrays), exported.expected(), tolerance=2e-2)


def test_threads_get_the_answers_of_one(tmp_path):
    exported = attention()
    bcq_tf.export_saved_model(exported.model, tmp_path / "m")
    serve = tf.saved_model.load(str(tmp_path / "m")).signatures["serving_default"]
    ids = np.random.default_rng(1).integers(0, 50, (40, 2, 9)).astype("int32")

    def answer(batch):
        return serve(ids=tf.constant(batch))["output_0"].numpy()

    alone = [answer(batch) for batch in ids]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        together = list(threads.map(answer, ids))
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("portable", [True, pytest.param(False, marks=needs_ops)])
def test_ids_that_are_no_rows_are_errors(portable, tmp_path):
    ids = keras.Input((2,), dtype="int32", name="ids")
    model = packed(keras.Model(ids, keras.layers.Embedding(50, 32)(ids)))
    bcq_tf.export_saved_model(model, tmp_path / "m", portable)
    for wrong in (-1, 50):
        with pytest.raises(tf.errors.InvalidArgumentError):
            answers(tmp_path / "m", {"ids": np.array([[0, wrong]], "int32")})


def test_a_signature_of_ones_own_around_the_loaded_model(tmp_path):
    class Scaled(tf.Module):
        def __init__(self, path):
            super().__init__()
            self.model = tf.saved_model.load(str(path))

        @tf.function(input_signature=[tf.TensorSpec([None, 32], tf.uint8, name="pixels")])
        def serve(self, pixels):
            return {"scores": self.model.serve(tf.cast(pixels, tf.float32) / 255)}

    exported = packed_mlp()
    bcq_tf.export_saved_model(exported.model, tmp_path / "m")
    scaled = Scaled(tmp_path / "m")
    tf.saved_model.save(scaled, str(tmp_path / "own"), {"serving_default": scaled.serve})
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32)).astype("uint8")
    expected = exported.model(pixels.astype("float32") / 255).numpy()
    same(answers(tmp_path / "own", {"pixels": pixels}), {"scores": expected})


def test_lookup_tables_come_along(tmp_path):
    words = keras.Input((3,), dtype="string", name="words")
    ids = keras.layers.StringLookup(vocabulary=["yes", "no"])(words)
    embedded = keras.layers.Embedding(3, 64)(ids)
    model = keras.Model(words, keras.layers.Dense(70)(embedded))
    bcq_tf.export_saved_model(packed(model), tmp_path / "m")
    given = {"words": np.array([["no", "yes", "other"]])}
    expected = model(tf.constant(given["words"])).numpy()
    same(answers(tmp_path / "m", given), {"output_0": expected})


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_exists_is_left_alone(kind, tmp_path):
    path = tmp_path / "m"
    {"folder": path.mkdir, "file": path.touch, "link": lambda: path.symlink_to("nowhere")}[kind]()
    with pytest.raises(FileExistsError, match="`path` must not exist yet: .*m'"):
        bcq_tf.export_saved_model(packed_mlp().model, path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_above_that_is_missing_is_made(tmp_path):
    bcq_tf.export_saved_model(packed_mlp().model, tmp_path / "none" / "m")
    assert os.listdir(tmp_path / "none") == ["m"]


def test_nothing_is_left_of_an_export_that_fails(tmp_path):
    exported = packed_mlp()
    exported.model.call = lambda *a, **k: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bcq_tf.export_saved_model(exported.model, tmp_path / "m")
    assert not list(tmp_path.iterdir())
