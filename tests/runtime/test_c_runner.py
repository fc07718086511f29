"""The C library's runner of graphs: what it gives is what `bcq_tf.runtime` gives."""

import ctypes
import json
import os

import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import native
from bcq_tf.export.runtime.conversion import Conversion, _Body
from bcq_tf.pool import Parallel
from bcq_tf.runtime.compiled import TYPES, Array
from tests.ops.codes import FORMS, random_codes
from tests.runtime.both_ways import in_numpy, near
from tests.runtime.test_graph import (
    CALLS,
    CHOSEN,
    CODES,
    DENSE,
    DOUBLED,
    HOSTILE,
    SPEC,
    changed,
    function,
    node,
    written,
    x,
)
from tests.runtime.test_operations import CASES, _NoMarks, in_graph

LIBRARY = native.core() and ctypes.CDLL(native.core()._name)  # with argument types of its own
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="the compiled core is not used")

OK, BAD_ARGUMENT, BAD_ID, BAD_FILE, OVER_LIMIT = 0, 1, 2, 7, 8


class Input(ctypes.Structure):
    """`bcq_input`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 8),
    )


def declare(lib):
    """Tells ctypes what the library's functions take."""
    pointer, text, count = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
    for name, result, arguments in (
        ("bcq_open", ctypes.c_int, (text, pointer, pointer, ctypes.c_size_t)),
        ("bcq_close", None, (pointer,)),
        ("bcq_load", ctypes.c_int, (pointer, pointer, pointer, ctypes.c_size_t)),
        ("bcq_unload", None, (pointer,)),
        ("bcq_function_count", count, (pointer,)),
        ("bcq_function_name", text, (pointer, count)),
        ("bcq_input_count", count, (pointer, text)),
        ("bcq_output_count", count, (pointer, text)),
        ("bcq_input_at", ctypes.POINTER(Input), (pointer, text, count)),
        ("bcq_function_structure", text, (pointer, text)),
        ("bcq_set_limits", None, (pointer, count, count)),
        ("bcq_pool_create", pointer, (ctypes.c_int32,)),
        ("bcq_pool_free", None, (pointer,)),
        ("bcq_pool_parallel", Parallel, (pointer,)),
        ("bcq_run", ctypes.c_int,
         (pointer, text, pointer, count, pointer, count, Parallel, pointer, ctypes.c_size_t)),
    ):  # fmt: skip
        getattr(lib, name).restype, getattr(lib, name).argtypes = result, arguments


if LIBRARY is not None:
    declare(LIBRARY)


class StatusError(Exception):
    """A status other than BCQ_OK, and its message."""


def _lengths(facts):
    if facts.rank < 0:
        return None
    return [None if n < 0 else n for n in facts.shape[: facts.rank]]


class Model:
    """A file as C programs run it."""

    def __init__(self, path):
        self._message = ctypes.create_string_buffer(1000)
        self._file, self._model, self._pool = ctypes.c_void_p(), ctypes.c_void_p(), None
        end = self._message, len(self._message)
        self._check(LIBRARY.bcq_open(os.fsencode(path), ctypes.byref(self._file), *end))
        self._check(LIBRARY.bcq_load(self._file, ctypes.byref(self._model), *end))
        self._pool = LIBRARY.bcq_pool_create(2)

    def __del__(self):
        if LIBRARY is not None:  # as at the end of the process
            LIBRARY.bcq_unload(self._model)
            LIBRARY.bcq_close(self._file)
            LIBRARY.bcq_pool_free(self._pool)

    def limit(self, memory, operations):
        """What a run may take; 0: no bound."""
        LIBRARY.bcq_set_limits(self._model, memory, operations)

    def _check(self, status):
        if status != OK:
            raise StatusError(status, self._message.value.decode())

    def run(self, name, *inputs):
        """The outputs of a function, in a list."""
        inputs = [np.require(each, requirements="CA") for each in inputs]
        arrays = (Array * len(inputs))(*map(Array.of, inputs))
        outputs = (Array * LIBRARY.bcq_output_count(self._model, name.encode()))()
        given = arrays, len(arrays), outputs, len(outputs)
        parallel = LIBRARY.bcq_pool_parallel(self._pool)
        end = self._message, len(self._message)
        self._check(LIBRARY.bcq_run(self._model, name.encode(), *given, parallel, *end))
        return [each.value() for each in outputs]

    def inputs(self, name):
        """The inputs as `Loaded.functions` has them."""
        count = LIBRARY.bcq_input_count(self._model, name.encode())
        found = [LIBRARY.bcq_input_at(self._model, name.encode(), i)[0] for i in range(count)]
        return tuple(
            {
                "name": each.name.decode(),
                "dtype": "" if each.dtype < 0 else TYPES[each.dtype].name,
                "shape": _lengths(each),
            }
            for each in found
        )

    def functions(self):
        """The names of all."""
        count = LIBRARY.bcq_function_count(self._model)
        return [LIBRARY.bcq_function_name(self._model, i).decode() for i in range(count)]

    def structure(self, name):
        """How the outputs of a function are put together."""
        return json.loads(LIBRARY.bcq_function_structure(self._model, name.encode()))


def leaves(structure, outputs):
    """{number of an output: its value} of a structure and outputs in it."""
    if structure is None:
        return {}
    if isinstance(structure, int):
        return {structure: outputs}
    pairs = structure.items() if isinstance(structure, dict) else enumerate(structure)
    return {k: v for key, part in pairs for k, v in leaves(part, outputs[key]).items()}


def same_answers(path, inputs, name="call", tolerance=1e-5):
    """Asserts that both give the same for inputs by name."""
    loaded, model = in_numpy(path), Model(path)
    assert model.functions() == list(loaded.functions)
    assert model.inputs(name) == loaded.functions[name]
    expected = loaded.function(name)(inputs)
    actual = model.run(name, *(inputs[each["name"]] for each in loaded.functions[name]))
    found = leaves(model.structure(name), expected)
    assert found
    for number, value in found.items():
        near(actual[number], value, tolerance)


def array_file(tmp_path, operation, values, attributes, outputs=1):
    """A file whose function "call" is one operation of arrays: those of the file, which are values
    0, 1, ... of the function too."""
    path = tmp_path / "one.bcq.npy"
    specs = [{"name": f"x{i}", "dtype": v.dtype.name, "shape": None} for i, v in enumerate(values)]
    inputs, made = len(values), node(operation, *range(len(values)), out=outputs, **attributes)
    body = function([made], list(range(inputs, inputs + outputs)), specs, list(range(outputs)))
    bcq_tf.save(path, {}, {"graph": {"version": 1, "functions": {"call": body}}})
    return path


def plain(value):
    """A value of attributes as JSON has it."""
    if isinstance(value, list):
        return [int(n) for n in value]
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize("name", CASES)
def test_an_operation_gives_what_numpy_s_gives(name, tmp_path):
    op, expected = in_graph(CASES[name])
    values = [tf.make_ndarray(tensor.op.get_attr("value")) for tensor in op.inputs]
    operation, inputs, attributes = _Body(Conversion(_NoMarks()), 0)._translated(op, values)
    inputs = [np.asarray(each) for each in inputs]
    attributes = {key: plain(value) for key, value in attributes.items()}
    path = array_file(tmp_path, operation, inputs, attributes, len(expected))
    same_answers(path, {f"x{i}": value for i, value in enumerate(inputs)})


RNG = np.random.default_rng(0)


def floats(*shape, dtype="float32"):
    """Normal numbers."""
    return np.asarray(RNG.normal(size=shape), dtype)


def ints(low, high, *shape, dtype="int32"):
    """Integers from `low` on, before `high`."""
    return RNG.integers(low, high, shape).astype(dtype)


def i32(*values):
    """A vector."""
    return np.array(values, np.int32)


def one(value, dtype="int32"):
    """An array of one number, without axes."""
    return np.array(value, dtype)


SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1, -1, 2.5, -2.5, 89, -104, 1e-40], "f")
WHOLE = np.array([-(2**31), 2**31 - 1, -1, 0, 1, 7, -7], np.int32)
KEEP, GO = {"keep": True}, {"keep": False}
OF_ONE = (
    "absolute negative exp expm1 log log1p sqrt rsqrt square sign sin cos tanh floor ceil round "
    "is_finite is_nan relu relu6 elu selu sigmoid softplus softsign erf erfc reciprocal"
)
OF_TWO = (
    "add subtract multiply maximum minimum power floor_mod floor_divide equal not_equal less "
    "less_equal greater greater_equal squared_difference divide"
)
WINDOW = {"strides": [1, 2], "dilations": [1, 1], "padding": "SAME"}
MASKS = dict.fromkeys(
    (f"{m}_mask" for m in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")), 0
)
EDGES = {
    **{f"{n}_special": (n, [SPECIAL], {}) for n in OF_ONE.split()},
    **{f"{n}_wide": (n, [np.linspace(-12, 12, 5001).astype("f")], {}) for n in OF_ONE.split()},
    **{f"{n}_double": (n, [floats(2, 3, dtype="float64")], {}) for n in OF_ONE.split()},
    **{f"{n}_empty": (n, [floats(0, 3)], {}) for n in OF_ONE.split()},
    **{f"{n}_special": (n, [SPECIAL[:, None], SPECIAL], {}) for n in OF_TWO.split()},
    **{f"{n}_int64": (n, [ints(1, 9, 4, 1, 3, dtype="int64"), ints(1, 5, 2, 1, dtype="int64")], {})
       for n in OF_TWO.split()},
    **{f"{n}_bytes": (n, [ints(0, 200, 50, dtype="uint8"), ints(1, 200, 50, dtype="uint8")], {})
       for n in OF_TWO.split() if n != "power"},
    **{f"{n}_unsigned": (n, [ints(0, 1 << 32, 50, dtype="uint32"),
                             ints(1, 1 << 32, 50, dtype="uint32")], {})
       for n in OF_TWO.split() if n != "power"},
    **{f"{n}_whole": (n, [WHOLE[:, None], np.array([-7, -3, 1, 2, 2**31 - 1], np.int32)], {})
       for n in OF_TWO.split() if n != "power"},
    **{f"{n}_scalars": (n, [one(3, "float32"), one(2, "float32")], {}) for n in OF_TWO.split()},
    **{f"{n}_empty": (n, [floats(0, 3), floats(1, 1)], {}) for n in OF_TWO.split()},
    **{f"{n}_spread": (n, [floats(1, 3, 1, 2) ** 2, floats(4, 1, 5, 1)], {})
       for n in OF_TWO.split()},
    "floor_mod_zero": ("floor_mod", [WHOLE, WHOLE * 0], {}),
    "floor_divide_zero": ("floor_divide", [WHOLE, WHOLE * 0], {}),
    "equal_bool": ("equal", [floats(9) > 0, floats(9) > 0], {}),
    "where_scalar": ("where", [one(True, "bool"), floats(3, 2), floats(2)], {}),
    "where_bytes": ("where", [floats(3, 1) > 0, ints(0, 9, 2, dtype="uint8"),
                              ints(0, 9, 1, dtype="uint8")], {}),
    "where_half": ("where", [floats(3, 1) > 0, floats(2, dtype="f2"), floats(3, 2, dtype="f2")],
                   {}),
    "add_half": ("add", [floats(3, 1, dtype="f2"), floats(4, dtype="f2")], {}),
    "softmax_double": ("softmax", [floats(3, 20, dtype="f8")], {}),
    "softmax_empty": ("softmax", [floats(0, 3)], {}),
    "softmax_long": ("softmax", [floats(2, 1001)], {}),
    "log_softmax_one": ("log_softmax", [floats(5, 1)], {}),
    **{f"cast_{a}_{b}": ("cast", [np.arange(-3, 4).astype(a)], {"dtype": b})
       for a in ("float32", "float64", "int32", "int64", "bool", "int8", "int16", "float16")
       for b in ("float32", "float64", "int32", "int64", "bool", "int8", "int16", "float16")},
    "cast_half_range": ("cast", [np.geomspace(1e-9, 1e6, 999).astype("f")], {"dtype": "float16"}),
    "cast_from_half": ("cast", [np.arange(1 << 16).astype("u2").view("f2")], {"dtype": "float32"}),
    "cast_bytes": ("cast", [np.arange(256).astype("u1")], {"dtype": "int32"}),
    "bitcast": ("bitcast", [SPECIAL], {"dtype": "uint32"}),
    "reshape_open": ("reshape", [floats(2, 3, 4), i32(4, -1)], {}),
    "reshape_none": ("reshape", [floats(1), i32()], {}),
    "reshape_empty": ("reshape", [floats(0, 4), i32(-1, 2)], {}),
    "transpose_back": ("transpose", [ints(0, 9, 2, 3, 4), i32(-1, 0, 1)], {}),
    "transpose_none": ("transpose", [one(3.0, "f"), i32()], {}),
    "transpose_empty": ("transpose", [floats(2, 0, 3), i32(2, 0, 1)], {}),
    "expand_last": ("expand_dims", [floats(2, 3), one(-1)], {}),
    "squeeze_back": ("squeeze", [floats(2, 1, 3, 1)], {"axes": [-1]}),
    "concatenate_empty": ("concatenate", [floats(2, 0), floats(2, 3), floats(2, 0)], {"axis": 1}),
    "concatenate_one": ("concatenate", [ints(0, 9, 2, 3)], {"axis": -2}),
    "stack_none": ("stack", [one(1), one(2), one(3)], {"axis": 0}),
    "stack_back": ("stack", [floats(2, 3), floats(2, 3)], {"axis": -2}),
    "slice_far": ("slice", [floats(4, 5), i32(1, 2), i32(99, -1)], {}),
    "slice_back": ("slice", [floats(4, 5), i32(-2, 0), i32(1, 5)], {}),
    "slice_none": ("slice", [floats(4, 5), i32(4, 0), i32(3, 5)], {}),
    "strided_far": ("strided_slice", [floats(6, 5), i32(-99, 9), i32(99, -9), i32(4, -2)], MASKS),
    "strided_empty": ("strided_slice", [floats(6, 5), i32(3), i32(3), i32(1)], MASKS),
    "strided_back": ("strided_slice", [floats(6, 5), i32(0, 0), i32(0, 0), i32(-1, -7)],
                     MASKS | {"begin_mask": 3, "end_mask": 3}),
    "strided_pick": ("strided_slice", [floats(6, 5), i32(-1, -2), i32(0, 0), i32(1, 1)],
                     MASKS | {"shrink_axis_mask": 3}),
    "strided_dots": ("strided_slice", [floats(6, 5, 2), i32(0, 0, 0, 1), i32(0, 0, 0, 2),
                                       i32(1, 1, 1, 1)],
                     MASKS | {"new_axis_mask": 5, "ellipsis_mask": 2}),
    "gather_empty": ("gather", [floats(4, 5), ints(0, 1, 0), one(1)], {}),
    "gather_one": ("gather", [floats(4, 5), one(2, "int64"), one(-1)], {}),
    "gather_bytes": ("gather", [floats(4, 5) > 0, ints(0, 4, 2, 3), one(0)], {}),
    "gather_batch": ("gather", [floats(2, 3, 4, 5), ints(0, 4, 2, 6), one(2)], {"batch_axes": 1}),
    "gather_nd_all": ("gather_nd", [floats(4, 5), ints(0, 4, 3, 2)], {}),
    "scatter_ints": ("scatter", [i32(1, 1, 0)[:, None], ints(0, 9, 3, 2), i32(3, 2)], {}),
    "update_slice": ("update_slice", [floats(4, 5), floats(2, 2), i32(9, -1)], {}),
    "update_slice_all": ("update_slice", [floats(4, 5), floats(4, 5), i32(0, 0)], {}),
    "tile_more": ("tile", [floats(2, 3), i32(2, 1, 3)], {}),
    "tile_none": ("tile", [floats(2, 3), i32(2, 0)], {}),
    "tile_few": ("tile", [floats(2, 3), i32(2)], {}),
    "broadcast": ("broadcast_to", [ints(0, 9, 3, 1, dtype="int64"), i32(2, 3, 4)], {}),
    "fill_empty": ("fill", [i32(0, 3), one(1)], {}),
    "fill_none": ("fill", [i32(), one(True, "bool")], {}),
    "range_down": ("range", [one(5), one(-4), one(-3)], {}),
    "range_empty": ("range", [one(5), one(5), one(1)], {}),
    "range_floats": ("range", [one(0, "f"), one(1, "f"), one(0.1, "f")], {}),
    "range_int64": ("range", [one(0, "i8"), one(7, "i8"), one(7, "i8")], {}),
    "pad_bool": ("pad", [floats(2, 2) > 0, ints(0, 3, 2, 2)], {}),
    "pad_empty": ("pad", [floats(0, 2), ints(1, 3, 2, 2)], {}),
    "mirror_pad_far": ("mirror_pad", [floats(3, 2), ints(2, 3, 2, 2)], {"mode": "SYMMETRIC"}),
    "band_part_tall": ("band_part", [floats(2, 5, 3), one(2), one(0)], {}),
    "band_part_wide": ("band_part", [ints(0, 9, 3, 6), one(0), one(99)], {}),
    "one_hot_out": ("one_hot", [i32(-1, 0, 5), one(3), one(1), one(0)], {}),
    "one_hot_bool": ("one_hot", [ints(0, 3, 2, 2), one(3), one(True, "bool"), one(False, "bool")],
                     {"axis": 0}),
    **{f"cumulative_sum_{e}_{r}": ("cumulative_sum", [ints(0, 9, 3, 4, 2), one(-2)],
                                   {"exclusive": e, "reverse": r})
       for e in (False, True) for r in (False, True)},
    "top_k_ties": ("top_k", [np.round(floats(4, 90))[None], one(70)], {}, 2),
    "top_k_ints": ("top_k", [ints(-3, 3, 2, 30), one(7)], {}, 2),
    "top_k_nan": ("top_k", [SPECIAL, one(12)], {}, 2),
    "top_k_many": ("top_k", [floats(2, 3), one(9)], {}, 2),
    "top_k_none": ("top_k", [floats(2, 3), one(0)], {}, 2),
    "argmax_nan": ("argmax", [SPECIAL, one(0)], {"dtype": "int64"}),
    "argmin_ties": ("argmin", [np.round(floats(5, 40, 3)), one(1)], {"dtype": "int32"}),
    "argmax_bytes": ("argmax", [ints(0, 4, 9, 9, dtype="uint8"), one(-1)], {"dtype": "int64"}),
    **{f"reduce_{n}_{k}_{'_'.join(map(str, a))}_{d}": (
        f"reduce_{n}", [(3 * floats(3, 1, 4, 17)).astype(d), i32(*a)], {"keep": k})
       for n in ("sum", "max", "min", "mean", "product") for k in (True, False)
       for a in ((), (0,), (-1,), (0, 2), (1, 3), (0, 1, 2, 3)) for d in ("float32", "int32")},
    "reduce_sum_long": ("reduce_sum", [floats(100000), one(0)], GO),
    "reduce_mean_wide": ("reduce_mean", [floats(3000, 33), i32(0)], KEEP),
    "reduce_sum_nothing": ("reduce_sum", [floats(3, 0), i32(1)], GO),
    "reduce_mean_nothing": ("reduce_mean", [floats(3, 0), i32(1)], GO),
    "reduce_max_empty": ("reduce_max", [floats(0, 4), i32(1)], GO),
    "reduce_max_special": ("reduce_max", [SPECIAL, i32(0)], GO),
    "reduce_all_nothing": ("reduce_all", [floats(0, 2) > 0, i32(0)], GO),
    "reduce_sum_bytes": ("reduce_sum", [ints(0, 256, 50, dtype="uint8"), i32(0)], GO),
    "reduce_sum_int64": ("reduce_sum", [ints(-9, 9, 5, 50, dtype="int64"), i32(0)], GO),
    "reduce_sum_double": ("reduce_sum", [floats(5, 50, dtype="f8"), i32(1)], GO),
    **{f"matmul_{m}_{k}_{n}": ("matmul", [floats(m, k), floats(k, n)], {})
       for m, k, n in ((1, 1, 1), (1, 300, 17), (3, 5, 70), (4, 0, 3), (0, 4, 3), (5, 7, 33),
                       (70, 300, 31), (33, 257, 64), (129, 5, 16))},
    **{f"matmul_turned_{m}_{k}_{n}": ("matmul", [floats(k, m), floats(n, k)],
                                      {"transpose_a": True, "transpose_b": True})
       for m, k, n in ((1, 300, 17), (3, 5, 70), (5, 7, 33), (70, 300, 31))},
    "matmul_spread": ("matmul", [floats(2, 1, 5, 4), floats(3, 4, 6)], {"transpose_a": False}),
    "matmul_one": ("matmul", [floats(2, 3, 5, 4), floats(1, 1, 4, 6)], {}),
    "matmul_one_turned": ("matmul", [floats(2, 3, 4, 5), floats(6, 4)],
                          {"transpose_a": True, "transpose_b": True}),
    "matmul_double": ("matmul", [floats(5, 4, dtype="f8"), floats(4, 6, dtype="f8")], {}),
    "matmul_ints": ("matmul", [ints(-9, 9, 2, 5, 4), ints(-9, 9, 4, 6)], {}),
    **{f"einsum_{e}": ("einsum", [floats(*s) for s in shapes], {"equation": e})
       for e, *shapes in (
           ("ab,bc->ac", (3, 4), (4, 5)), ("btnh,bsnh->bnts", (2, 3, 4, 5), (2, 6, 4, 5)),
           ("bnts,bsnh->btnh", (2, 4, 3, 6), (2, 6, 4, 5)), ("aab->ab", (3, 3, 4)),
           ("aa", (4, 4)), ("ab->ba", (3, 4)), ("ab->", (3, 4)), ("a,b", (3,), (4,)),
           ("ab,ab->ab", (3, 4), (3, 4)), ("ab,ab", (3, 4), (3, 4)),
           ("abc,cd,de->abe", (2, 3, 4), (4, 5), (5, 6)), ("...ab,...bc->...ac", (2, 3, 4),
                                                             (4, 5)),
           ("a...,b...->ab...", (2, 3, 1), (4, 5)), ("ab,cb->ca", (3, 4), (5, 4)),
           ("a,ab,abc->bc", (3,), (3, 4), (3, 4, 2)), ("Zb,bA", (3, 4), (4, 5)),
           ("ij,jk,kl->", (2, 3), (3, 4), (4, 2)), ("ab , bc -> ac", (3, 0), (0, 5)),
           ("abcd,ea,fb->efcd", (2, 3, 4, 5), (6, 2), (7, 3)), ("ab,b->a", (1, 4), (4,)),
       )},
    "einsum_ints": ("einsum", [ints(0, 9, 3, 4), ints(0, 9, 4, 2)], {"equation": "ab,bc->ca"}),
    **{f"convolve_{p}_{s}_{d}": ("convolve", [floats(2, 9, 8, 5), floats(3, 2, 5, 4)],
                                 {"strides": [s, 1], "dilations": [d, d], "padding": p})
       for p in ("SAME", "VALID") for s in (1, 2) for d in (1, 2)},
    "convolve_points": ("convolve", [floats(2, 9, 8, 5), floats(1, 1, 5, 40)],
                        {"strides": [1, 1], "dilations": [1, 1], "padding": "VALID"}),
    "convolve_line": ("convolve", [floats(2, 30, 5), floats(4, 5, 7)],
                      {"strides": [3], "dilations": [1], "padding": "SAME"}),
    "depthwise": ("convolve_depthwise", [floats(2, 9, 8, 5), floats(3, 3, 5, 1)], WINDOW),
    "depthwise_wide": ("convolve_depthwise", [floats(2, 9, 8, 5), floats(3, 3, 5, 3)], WINDOW),
    "transposed_wide": ("convolve_transposed", [i32(2, 9, 9, 3), floats(3, 3, 3, 5),
                                                floats(2, 9, 5, 5)], WINDOW),
    **{f"{n}_pool_{p}": (f"{n}_pool", [floats(2, 9, 7, 5)],
                         {"sizes": [3, 2], "strides": [2, 3], "padding": p})
       for n in ("max", "average") for p in ("SAME", "VALID")},
    "max_pool_ints": ("max_pool", [ints(-9, 9, 2, 9, 2)],
                      {"sizes": [3], "strides": [2], "padding": "SAME"}),
    **{f"resize_{n}_{h}_{w}_{a}_{c}": (f"resize_{n}", [floats(2, 5, 7, 3), i32(h, w)],
                                       {"corners": a, "centers": c})
       for n in ("nearest", "bilinear") for h, w in ((1, 1), (13, 3), (0, 4), (10, 14))
       for a, c in ((False, False), (False, True), (True, False))},
    "resize_bytes": ("resize_nearest", [ints(0, 255, 1, 3, 3, 2, dtype="uint8"), i32(6, 6)],
                     {"corners": False, "centers": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_those_of_numpy(name, tmp_path):
    operation, inputs, attributes, *outputs = EDGES[name]
    path = array_file(tmp_path, operation, inputs, attributes, *outputs)
    with np.errstate(all="ignore"):
        same_answers(path, {f"x{i}": value for i, value in enumerate(inputs)})


@pytest.mark.parametrize(
    "functions", [{"call": DENSE}, DOUBLED, CHOSEN], ids=["dense", "loop", "if"]
)
def test_graphs_written_by_hand(functions, tmp_path):
    path = written(tmp_path, functions)
    for inputs in (x(), np.abs(x(1)) / 100, -np.abs(x(2))):
        if functions is not DOUBLED or inputs.sum() > 0:  # else it would loop for ever
            same_answers(path, {"x": inputs})


@pytest.mark.parametrize("name", [*HOSTILE, *CALLS])
def test_a_graph_that_breaks_a_rule_is_refused(name, tmp_path):
    change, functions = (
        (HOSTILE[name], {"call": DENSE}) if name in HOSTILE else (CALLS[name], DOUBLED)
    )
    with pytest.raises(StatusError) as raised:
        Model(written(tmp_path, changed(functions, change)))
    status, message = raised.value.args
    assert status == BAD_FILE
    assert message.startswith("The file cannot be run: its function")
    assert "\n" not in message


def codes(kind):
    """Codes of a kind, and of few rows and columns."""
    rng = np.random.default_rng(0)
    if kind == "uniform":
        return bcq_tf.embeddings.quantize_uniform(rng.normal(size=(700, 33)).astype("f"), 3)
    if kind == "compositional":
        books = rng.normal(size=(3, 5, 33)).astype("float16")
        return bcq_tf.CompositionalCodes.of(rng.integers(0, 5, (700, 3)), books)
    return random_codes(0, **FORMS[kind])


@pytest.mark.parametrize("kind", ["uniform", "compositional", *FORMS])
def test_weights_of_every_kind(kind, tmp_path):
    weight, path = codes(kind), tmp_path / "w.bcq.npy"
    rows, columns = weight.shape
    body = function(
        [
            node("product", 0, "w", precision="exact"),
            node("rows", 1, "w", dtype="float32"),
            node("rows", 1, "w", dtype="float16"),
            node("columns", "w", dtype="float32"),
        ],
        [2, 3, 4, 5],
        [{"name": "x", "dtype": "", "shape": None}, {"name": "ids", "dtype": "", "shape": None}],
        list(range(4)),
    )
    bcq_tf.save(path, {"w": weight}, {"graph": {"version": 1, "functions": {"call": body}}})
    for batch in (0, 1, 2, 40):
        ids = ints(0, rows, 2, batch, dtype="int64")
        same_answers(path, {"x": floats(2, batch, columns), "ids": ids})
    half = floats(3, columns, dtype="float16")
    same_answers(path, {"x": half, "ids": one(rows - 1)}, tolerance=2e-3)


def test_fast_products(tmp_path):
    # Of several rows they are not the same with every instruction set.
    path = tmp_path / "w.bcq.npy"
    body = function([node("product", 0, "w", precision="fast")], [1], [SPEC])
    bcq_tf.save(path, {"w": CODES}, {"graph": {"version": 1, "functions": {"call": body}}})
    for batch in (1, 40):
        same_answers(path, {"x": floats(batch, 100)}, tolerance=2e-2)


RUNS = {
    "id": (node("gather", "bias", {"int32": 70}, {"int32": 0}), BAD_ID, "0 to 69. Received: 70"),
    "row": (node("rows", {"int32": -1}, "w", dtype="float32"), BAD_ID, "Received: -1"),
    "shapes": (node("add", 0, "bias"), BAD_ARGUMENT, "[3, 100] and [70] do not go together"),
    "dtypes": (node("add", 0, {"int32": 1}), BAD_ARGUMENT, "float32 and int32"),
    "dtype": (node("sin", {"int32": 1}), BAD_ARGUMENT, "it does not compute with int32"),
    "columns": (node("product", "bias", "w", precision="fast"), BAD_ARGUMENT, "x must be [..., "),
    "large": (node("fill", {"int64": [1 << 22]}, {"int64": 0}), OVER_LIMIT, "than the 16777216 b"),
    "long": (node("fill", {"int64": [1 << 24]}, {"int8": 0}), OVER_LIMIT, "than the 10000000 op"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_runs_that_fail_say_where(name, tmp_path):
    wrong, status, text = RUNS[name]
    model = Model(written(tmp_path, {"call": function([wrong], [1], [SPEC])}))
    model.limit(1 << 24, 10_000_000)
    with pytest.raises(StatusError) as raised:
        model.run("call", x())
    assert raised.value.args[0] == status
    assert f"function 'call', node 0 ({wrong['op']}): " in raised.value.args[1]
    assert text in raised.value.args[1]


def test_a_loop_without_an_end_stops(tmp_path):
    model = Model(written(tmp_path, DOUBLED))
    model.limit(0, 100_000)
    with pytest.raises(StatusError, match="more than the 100000 operations that it may"):
        model.run("call", np.zeros((1, 100), "f"))
    np.testing.assert_array_equal(
        model.run("call", np.full((1, 100), 3, "f"))[0], np.full((1, 100), 3)
    )
