"""Inputs of operations at their edges: every dtype, empty and long axes, special numbers."""

import numpy as np

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
DTYPES = (
    "float32",
    "float64",
    "float16",
    "int64",
    "uint64",
    "int32",
    "uint32",
    "int16",
    "uint16",
    "int8",
    "uint8",
    "bool",
)
SHORT = ("int8", "int16", "uint16", "uint8", "int32", "uint32")
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
    "divide_zero": ("divide", [WHOLE, WHOLE * 0], {}),
    **{f"{n}_{d}": (n, [ints(0, 120, 3, 50, dtype=d), ints(1, 5, 50, dtype=d)], {})
       for n in OF_TWO.split() for d in SHORT},
    **{f"{n}_{d}": (n, [ints(-9, 9, 50, dtype=d)], {})
       for n in ("absolute", "negative", "square", "sign", "relu", "relu6") for d in SHORT},
    **{f"{n}_{d}": (f"reduce_{n}", [ints(0, 120, 4, 50, dtype=d), i32(1)], GO)
       for n in ("sum", "max", "min", "mean", "product") for d in SHORT},
    **{f"{n}_repeated_{k}": (n, [floats(2, k), floats(2, 1)], {})
       for n in ("subtract", "less") for k in (255, 256, 257, 1000)},
    "subtract_repeated_first": ("subtract", [floats(3, 1), floats(3, 700)], {}),
    "and_repeated": ("logical_and", [floats(3, 700) > 0, floats(1) > -9], {}),
    "bits_and_bool": ("bitwise_and", [floats(9) > 0, floats(9) > 0], {}),
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
       for a in DTYPES for b in DTYPES},
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
