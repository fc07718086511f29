"""`compositional_gather` and its gradients against the codes' matrix and NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.compositional_codes import CompositionalCodes
from bcq_tf.ops import compiled, portable_ops
from bcq_tf.ops.compositional import compositional_gather

ROWS = 21
FORMS = {
    "one number": (1, 1, 1),
    "one column": (3, 5, 1),
    "few columns": (4, 3, 7),
    "sixteen of sixteen": (16, 16, 50),
    "many columns": (5, 9, 300),
    "many codebooks": (40, 2, 20),
    "bytes": (3, 256, 33),
    "long indexes": (3, 300, 17),
}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
EVERY_DTYPE = pytest.mark.parametrize("dtype", ["float32", "float16"])


def make_codes(form, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, form[1], (ROWS, form[0]))
    return CompositionalCodes.of(indexes, rng.normal(size=form).astype(dtype))


def random_ids(seed=1):
    return np.random.default_rng(seed).integers(0, ROWS, (6, 30))


def gather(codes, ids, codebooks=None):
    codebooks = tf.constant(codes.codebooks) if codebooks is None else codebooks
    return compositional_gather(tf.constant(codes.packed), codebooks, ids, codes.bits)


def gradient_of(codes, ids, drows, codebooks=None):
    """(rows, the gradient of the codebooks where drows is that of the rows)."""
    codebooks = tf.constant(codes.codebooks) if codebooks is None else codebooks
    with tf.GradientTape() as tape:
        tape.watch(codebooks)
        rows = gather(codes, ids, codebooks)
    return rows, tape.gradient(rows, codebooks, drows)


def sums_of(codes, ids, drows):
    """The gradient of the codebooks, in the order of the ids, float32."""
    sums = np.zeros(codes.codebooks.shape, np.float32)
    indexes = codes.indexes()[np.ravel(ids)]
    places = np.broadcast_to(np.arange(len(sums)), indexes.shape)
    drows = np.reshape(drows, [-1, 1, sums.shape[2]])
    np.add.at(sums, (places, indexes), np.broadcast_to(drows, (*indexes.shape, sums.shape[2])))
    return sums


def random_drows(codes, ids, seed=2):
    shape = (*np.shape(ids), codes.shape[1])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("jit", [False, True])
@EVERY_DTYPE
@EVERY_FORM
def test_rows_are_those_of_the_matrix_bit_for_bit(ops, form, dtype, jit):
    codes, ids = make_codes(form, dtype), random_ids()
    function = tf.function(lambda ids: gather(codes, ids), jit_compile=jit)
    for received in (ids, ids.astype("int32"), ids.astype("uint8"), ids[0, 0], ids[:, :0]):
        rows = function(tf.constant(received))
        assert rows.dtype == tf.float32
        np.testing.assert_array_equal(rows, codes.reconstruct()[received])


@pytest.mark.parametrize("jit", [False, True])
@EVERY_DTYPE
@EVERY_FORM
def test_the_gradient_of_the_codebooks(ops, form, dtype, jit):
    codes, ids = make_codes(form, dtype), random_ids()
    drows = random_drows(codes, ids)
    function = tf.function(lambda ids: gradient_of(codes, ids, drows), jit_compile=jit)
    gradient = function(tf.constant(ids))[1]
    assert gradient.shape == codes.codebooks.shape
    assert gradient.dtype == dtype
    expected = sums_of(codes, ids, drows)
    if ops == "compiled":
        np.testing.assert_array_equal(gradient, expected.astype(dtype))
    else:
        tolerance = 1e-5 if dtype == "float32" else 2e-3
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ids", [5, [], np.zeros([0, 4], int), [[1, 2], [3, 3]]])
def test_gradients_of_ids_of_any_shape(ops, ids):
    codes, ids = make_codes((4, 3, 7)), np.asarray(ids, np.int64)
    drows = np.ones([*ids.shape, 7], np.float32)
    rows, gradient = gradient_of(codes, ids, drows)
    np.testing.assert_array_equal(rows, codes.reconstruct()[ids])
    np.testing.assert_array_equal(gradient, sums_of(codes, ids, drows))


@EVERY_FORM
def test_the_gradient_of_the_gradient(ops, form):
    codes, ids = make_codes(form), random_ids()
    drows = tf.constant(random_drows(codes, ids))
    with tf.GradientTape() as tape:
        tape.watch(drows)
        square = tf.reduce_sum(gradient_of(codes, ids, drows)[1] ** 2)
    doubled = CompositionalCodes(codes.packed, 2 * sums_of(codes, ids, drows))
    expected = doubled.reconstruct()[ids]
    np.testing.assert_allclose(tape.gradient(square, drows), expected, rtol=1e-4, atol=1e-3)


def test_both_engines_give_the_same_bits():
    if not compiled.available():
        pytest.skip("the compiled ops are not loaded")
    codes = make_codes((16, 16, 50))
    ids = np.random.default_rng(3).integers(0, ROWS, 5000)
    drows = random_drows(codes, ids)
    found = gradient_of(codes, ids, drows)
    with portable_ops():
        for one, other in zip(found, gradient_of(codes, ids, drows), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [[None], [None, 2], None])
def test_sizes_that_are_unknown_while_tracing(ops, shape):
    codes = make_codes((4, 3, 7))
    codebooks = tf.Variable(codes.codebooks)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.int32)])
    def run(ids):
        with tf.GradientTape() as tape:
            rows = gather(codes, ids, codebooks)
        return rows, tape.gradient(rows, codebooks)

    if shape is not None:
        assert run.get_concrete_function().output_shapes[0].as_list() == [*shape, 7]
    ids = np.array([[5, 6]])[0 if shape == [None] else slice(None)]
    rows, gradient = run(ids)
    np.testing.assert_array_equal(rows, codes.reconstruct()[ids])
    np.testing.assert_array_equal(gradient, sums_of(codes, ids, np.ones([2, 7], "f")))


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**31 + 1])
def test_an_id_that_is_no_row(ops, wrong):
    codes = make_codes((4, 3, 7))
    ids = tf.constant([3, wrong, 0], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
        gather(codes, ids)
    function = tf.function(lambda ids: gather(codes, ids), jit_compile=True)
    if ops == "compiled":
        message = rf"`ids` must be from 0 to 20. Received: ids\[1\]={wrong}"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(ids)
    else:
        rows = function(ids).numpy()
        assert np.isnan(rows[1]).all()
        np.testing.assert_array_equal(rows[[0, 2]], codes.reconstruct()[[3, 0]])


def test_ids_that_are_no_integers_are_refused(ops):
    with pytest.raises(TypeError, match="`ids` must be integers"):
        gather(make_codes((4, 3, 7)), tf.constant([1.0]))


# The compiled ops called directly: an error and never a crash

GATHER = {
    "packed": tf.zeros([20, 2], tf.uint8),
    "codebooks": tf.zeros([5, 6, 4]),
    "ids": tf.zeros([4], tf.int64),
    "bits": 3,
}
GRADIENT = {
    **{name: GATHER[name] for name in ("packed", "ids", "bits")},
    "dout": tf.zeros([4, 7]),
    "count": 5,
    "entries": 6,
}
WRONG_GATHER = {
    "packed": (tf.zeros([20, 3], tf.uint8), r"`packed` must be \[rows, 2\]. Received: \[20,3\]"),
    "indexes": (tf.fill([20, 2], np.uint8(255)), "the codes break a rule"),
    "codebooks": (tf.zeros([5, 9, 4]), "with K at most 8 .* Received: .5,9,4"),
    "no codebooks": (tf.zeros([5, 8, 0]), "`codebooks` must be .* not empty"),
    "bits": (17, "`bits` must be from 1 to 16. Received: bits=17"),
    "ids": (tf.constant([0, 20], tf.int64), r"from 0 to 19. Received: ids\[1\]=20"),
}
WRONG_GRADIENT = {
    "packed": (tf.zeros([20, 3], tf.uint8), r"`packed` must be \[rows, 2\]. Received: \[20,3\]"),
    "indexes": (tf.fill([20, 2], np.uint8(255)), "the codes break a rule"),
    "dout": (tf.zeros([5, 7]), r"`dout` must be \[4,7\]. Received: \[5,7\]"),
    "entries": (9, "with K at most 8"),
    "bits": (17, "`bits` must be from 1 to 16. Received: bits=17"),
    "ids": (tf.fill([4], tf.constant(20, tf.int64)), r"from 0 to 19. Received: ids\[0\]=20"),
}
ARGUMENT = {"indexes": "packed", "no codebooks": "codebooks"}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("op", "arguments", "name", "wrong"),
    [("rows", GATHER, name, wrong) for name, wrong in WRONG_GATHER.items()]
    + [("gradient", GRADIENT, name, wrong) for name, wrong in WRONG_GRADIENT.items()],
)
def test_an_argument_that_does_not_fit(op, arguments, name, wrong, jit):
    if not compiled.available():
        pytest.skip("the compiled ops are not loaded")
    value, message = wrong
    call = getattr(compiled._library(), f"bcq_compositional_{op}")
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        (tf.function(call, jit_compile=True) if jit else call)(
            **{**arguments, ARGUMENT.get(name, name): value}
        )
