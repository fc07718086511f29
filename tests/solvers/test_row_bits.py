"""`quantize` where rows have different numbers of bits."""

import numpy as np
import pytest

from bcq_tf import BCQConfig, BinaryCodes, quantize

ROW_BITS = "3142131122"
SETTINGS = [{}, {"group_size": 32}, {"offset": True}, {"solver": "greedy"}, {"solver": "uniform"}]


def matrix(seed=0):
    return np.random.default_rng(seed).normal(size=(len(ROW_BITS), 70)).astype("float32")


def rows_of(bits):
    return [r for r, digit in enumerate(ROW_BITS) if digit == bits]


def config_of(**settings) -> BCQConfig:
    return BCQConfig(row_bits=ROW_BITS, **settings)


@pytest.mark.parametrize("settings", SETTINGS)
def test_each_number_of_bits_is_solved_for_its_rows(settings):
    w = matrix()
    codes = quantize(w, config=config_of(**settings))
    assert "".join(map(str, codes.row_bits)) == ROW_BITS
    assert [len(plane) for plane in codes.planes] == [10, 6, 3, 1]
    found = codes.reconstruct()
    for bits in "1234":
        alone = quantize(w[rows_of(bits)], int(bits), **settings)
        np.testing.assert_array_equal(found[rows_of(bits)], alone.reconstruct())


def test_importance_and_moments_are_those_of_the_rows():
    w, h = matrix(), np.random.default_rng(1).random((len(ROW_BITS), 70))
    x = np.random.default_rng(2).normal(size=(500, 70)) * np.linspace(0.1, 3, 70)
    for argument, each in (("importance", h), ("moments", x.T @ x / len(x))):
        found = quantize(w, config=config_of(), **{argument: each}).reconstruct()
        rows = rows_of("2")
        own = each[rows] if argument == "importance" else each
        alone = quantize(w[rows], 2, **{argument: own}).reconstruct()
        np.testing.assert_array_equal(found[rows], alone)


@pytest.mark.parametrize("effort", ["warm", "low", "full"])
def test_a_start_is_gone_on_from(effort):
    w = matrix()
    start = quantize(w, config=config_of(group_size=32, offset=True))
    moved = w + 0.01 * matrix(3)
    codes = quantize(moved, config=start_config(start), start=start, effort=effort)
    assert np.array_equal(codes.row_bits, start.row_bits)
    before = ((start.reconstruct() - moved) ** 2).sum()
    assert ((codes.reconstruct() - moved) ** 2).sum() <= before


def start_config(codes: BinaryCodes) -> BCQConfig:
    return config_of(group_size=codes.group_size, offset=codes.offset is not None)


def test_equal_bits_of_all_rows_are_those_bits():
    w = matrix()
    codes = quantize(w, config=BCQConfig(row_bits="2" * len(w)))
    np.testing.assert_array_equal(codes.reconstruct(), quantize(w, 2).reconstruct())


def test_one_dtype_holds_all_scales():
    w = matrix()
    w[rows_of("1")] *= 1e6
    codes = quantize(w, config=config_of())
    assert {scale.dtype for scale in codes.scales} == {np.dtype("float32")}
    alone = quantize(w[rows_of("3")], 3, scale_dtype="float16").reconstruct()
    np.testing.assert_array_equal(codes.reconstruct()[rows_of("3")], alone)


@pytest.mark.parametrize("value", ["", "0", "129", "2 1", 21, None.__class__, ["2"]])
def test_what_is_no_digit_a_row_is_refused(value):
    with pytest.raises(ValueError, match="`row_bits` must be a string of a digit from 1 to 8"):
        BCQConfig(row_bits=value)


def test_a_wrong_number_of_rows_is_refused():
    with pytest.raises(ValueError, match="`row_bits` must have a digit for each of 10 rows") as e:
        quantize(matrix(), config=BCQConfig(row_bits="12"))
    assert "\n" not in str(e.value)


def test_a_start_of_other_rows_is_refused():
    start = quantize(matrix(), config=BCQConfig(row_bits=ROW_BITS[::-1]))
    with pytest.raises(ValueError, match="`start` must have the rows' bits of `config`"):
        quantize(matrix(), config=config_of(), start=start)


def test_a_config_says_them_in_short_and_comes_back_from_json():
    config = BCQConfig(row_bits="12" * 500, group_size=32)
    assert config.bits == 2
    assert BCQConfig(**config.to_dict()) == config
    assert len(repr(config)) < 300
    assert BCQConfig(row_bits="1421").with_at_least(2).row_bits == "2422"
