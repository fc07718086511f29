"""CompositionalCodes against its formula, and the parts that it refuses."""

import dataclasses

import numpy as np
import pytest

from bcq_tf.codes import CompositionalCodes


def make_codes(rows=7, count=4, entries=5, columns=6, dtype=np.float32, seed=0):
    """Random codes, with their indexes."""
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, entries, (rows, count))
    codebooks = rng.normal(size=(count, entries, columns)).astype(dtype)
    return CompositionalCodes.of(indexes, codebooks), indexes


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("count", "entries"), [(1, 1), (1, 2), (3, 5), (8, 16), (2, 300)])
def test_reconstruct_is_the_sum_of_codebook_rows(count, entries, dtype):
    codes, indexes = make_codes(count=count, entries=entries, dtype=dtype)
    expected = np.zeros(codes.shape)
    for row, m in np.ndindex(indexes.shape):
        expected[row] += codes.codebooks[m, indexes[row, m]]
    found = codes.reconstruct()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(codes.rows([6, 0, 0]), found[[6, 0, 0]])
    np.testing.assert_array_equal(codes.indexes(), indexes)


@pytest.mark.parametrize(("entries", "bits"), [
    (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (16, 4), (17, 5), (256, 8), (257, 9), (65536, 16),
])  # fmt: skip
def test_an_index_takes_the_bits_that_it_needs(entries, bits):
    codes, _ = make_codes(rows=10, count=5, entries=entries, columns=2)
    assert codes.bits == bits
    assert codes.nbytes == 10 * -(-5 * bits // 8) + 5 * entries * 2 * 4
    assert codes.bits_per_weight == 8 * codes.nbytes / 20
    assert f"M=5, K={entries}" in repr(codes)


def test_the_public_figure_of_shu_and_nakayama():
    # 50,000 words, 300 dimensions, M = 32, K = 16: 1.41 MB.
    codes = CompositionalCodes(
        np.zeros((50_000, 16), np.uint8), np.zeros((32, 16, 300), np.float32)
    )
    assert codes.nbytes == 1_414_400


def test_blocks_are_the_matrix(monkeypatch):
    monkeypatch.setattr("bcq_tf.codes.coded_matrix.BLOCK_WEIGHTS", 12)
    codes, _ = make_codes()
    blocks = list(codes.blocks())
    assert len(blocks) == 4
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), codes.reconstruct())


GOOD = make_codes()[0]


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"packed": np.zeros((7, 2), np.int32)}, TypeError, "`packed` must be uint8. Received: int32"),
    ({"packed": np.zeros((7, 3), np.uint8)}, ValueError, r"must be \[7, 2\]. Received: \[7, 3\]"),
    ({"packed": np.zeros((0, 2), np.uint8)}, ValueError, "at least one row"),
    ({"packed": np.full((7, 2), 0x80, np.uint8)}, ValueError, "padding bits of 0"),
    ({"packed": np.full((7, 2), 0x07, np.uint8)}, ValueError, "from 0 to 4. Received: 7"),
    ({"codebooks": np.zeros((4, 5), np.float32)}, ValueError, r"must be \[M, K, D\]"),
    ({"codebooks": np.zeros((4, 0, 6), np.float32)}, ValueError, r"must be \[M, K, D\]"),
    ({"codebooks": np.zeros((4, 5, 6))}, TypeError, "must be float32 or float16. .* float64"),
    ({"codebooks": np.full((4, 5, 6), np.inf, np.float32)}, ValueError, "must be finite"),
])  # fmt: skip
def test_parts_that_do_not_fit(changes, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize(("indexes", "error", "message"), [
    ([[5, 0, 0, 0]], ValueError, "`indexes` must be from 0 to 4. Received: 5"),
    ([[-1, 0, 0, 0]], ValueError, "Received: -1"),
    ([[0, 0, 0]], ValueError, r"must be \[R, 4\] with a row at least. Received: \[1, 3\]"),
    (np.zeros((0, 4), int), ValueError, r"Received: \[0, 4\]"),
    ([[0.0] * 4], TypeError, "`indexes` must be integers"),
])  # fmt: skip
def test_indexes_that_are_none(indexes, error, message):
    with pytest.raises(error, match=message):
        CompositionalCodes.of(indexes, GOOD.codebooks)
