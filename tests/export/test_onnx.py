"""`export_onnx`: onnxruntime answers as the model does, from a file as small as the codes."""

import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import bcq_tf
from tests.export.models import MODELS, half_mlp, made, packed, packed_mlp, same, sizes


def session(path, **options) -> onnxruntime.InferenceSession:
    """The file in onnxruntime, on one thread."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, settings, **options)


def answers(opened: onnxruntime.InferenceSession, arrays) -> dict:
    """{output: array}."""
    names = [output.name for output in opened.get_outputs()]
    return dict(zip(names, opened.run(names, arrays), strict=True))


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_answers_as_the_model_does(make, tmp_path):
    exported = made(make)
    bcq_tf.export_onnx(exported.model, tmp_path / "m.onnx", exported.signature)
    opened = session(tmp_path / "m.onnx")
    assert {value.name for value in opened.get_inputs()} == set(exported.arrays)
    same(answers(opened, exported.arrays), exported.expected())


def test_half_precision_is_inside_only(tmp_path):
    exported = half_mlp("mixed_float16")
    bcq_tf.export_onnx(exported.model, tmp_path / "m.onnx")
    opened = session(tmp_path / "m.onnx")
    same(answers(opened, exported.arrays), exported.expected(), tolerance=2e-3)


def test_bfloat16_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`model` must compute in float32 or float16 .* bfloat16"):
        bcq_tf.export_onnx(half_mlp("mixed_bfloat16").model, tmp_path / "m.onnx")


def test_codes_need_not_be_unpacked_at_load(tmp_path):
    exported = packed_mlp()
    bcq_tf.export_onnx(exported.model, tmp_path / "m.onnx")
    opened = session(tmp_path / "m.onnx", disabled_optimizers=["ConstantFolding"])
    same(answers(opened, exported.arrays), exported.expected())


def test_any_batch_size(tmp_path):
    exported = packed_mlp()
    bcq_tf.export_onnx(exported.model, tmp_path / "m.onnx")
    opened, x = session(tmp_path / "m.onnx"), exported.arrays["features"]
    for rows in (0, 1, 5):
        found = answers(opened, {"features": x[:rows]})["output_0"]
        np.testing.assert_allclose(found, exported.expected()["output_0"][:rows], atol=1e-5)


def test_the_file_is_as_small_as_the_codes(tmp_path):
    graph = 20_000  # the table of signs takes 8 of them
    exported, codes = sizes(bcq_tf.export_onnx, tmp_path)
    assert exported < codes + graph


@pytest.mark.parametrize("opset", [13, 18])
def test_only_standard_operators_of_the_opset_are_used(opset, tmp_path):
    bcq_tf.export_onnx(packed_mlp().model, tmp_path / "m.onnx", opset=opset)
    proto = onnx.load(tmp_path / "m.onnx")
    assert {node.domain for node in proto.graph.node} == {""}
    assert [used.version for used in proto.opset_import if used.domain == ""] == [opset]
    onnx.checker.check_model(proto, full_check=True)


@pytest.mark.parametrize("opset", [12, 19, None])
def test_opsets_out_of_range_are_refused(opset, tmp_path):
    with pytest.raises(ValueError, match=f"`opset` must be from 13 to 18. Received: {opset}"):
        bcq_tf.export_onnx(packed_mlp().model, tmp_path / "m.onnx", opset=opset)


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_text("earlier")
    x = keras.Input((32,))
    model = packed(keras.Model(x, keras.ops.erfinv(keras.layers.Dense(70)(x))))
    with pytest.raises(ValueError, match="`model` must use operations .* Received: .*Erfinv"):
        bcq_tf.export_onnx(model, path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
    bcq_tf.export_onnx(packed_mlp().model, path)
    onnx.load(path)


@pytest.mark.parametrize("package", ["onnx", "tf2onnx"])
def test_a_package_that_is_missing_is_named(package, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match="`export_onnx` needs .*: pip install onnx tf2onnx"):
        bcq_tf.export_onnx(packed_mlp().model, tmp_path / "m.onnx")
