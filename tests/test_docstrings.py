"""The examples in the docstrings of the names that users meet first: they print what they say."""

import doctest

import keras
import numpy as np
import pytest

import bcq_tf

NAMES = [
    *("BCQCallback", "BCQConfig", "BinaryCodes", "CompositionalCodes", "FileFormatError"),
    *("MatrixView", "PackReport", "Plan", "Report", "Rule", "UniformCodes", "export_saved_model"),
    *("load_model", "load_weights", "pack_model", "quantize", "quantize_embed", "quantize_model"),
    *("read", "save", "select", "unpack_model"),
    *("layers.FastEmbedding", "layers.QuantEmbedding", "ops.bcq_gather", "ops.bcq_matmul"),
    *("embeddings.CompressedVectors", "embeddings.WordVectors", "embeddings.compress"),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = bcq_tf
    for part in name.split("."):
        value = getattr(value, part)
    given = {"np": np, "keras": keras, "bcq_tf": bcq_tf}
    example = doctest.DocTestParser().get_doctest(value.__doc__, given, name, None, None)
    assert len(example.examples) > 0
    said = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert said == []
