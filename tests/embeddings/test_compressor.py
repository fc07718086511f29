"""`EmbeddingCompressor`: the autoencoder against its formula, and its file."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.embeddings import EmbeddingCompressor, read_codes
from bcq_tf.embeddings.compositional.autoencoder import CodeAutoencoder
from bcq_tf.files.file import FileFormatError
from tests.eager import eagerly, in_steps

FAST = {"temperature": 0.5, "learning_rate": 0.01, "epochs": 2}


def gaussian(rows=130, dimensions=6, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)


def trained(path, matrix=None, M=3, K=4, resume=True, **options):
    compressor = EmbeddingCompressor(M, K, path, **(FAST | options))
    history = compressor.train(gaussian() if matrix is None else matrix, resume, verbose=0)
    return compressor, history.history


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """(a compressor that was trained on `gaussian()`, the bytes of its file)."""
    path = tmp_path_factory.mktemp("once") / "best.bcq.npy"
    with eagerly():
        return trained(path, epochs=1)[0], path.read_bytes()


def logits_of(model, vectors):
    """log softplus(tanh(x W + b) V + c), by hand."""
    hidden, logits = model.hidden, model.logits
    inner = np.tanh(vectors @ hidden.kernel.numpy() + hidden.bias.numpy())
    outer = inner @ logits.kernel.numpy() + logits.bias.numpy()
    return np.log(np.log1p(np.exp(outer))).reshape(len(vectors), *model.sizes[:2])


# The autoencoder


@pytest.mark.parametrize(("M", "K"), [(3, 4), (1, 5), (2, 2)])
def test_codes_are_the_likeliest_entries_and_rows_the_sums_of_their_vectors(M, K):
    model, vectors = CodeAutoencoder(M, K, 6, 0.7, seed=1), gaussian(20)
    assert model.hidden.units == max(1, M * K // 2)
    logits = logits_of(model, vectors)
    np.testing.assert_array_equal(model.indexes(vectors), logits.argmax(axis=2))
    rows, largest = model(vectors)
    codebooks = model.codebooks.numpy().reshape(M, K, 6)
    expected = sum(codebooks[m, logits[:, m].argmax(axis=1)] for m in range(M))
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    weights = tf.nn.softmax(logits / 0.7).numpy()
    np.testing.assert_allclose(largest, weights.max(axis=2), rtol=1e-5)


def test_samples_follow_the_softmax_of_the_logits():
    model = CodeAutoencoder(1, 4, 3, temperature=1e-3, seed=1)
    model.codebooks.assign(np.eye(4, 3))
    vectors = np.repeat(gaussian(1, 3), 20000, axis=0)
    rows, largest = model(vectors, training=True)
    assert np.mean(largest) > 0.99  # so cold a choice is nearly one entry
    expected = tf.nn.softmax(logits_of(model, vectors[:1])[0, 0])
    np.testing.assert_allclose(np.mean(rows, axis=0), expected[:3], atol=0.02)


def test_gradients_pass_the_samples_to_every_weight():
    model, vectors = CodeAutoencoder(3, 4, 6, 1.0, seed=1), gaussian(50)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(vectors, y_pred=model(vectors, training=True))
    values = [variable.value for variable in model.trainable_variables]
    assert all(np.any(gradient) for gradient in tape.gradient(loss, values))


def test_the_loss_is_half_the_squared_error():
    model, vectors = CodeAutoencoder(3, 4, 6, 1.0, seed=1), gaussian(50)
    rows, largest = model(vectors)
    loss = model.compute_loss(vectors, y_pred=(rows, largest))
    lengths = np.linalg.norm(vectors - rows, axis=1)
    assert float(loss) == pytest.approx(np.mean(lengths**2) / 2, rel=1e-5)
    assert float(model.distance.result()) == pytest.approx(lengths.mean(), rel=1e-5)
    assert float(model.maxp.result()) == pytest.approx(np.mean(largest), rel=1e-5)


# Training


def test_training_lowers_the_distance_and_logs_it(tmp_path):
    matrix = gaussian(300)
    _, history = trained(tmp_path / "best", matrix, epochs=30)
    names = ("loss", "distance", "maxp")
    assert set(history) == {*names, *(f"val_{name}" for name in names)}
    assert min(history["val_distance"]) < 0.8 * np.linalg.norm(matrix, axis=1).mean()
    assert history["maxp"][-1] > history["maxp"][0]


@in_steps
def test_the_best_epoch_is_kept_and_in_use(tmp_path):
    matrix = gaussian()
    too_fast_at_last = keras.optimizers.schedules.PiecewiseConstantDecay([6], [0.01, 3.0])
    compressor, history = trained(
        tmp_path / "best", matrix, learning_rate=too_fast_at_last, epochs=5
    )
    best = min(history["val_distance"])
    assert history["val_distance"][-1] > best
    assert compressor.evaluate(matrix) == pytest.approx(best, rel=1e-5)
    again = EmbeddingCompressor(3, 4, tmp_path / "best")
    assert again.evaluate(matrix) == compressor.evaluate(matrix)
    assert os.listdir(tmp_path) == ["best.bcq.npy"]


def test_evaluate_is_the_mean_distance_of_the_codes(once):
    compressor, matrix = once[0], gaussian()
    codes = compressor.codes(matrix)
    assert codes.codebooks.shape == (3, 4, 6)
    lengths = np.linalg.norm(matrix - codes.reconstruct(), axis=1)
    assert compressor.evaluate(matrix) == pytest.approx(lengths.mean(), rel=1e-5)
    other = gaussian(50, seed=1)
    assert compressor.codes(other).shape == other.shape


def test_export_writes_the_public_files(tmp_path, once):
    compressor, matrix = once[0], gaussian()
    compressor.export(matrix, tmp_path / "out")
    codes, words = read_codes(tmp_path / "out")
    assert words is None
    np.testing.assert_array_equal(codes.reconstruct(), compressor.codes(matrix).reconstruct())


@in_steps
def test_held_out_rows_are_not_trained_on(tmp_path):
    matrix = gaussian()
    matrix[np.random.default_rng(5).permutation(130)[:26]] += 100  # those of seed 5 at 0.2
    _, history = trained(tmp_path / "best", matrix, validation_split=0.2, seed=5)
    assert max(history["distance"]) < 50 < min(history["val_distance"])


@in_steps
def test_the_same_seed_gives_the_same_weights(tmp_path):
    weights = []
    for number in range(2):
        keras.utils.set_random_seed(number)
        trained(tmp_path / f"{number}", seed=7)
        weights.append(bcq_tf.read(tmp_path / f"{number}.bcq.npy")["codebooks"])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-3, atol=1e-5)


# The file


@in_steps
def test_training_goes_on_from_the_best_epoch_or_anew(tmp_path):
    trained(tmp_path / "best", epochs=2)
    first = bcq_tf.read(tmp_path / "best.bcq.npy").metadata
    _, history = trained(tmp_path / "best", epochs=5)
    assert len(history["loss"]) == 5 - first["epochs_done"]
    assert bcq_tf.read(tmp_path / "best.bcq.npy").metadata["val_distance"] < first["val_distance"]
    _, history = trained(tmp_path / "best", epochs=2, resume=False)
    assert len(history["loss"]) == 2
    again = bcq_tf.read(tmp_path / "best.bcq.npy").metadata
    assert again["val_distance"] == pytest.approx(first["val_distance"], rel=1e-4)


@in_steps
def test_a_worse_run_leaves_the_best_value(tmp_path):
    compressor, _ = trained(tmp_path / "best", epochs=4)
    before = (tmp_path / "best.bcq.npy").read_bytes()
    worse, history = trained(tmp_path / "best", epochs=6, learning_rate=3.0)
    assert min(history["val_distance"]) > compressor.evaluate(gaussian())
    assert (tmp_path / "best.bcq.npy").read_bytes() == before
    assert worse.evaluate(gaussian()) == compressor.evaluate(gaussian())


@in_steps
def test_a_schedule_of_the_learning_rate_goes_on_where_it_was(tmp_path):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.01, 0.0])
    trained(tmp_path / "best", epochs=2, learning_rate=schedule)  # 2 steps an epoch
    before = (tmp_path / "best.bcq.npy").read_bytes()
    trained(tmp_path / "best", epochs=4, learning_rate=schedule)
    assert (tmp_path / "best.bcq.npy").read_bytes() == before


def test_weights_of_other_sizes_or_kinds_are_refused(tmp_path, once):
    before = once[1]
    (tmp_path / "best.bcq.npy").write_bytes(before)
    with pytest.raises(ValueError, match="must be of M=4, K=4, .* Received: M=3, K=4"):
        trained(tmp_path / "best", M=4)
    with pytest.raises(ValueError, match="dimensions=5. Received: .* dimensions=6"):
        EmbeddingCompressor(3, 4, tmp_path / "best").evaluate(gaussian(dimensions=5))
    assert (tmp_path / "best.bcq.npy").read_bytes() == before
    bcq_tf.save(tmp_path / "other.bcq.npy", {"a": np.ones(3)})
    with pytest.raises(FileFormatError, match="holds no weights of an EmbeddingCompressor"):
        trained(tmp_path / "other")
    (tmp_path / "bad.bcq.npy").write_bytes(before[:-9])
    with pytest.raises(FileFormatError, match="not a whole bcq_tf file"):
        trained(tmp_path / "bad")


@in_steps
def test_weights_of_another_matrix_are_refused(tmp_path):
    trained(tmp_path / "best", epochs=2)
    before = (tmp_path / "best.bcq.npy").read_bytes()
    with pytest.raises(ValueError, match="`matrix` must be the one .* Received: another matrix"):
        trained(tmp_path / "best", gaussian(seed=1))
    assert (tmp_path / "best.bcq.npy").read_bytes() == before
    trained(tmp_path / "best", gaussian(seed=1), resume=False)
    assert (tmp_path / "best.bcq.npy").read_bytes() != before


@in_steps
def test_where_all_epochs_are_done_nothing_is_trained(tmp_path):
    compressor, _ = trained(tmp_path / "best", epochs=2, learning_rate=1e-3)
    assert bcq_tf.read(tmp_path / "best.bcq.npy").metadata["epochs_done"] == 2
    again, history = trained(tmp_path / "best", epochs=2, learning_rate=1e-3)
    assert "loss" not in history
    assert again.evaluate(gaussian()) == compressor.evaluate(gaussian())


@in_steps
def test_the_folder_of_the_weights_is_made(tmp_path):
    trained(tmp_path / "new" / "best", epochs=1)
    assert os.listdir(tmp_path / "new") == ["best.bcq.npy"]


def test_without_training_there_is_nothing_to_evaluate(tmp_path):
    with pytest.raises(FileNotFoundError):
        EmbeddingCompressor(3, 4, tmp_path / "none").evaluate(gaussian())


def test_a_matrix_of_another_width_is_refused(once):
    with pytest.raises(ValueError, match="`matrix` must have 6 columns. Received: 5"):
        once[0].codes(gaussian(dimensions=5))


@in_steps
def test_values_that_overflow_stop_the_training_and_write_nothing(tmp_path):
    with pytest.raises(ValueError, match="no epoch had a finite distance"):
        trained(tmp_path / "best", 1e30 * gaussian())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"M": 0}, "`M` must be an integer from 1 to 8192. Received: M=0"),
        ({"K": 1 << 13, "M": 2}, "`M` times `K` must be at most 8192"),
        ({"temperature": 0}, "`temperature` must be positive. Received: temperature=0"),
        ({"temperature": None}, "`temperature` must be positive. Received: temperature=None"),
        ({"temperature": "a"}, "`temperature` must be positive. Received: temperature='a'"),
        ({"seed": -1}, "`seed` must be an integer from 0 upwards. Received: seed=-1"),
        ({"validation_split": "a"}, "`validation_split` must be from 0 to less than 1"),
        ({"clip_norm": -1}, "`clip_norm` must be positive. Received: clip_norm=-1"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer. Received: batch_size=0"),
        ({"epochs": 1.5}, "`epochs` must be a positive integer. Received: epochs=1.5"),
        ({"validation_split": 1}, "`validation_split` must be from 0 to less than 1"),
    ],
)
def test_bad_arguments(tmp_path, arguments, error):
    with pytest.raises(ValueError, match=error):
        EmbeddingCompressor(**({"M": 3, "K": 4, "path": tmp_path / "best"} | arguments))


@pytest.mark.parametrize(
    ("matrix", "error"),
    [
        (np.ones(3), "`matrix` must have rank 2"),
        (np.full((20, 2), np.inf), "`matrix` must be finite"),
        (np.ones((11, 2)), "must be at most the 11 rows of `matrix`.* Received: M=3, K=4"),
    ],
)
def test_bad_matrices(tmp_path, matrix, error):
    with pytest.raises(ValueError, match=error):
        trained(tmp_path / "best", matrix)
