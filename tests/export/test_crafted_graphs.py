"""`load_saved_model` of folders whose graph was changed by hand: an error, never a crash."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from bcq_tf.export.saved_model import load_saved_model
from bcq_tf.ops import engine
from tests.ops import calls as good
from tests.ops.calls import is_refused

pytestmark = pytest.mark.skipif(not engine.library(), reason="the compiled ops are not loaded")

OPS = {"product": "BcqProduct", "tables_gather of two": "BcqTablesGather",
       "tables_gradient": "BcqTablesGradient", "uniform_rows": "BcqUniformRows",
       "compositional_gradient": "BcqCompositionalGradient"}  # fmt: skip
CRAFTED = [
    ("product", "rows", 2**62),
    ("product", "columns", -4),
    ("product", "group_size", 0),
    ("product", "plane_rows", [70, 71, -1]),
    ("product", "plane_rows", []),
    ("tables_gather of two", "dims", [2**61, 2**61]),
    ("tables_gather of two", "dims", [3, -4]),
    ("tables_gather of two", "sizes", [0]),
    ("tables_gradient", "dims", [-4]),
    ("tables_gradient", "sizes", [2**62]),
    ("uniform_rows", "columns", 2**60),
    ("uniform_rows", "bits", -1),
    ("compositional_gradient", "entries", 2**62),
    ("compositional_gradient", "count", -(2**63)),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """{name: a SavedModel whose function `serve` is the call of that name}."""
    found, calls = {}, good.calls()
    for name in OPS:
        found[name] = tmp_path_factory.mktemp("saved")
        tf.saved_model.save(served(calls[name]), str(found[name]))
    return found


def served(call):
    """A module whose function `serve` is the call, with its tensors as variables."""
    module = tf.Module()
    module.constants = {n: tf.Variable(v, trainable=False) for n, v in call.tensors.items()}

    def serve():
        return call(**{n: v.value() for n, v in module.constants.items()})

    module.serve = tf.function(serve, input_signature=[])
    return module


def change(folder, op, attribute, value, copy):
    """A copy of the SavedModel with the attribute `attribute` of every `op` changed."""
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    nodes = [node for function in functions for node in function.node_def if node.op == op]
    assert nodes
    for node in nodes:
        node.attr.pop("_output_shapes", None)
        if isinstance(value, list):
            node.attr[attribute].list.ClearField("i")
            node.attr[attribute].list.i.extend(value)
        else:
            node.attr[attribute].i = value
    tf.io.gfile.makedirs(str(copy / "variables"))
    for file in folder.rglob("variables/*"):
        (copy / "variables" / file.name).write_bytes(file.read_bytes())
    (copy / "saved_model.pb").write_bytes(saved.SerializeToString())
    return copy


def answer(folder):
    """What `serve` of a SavedModel returns."""
    loaded = load_saved_model(folder)
    return loaded.serve()


@pytest.mark.parametrize(("name", "attribute", "value"), CRAFTED)
def test_an_attribute_that_no_model_has(folders, tmp_path, name, attribute, value):
    folder = change(folders[name], OPS[name], attribute, value, tmp_path / "crafted")
    assert is_refused(answer, folder)


def test_unchanged_it_gives_a_result(folders, tmp_path):
    folder = change(folders["uniform_rows"], OPS["uniform_rows"], "bits", 3, tmp_path / "same")
    np.testing.assert_array_equal(answer(folder), np.full([4, 5], -7.0))
