"""A summary has the same totals as the report, in a line for each kind of layer."""

import math

import keras
import pytest
from keras import layers

import bcq_tf
from bcq_tf.reports.summary import Summary, kind_of


@pytest.fixture(scope="module")
def report():
    denses = [layers.Dense(64, name=f"block_{i}_dense") for i in range(2)]
    model = keras.Sequential(
        [layers.Input((40,)), layers.Dense(64), *denses, layers.LayerNormalization()]
    )
    return bcq_tf.quantize_model(model, 2, {"*block_1*": 3})


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("model/encoder_0/query/kernel", "query/kernel"),
        ("dense_14/kernel", "dense/kernel"),
        ("block1/conv2/kernel", "conv/kernel"),
        ("model/block_3_dense/kernel", "block_dense/kernel"),
        ("conv2d_1/kernel", "conv2d/kernel"),
        ("3/kernel", "3/kernel"),
        ("embeddings", "embeddings"),
    ],
)
def test_numbers_at_the_end_of_a_name_are_no_kind(path, kind):
    assert kind_of(path) == kind


def test_every_weight_is_in_one_line(report):
    summary = Summary(report)
    assert sum(kind.count for kind in summary.chosen) == len(report.chosen) == 3
    assert sum(kind.nbytes for kind in summary.chosen) == report.codes_nbytes
    assert sum(kind.nbytes for kind in summary.skipped) == report.float_nbytes
    assert {kind.name: kind.count for kind in summary.chosen} == {
        "dense/kernel": 1,
        "block_dense/kernel": 2,
    }
    assert {kind.name: kind.count for kind in summary.skipped} == {"bias": 3, "normalization": 2}


def test_a_line_has_the_mean_error_and_bits(report):
    kind = next(kind for kind in Summary(report).chosen if kind.count == 1)
    weight = next(w for w in report.chosen if kind_of(w.path) == kind.name)
    assert (kind.size, kind.error) == (math.prod(weight.shape), weight.error)
    assert kind.bits == pytest.approx(weight.codes.bits_per_weight)


def test_the_text_has_the_lines_and_the_totals(report):
    text = str(Summary(report))
    assert "left as it is: bias" in text
    assert str(report).splitlines()[-1] == text.splitlines()[-1]
