"""`QuantEmbedding`: from a matrix, from files, from codes; zero until it is loaded."""

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import QuantEmbedding
from tests.eager import in_steps

ROWS, COLUMNS = 70, 40
IDS = np.random.default_rng(0).integers(0, ROWS, (5, 7)).astype("int32")
KINDS = [("uniform", nbit) for nbit in (*range(1, 9), 16, 32)] + [("binary", n) for n in (1, 2, 3)]


def table(seed=0):
    return np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype("float32")


def expected(matrix, method, nbit):
    """The table that the layer must have."""
    if nbit >= 16:
        return matrix.astype(f"float{nbit}").astype("float32")
    codes = quantize_uniform(matrix, nbit) if method == "uniform" else bcq_tf.quantize(matrix, nbit)
    return codes.reconstruct()


def made(method, nbit, **settings):
    return QuantEmbedding(ROWS, COLUMNS, nbit, method=method, **settings)


@pytest.mark.parametrize(("method", "nbit"), KINDS)
def test_every_number_of_bits_and_method(method, nbit, tmp_path):
    layer = made(method, nbit, weights=table(), mask_zero=True)
    rows = expected(table(), method, nbit)
    np.testing.assert_array_equal(layer.embeddings, rows)
    for jit in (False, layer.supports_jit):
        np.testing.assert_array_equal(tf.function(layer, jit_compile=jit)(IDS), rows[IDS])
    assert isinstance(layer, keras.layers.Embedding)
    assert not layer.trainable_variables
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer, keras.layers.LSTM(2)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))
    assert again.layers[0].get_config() == layer.get_config()


@pytest.mark.parametrize(("method", "nbit"), KINDS)
def test_the_config_says_all_but_the_table_which_is_zero_until_loaded(method, nbit, tmp_path):
    layer = made(method, nbit, weights=table(), padding_idx=3, name="words", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(layer.get_config()))
    assert (config["num_embeddings"], config["embedding_dim"]) == (ROWS, COLUMNS)
    assert (config["nbit"], config["method"], config["padding_idx"]) == (nbit, method, 3)
    for fresh in (
        QuantEmbedding.from_config(config),
        made(method, nbit, padding_idx=3, name="words", dtype="mixed_bfloat16"),
    ):
        assert fresh.get_config() == layer.get_config()
        assert not np.any(fresh(IDS))
        assert {(v.name, v.shape, v.dtype) for v in fresh.variables} == {
            (v.name, v.shape, v.dtype) for v in layer.variables
        }
        store = {}
        layer.save_own_variables(store)
        fresh.load_own_variables({name: variable.numpy() for name, variable in store.items()})
        np.testing.assert_array_equal(fresh(IDS), layer(IDS))


@pytest.mark.parametrize(("method", "nbit"), KINDS)
def test_bytes_are_those_of_the_variables(method, nbit):
    layer = made(method, nbit, weights=table())
    assert layer.nbytes == sum(variable.numpy().nbytes for variable in layer.variables)
    if method == "uniform":
        assert layer.nbytes <= ROWS * COLUMNS * nbit / 8 + 8
    else:  # rows in tiles of 64, 40 columns in two words of 32
        assert layer.nbytes == 128 * 8 * nbit + ROWS * 2 * nbit


@pytest.mark.parametrize(("method", "nbit"), KINDS)
def test_the_padding_row_is_zero(method, nbit):
    matrix = table()
    layer = made(method, nbit, weights=matrix, padding_idx=4)
    padded = matrix.copy()
    padded[4] = 0
    np.testing.assert_array_equal(layer.embeddings, expected(padded, method, nbit))
    assert not layer(np.array([4])).numpy().any()
    np.testing.assert_array_equal(matrix, table())  # what was given is left as it was


# Files and codes


@pytest.mark.parametrize("padding_idx", [None, 0, 69])
@pytest.mark.parametrize(("method", "nbit"), [("uniform", 3), ("binary", 2)])
def test_codes_are_taken_as_they_are(method, nbit, padding_idx, tmp_path):
    solve = quantize_uniform if method == "uniform" else bcq_tf.quantize
    codes = solve(table(), nbit)
    rows = codes.reconstruct()
    if padding_idx is not None:
        rows[padding_idx] = 0
    bcq_tf.save(tmp_path / "words.bcq.npy", {"embeddings": codes, "words": np.zeros(3, "uint8")})
    for given in ({"weights": codes}, {"embedding_file": tmp_path / "words.bcq.npy"}):
        layer = made(method, nbit, padding_idx=padding_idx, **given)
        np.testing.assert_array_equal(layer.embeddings, rows)
    if padding_idx is None:
        np.testing.assert_array_equal(QuantEmbedding.from_codes(codes).embeddings, rows)


def test_a_padding_row_of_ragged_codes():
    matrix = table()
    order = np.random.default_rng(0).permutation(ROWS)
    codes = bcq_tf.quantize(matrix[order], 2, offset=True)
    ragged = bcq_tf.BinaryCodes(
        (codes.planes[0], codes.planes[1][:20]),
        (codes.scales[0], codes.scales[1][:20]),
        COLUMNS,
        None,
        codes.offset,
        order,
    )
    for row in (order[3], order[50]):
        layer = made("binary", 2, weights=ragged, padding_idx=int(row))
        rows = ragged.reconstruct()
        rows[row] = 0
        np.testing.assert_array_equal(layer.embeddings, rows)


@pytest.mark.parametrize("method", ["uniform", "binary"])
def test_files_of_vectors(method, tmp_path):
    matrix = table()
    lines = [f"word{i} {' '.join(map(repr, map(float, row)))}\n" for i, row in enumerate(matrix)]
    (tmp_path / "words.txt").write_text("".join(lines))
    bcq_tf.save(tmp_path / "words.bcq.npy", {"embeddings": matrix})
    for name in ("words.txt", "words.bcq.npy"):
        layer = made(method, 2, embedding_file=tmp_path / name)
        np.testing.assert_array_equal(layer.embeddings, expected(matrix, method, 2))


def test_a_file_of_quantized_vectors_is_kept_as_it_is(tmp_path):
    matrix = quantize_uniform(table(), 2).reconstruct()
    bcq_tf.save(tmp_path / "words.bcq.npy", {"embeddings": matrix})
    layer = made("uniform", 2, embedding_file=tmp_path / "words.bcq.npy")
    np.testing.assert_array_equal(layer.embeddings, matrix)


# Training


@pytest.mark.parametrize(("method", "nbit"), [("uniform", 2), ("binary", 2), ("uniform", 32)])
@in_steps
def test_the_table_is_frozen_and_the_other_layers_train(method, nbit):
    layer = made(method, nbit, weights=table(), trainable=True)
    model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(IDS, np.arange(5.0), epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
    np.testing.assert_array_equal(layer.embeddings, expected(table(), method, nbit))


# Arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nbit": 0}, "`nbit` must be an integer from 1 to 8, 16 or 32. Received: nbit=0"),
        ({"nbit": 9}, "`nbit` must be"),
        ({"nbit": 2.0}, "`nbit` must be"),
        ({"num_embeddings": 0}, "`num_embeddings` must be a positive integer"),
        ({"embedding_dim": 3.5}, "`embedding_dim` must be a positive integer"),
        ({"method": "pq"}, "`method` must be one of .*'pq'"),
        ({"padding_idx": ROWS}, "`padding_idx` must be an integer from 0 to 69. Received"),
        ({"weights": table()[1:]}, r"`weights` must be .*\[70, 40\]. Received: \[69, 40\]"),
        ({"weights": table()[0]}, r"Received: \[40\]"),
        ({"weights": table() * np.nan}, "`weights` must be finite"),
        ({"weights": table() * np.nan, "nbit": 32}, "`weights` must be finite"),
        ({"weights": table() * 1e6, "nbit": 16}, "`weights` must be in the range of float16"),
        ({"weights": table(), "embedding_file": "x"}, "`weights` or `embedding_file` must be None"),
        (
            {"weights": bcq_tf.quantize(table(), 2)},
            "UniformCodes of 2 bits.* Received: BinaryCodes",
        ),
        ({"weights": quantize_uniform(table(), 3)}, "UniformCodes of 2 bits.* bits=3"),
    ],
)
def test_bad_arguments(settings, message):
    arguments = {"num_embeddings": ROWS, "embedding_dim": COLUMNS, "nbit": 2} | settings
    with pytest.raises(ValueError, match=message):
        QuantEmbedding(**arguments)


@pytest.mark.parametrize("nbit", [2, 16])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (1j * table(), "`weights` must hold real numbers. Received: dtype=complex"),
        (np.full((ROWS, COLUMNS), "a"), "`weights` must hold real numbers"),
    ],
)
def test_weights_that_are_no_numbers(nbit, weights, message):
    with pytest.raises(TypeError, match=message):
        QuantEmbedding(ROWS, COLUMNS, nbit, weights=weights)


@pytest.mark.parametrize("codes", [table(), None, 3])
def test_codes_that_are_none(codes):
    with pytest.raises(TypeError, match="`codes` must be UniformCodes or BinaryCodes. Received"):
        QuantEmbedding.from_codes(codes)


@pytest.mark.parametrize("kind", [int, np.int8, np.uint8])
def test_integers_of_any_type(kind):
    layer = QuantEmbedding(np.int16(ROWS), kind(COLUMNS), kind(8), weights=table())
    np.testing.assert_array_equal(layer.embeddings, expected(table(), "uniform", 8))
    assert json.loads(json.dumps(layer.get_config()))["nbit"] == 8


def test_bad_files(tmp_path):
    with pytest.raises(TypeError, match="`embedding_file` must be a path. Received: 5"):
        made("uniform", 2, embedding_file=5)

    bcq_tf.save(tmp_path / "other.bcq.npy", {"kernel": table()})
    with pytest.raises(ValueError, match="`embedding_file` must hold a tensor named 'embeddings'"):
        made("uniform", 2, embedding_file=tmp_path / "other.bcq.npy")
    bcq_tf.save(tmp_path / "short.bcq.npy", {"embeddings": table()[:5]})
    with pytest.raises(ValueError, match=r"`embedding_file` must be .* Received: \[5, 40\]"):
        made("uniform", 2, embedding_file=tmp_path / "short.bcq.npy")
    with pytest.raises(FileNotFoundError):
        made("uniform", 2, embedding_file=tmp_path / "none.txt")


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ValueError, match="need the TensorFlow backend of Keras. .* 'jax'"):
        made("uniform", 2, weights=table())


@pytest.mark.parametrize("given", [{"embedding_file": "FIFO"}, {"weights": [[1.0] * 4] * 3}])
def test_a_config_makes_no_layer_open_files(given, tmp_path):
    os.mkfifo(tmp_path / "FIFO")  # to open it would wait for a writer
    if "embedding_file" in given:
        given = {"embedding_file": str(tmp_path / "FIFO")}
    layer = QuantEmbedding(3, 4, nbit=2)
    assert not {"embedding_file", "weights"} & set(layer.get_config())
    config = keras.saving.serialize_keras_object(layer)
    config["config"] |= given
    with pytest.raises(
        (TypeError, ValueError), match="`config` must not name `(embedding_file|weights)`"
    ):
        keras.saving.deserialize_keras_object(config)
    with pytest.raises(ValueError, match="must not name"):
        QuantEmbedding.from_config(layer.get_config() | given)
