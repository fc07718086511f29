"""A good call of every compiled op, and the roads on which an op is called."""

import dataclasses

import tensorflow as tf

from bcq_tf.ops import TiledCodes, compiled, engine
from tests.ops.codes import random_codes

ROWS, COLUMNS = 70, 100
REFUSED = (tf.errors.OpError, ValueError, TypeError)  # what is no crash


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """An op and its arguments: tensors and attributes."""

    op: str
    arguments: dict

    def but(self, **arguments):
        """The same with other arguments."""
        return Call(self.op, self.arguments | arguments)

    @property
    def tensors(self) -> dict:
        """The arguments that are tensors."""
        return {n: v for n, v in self.arguments.items() if isinstance(v, tf.Tensor)}

    def __call__(self, **tensors):
        return getattr(engine.library(), self.op)(**self.arguments | tensors)


def is_refused(function, *arguments) -> bool:
    """Whether the function raises what is no crash."""
    try:
        function(*arguments)
    except REFUSED:
        return True
    return False


def eager(call: Call):
    """The op as it stands."""
    return call()


def traced(call: Call):
    """Within a graph, the tensors being known."""
    return tf.function(call)()


def unknown_shapes(call: Call):
    """Within a graph that knows no shapes."""
    specs = {n: tf.TensorSpec(None, v.dtype) for n, v in call.tensors.items()}
    return tf.function(call).get_concrete_function(**specs)(**call.tensors)


def xla(call: Call):
    """Compiled by XLA."""
    return tf.function(call, jit_compile=True)()


ROADS = [eager, traced, unknown_shapes, xla]


def calls() -> dict[str, Call]:
    """{name: a call that gives a result}."""
    tiled = TiledCodes.from_codes(random_codes(ragged=True, offset=True))
    codes = compiled._arguments(tiled)
    ids = tf.constant([[0, 1], [ROWS - 1, 3]], tf.int64)
    x, dy = tf.ones([2, COLUMNS]), tf.ones([2, ROWS])
    one = {"sizes": [5], "dims": [3], "counted": tf.zeros([0], tf.int64)}
    more = {"sizes": [5, 2], "dims": [3, 4], "counted": tf.zeros([0], tf.int32)}
    pairs = tf.constant([[0, 1], [4, 0]])
    packed = {"packed": tf.zeros([20, 2], tf.uint8), "ids": tf.range(4, dtype=tf.int64), "bits": 3}
    found = {
        "product": {"x": x, **codes, "precision": "exact"},
        "product_transposed": {"dy": dy, **codes},
        "product_scale_gradient": {"x": x, "dy": dy, **codes},
        "gather": {"ids": ids, **codes, "T": tf.float32},
        "columns": {**codes, "T": tf.float32},
        "gather_scale_gradient": {"ids": ids, "dout": tf.ones([2, 2, COLUMNS]), **codes},
        "tables_gather": {"table": tf.ones([5, 3]), "ids": tf.constant([0, 4], tf.int64), **one},
        "tables_gather of two": {"table": tf.ones([23]), "ids": pairs, **more},
        "tables_gradient": {"ids": ids[0], "dout": tf.ones([2, 3]), **one},
        "tables_gradient of two": {"ids": pairs, "dout": tf.ones([2, 7]), **more},
        "unique_ids": {"ids": tf.constant([[3, 1], [3, 0]], tf.int64), "size": 4},
        "uniform_rows": {
            **packed,
            "half_step": tf.constant(1.0),
            "zero_rows": tf.zeros([3], tf.uint8),
            "columns": 5,
        },
        "compositional_rows": {**packed, "codebooks": tf.zeros([5, 6, 4])},
        "compositional_gradient": {**packed, "dout": tf.zeros([4, 7]), "count": 5, "entries": 6},
        "variable_rows": {
            "variable": _variable([5, 3]),
            "ids": tf.constant([0, 4], tf.int64),
            "T": tf.float32,
            "size": 5,
            "dim": 3,
        },
    }
    return {n: Call(f"bcq_{n.removesuffix(' of two')}", a) for n, a in found.items()}


_kept = []  # a handle does not keep its variable


def _variable(shape, dtype=tf.float32):
    with tf.init_scope():
        _kept.append(tf.Variable(tf.ones(shape, dtype)))
    return _kept[-1].handle


def other_variables() -> dict[str, tf.Tensor]:
    """Handles that are not one of a float32 variable [5, 3]."""
    return {
        "none": tf.reshape(_variable([5, 3]), [1])[:0],
        "another shape": _variable([4, 3]),
        "another rank": _variable([15]),
        "another dtype": _variable([5, 3], tf.int32),
        "no value": tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[5, 3], shared_name="no value"),
    }
