"""One harness for all packed layers: each against the float layer of the codes' value."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import native
from bcq_tf.codes import MatrixView
from bcq_tf.layers import BCQConv1D, BCQDense, BCQEinsumDense, BCQEmbedding, BCQReversibleEmbedding
from bcq_tf.layers.swap import unpack_layer
from bcq_tf.ops import portable_ops
from tests import fresh
from tests.layers.cases import CASES, ROWS, built, inputs, pack, quantized
from tests.ops import codes as ops_codes

SETTINGS = {
    "1 bit": {"bits": 1},
    "3 bits": {"bits": 3},
    "grouped": {"bits": 2, "group_size": 32},
    "offset": {"bits": 2, "offset": True},
    "float32 scales": {"bits": 2, "scale_dtype": "float32"},
}


def close(actual, expected, tolerance=2e-6):
    """Within `tolerance` of the largest value, both float32."""
    actual, expected = (np.asarray(tf.cast(value, tf.float32)) for value in (actual, expected))
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * abs(expected).max())


def layers_of(name, seed=0, settings=None, **packing):
    """(float layer of the codes' value, the same packed)."""
    pair = built(CASES[name], seed), built(CASES[name], seed)
    made = [quantized(layer, **(settings or {"bits": 3})) for layer in pair]
    pack(pair[1], made[1], **packing)
    return pair


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", CASES)
def test_a_packed_layer_computes_what_the_float_one_does(name, setting):
    float_layer, packed = layers_of(name, settings=SETTINGS[setting])
    x = inputs(CASES[name])
    close(packed(x), float_layer(x))


@pytest.mark.parametrize("name", CASES)
def test_float_values_are_those_of_the_codes_bit_for_bit(name):
    float_layer, packed = layers_of(name, settings=SETTINGS["grouped"])
    for weight in packed.packed_weights:
        value = packed.float_value(weight, "float32")
        np.testing.assert_array_equal(value, getattr(float_layer, weight))


@pytest.mark.parametrize("name", CASES)
def test_in_a_function_under_xla_and_in_plain_ops(name):
    float_layer, packed = layers_of(name)
    x, expected = inputs(CASES[name]), float_layer(inputs(CASES[name]))
    close(tf.function(packed)(x), expected)
    if packed.supports_jit:
        close(tf.function(packed, jit_compile=True)(x), expected)
    with portable_ops():
        close(packed(x), expected)


@pytest.mark.parametrize("name", CASES)
def test_unknown_sizes(name):
    float_layer, packed = layers_of(name)
    x = inputs(CASES[name])
    spec = tf.TensorSpec([None, *x.shape[1:]], x.dtype)
    close(tf.function(packed, input_signature=[spec])(x), float_layer(x))
    # Plain convolutions of no samples have the shape of their input where TensorFlow uses oneDNN.
    function = tf.function(packed, input_signature=[spec], jit_compile=packed.supports_jit)
    assert function(x[:0]).shape == (0, *float_layer(x).shape[1:])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_mixed_precision(name, policy):
    layer = built(CASES[name], dtype=policy)
    reference = built(CASES[name])
    made = quantized(layer, bits=3)
    for variable, value in zip(reference.weights, layer.weights, strict=True):
        variable.assign(value)
    pack(layer, made)
    x = inputs(CASES[name])
    y = layer(x)
    assert y.dtype == layer.compute_dtype
    close(y, reference(x), tolerance=2e-2)


@pytest.mark.parametrize("name", CASES)
def test_the_float_weight_can_be_had_and_is_not_kept(name):
    float_layer, packed = layers_of(name)
    attribute = next(iter(packed.packed_weights))
    np.testing.assert_array_equal(getattr(packed, attribute), getattr(float_layer, attribute))
    shapes = [tuple(variable.shape) for variable in packed.weights]
    assert tuple(getattr(float_layer, attribute).shape) not in shapes


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_config_round_trip(name, trainable):
    _, packed = layers_of(name, trainable=trainable, precision="fast")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(packed)))
    again = keras.saving.deserialize_keras_object(config)  # built by its build config
    assert again.precision == "fast"
    assert again.packed_weights == packed.packed_weights
    values = {variable.name: variable for variable in packed.weights}
    assert {variable.name for variable in again.weights} == set(values)
    for variable in again.weights:
        variable.assign(values[variable.name])
    x = inputs(CASES[name])
    np.testing.assert_array_equal(again(x), packed(x))


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_scales_train_where_they_are_to(name, trainable):
    float_layer, packed = layers_of(name, trainable=trainable)
    scales = packed.parts_of(next(iter(packed.packed_weights)))["scales"]
    assert any(v is scales for v in packed.trainable_variables) == trainable
    assert scales.dtype == ("float32" if trainable else "float16")
    assert not any(v.dtype == "uint32" for v in packed.trainable_variables)
    x = inputs(CASES[name])
    close(packed(x), float_layer(x))
    if trainable:
        before = packed(x)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(packed(x) ** 2)
        gradient = tape.gradient(loss, scales.value)
        scales.assign_sub(1e-5 * gradient)
        assert tf.reduce_sum(packed(x) ** 2) < loss
        assert np.any(packed(x) != before)


@pytest.mark.parametrize("name", CASES)
def test_unpacking_gives_the_float_layer_back(name):
    float_layer, packed = layers_of(name)
    unpack_layer(packed)
    assert type(packed) is type(float_layer)
    assert [v.name for v in packed.weights] == [v.name for v in float_layer.weights]
    assert packed.weights[0].trainable
    for mine, wanted in zip(packed.weights, float_layer.weights, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    x = inputs(CASES[name])
    np.testing.assert_array_equal(packed(x), float_layer(x))


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    for name, case in CASES.items():
        _, packed = layers_of(name, trainable=name == "dense")
        dtype = "int32" if case.ids else "float32"
        x = keras.Input(case.shape[1:], batch_size=case.shape[0], dtype=dtype)
        packed.name = name
        model = keras.Model(x, type(packed).from_config(packed.get_config())(x))
        for variable, value in zip(
            sorted(model.weights, key=lambda v: v.name),
            sorted(packed.weights, key=lambda v: v.name),
            strict=True,
        ):
            variable.assign(value)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.x.npy", inputs(case))
        np.save(tmp_path / f"{name}.y.npy", packed(inputs(case)))
    program = f"""
import keras, numpy as np, bcq_tf.layers
for name in {list(CASES)}:
    model = keras.saving.load_model(r"{tmp_path}/" + name + ".keras")
    x, y = (np.load(r"{tmp_path}/" + name + end) for end in (".x.npy", ".y.npy"))
    assert (model(x).numpy() == y).all(), name
"""
    done = fresh.run(program)
    assert done.returncode == 0, done.stderr


# Made from codes


def random_codes(rows=ROWS, columns=50, **settings):
    matrix = np.random.default_rng(2).normal(size=(rows, columns)).astype("float32")
    return bcq_tf.quantize(matrix, effort="low", **settings)


@pytest.mark.parametrize("bias", [None, np.linspace(-1, 1, ROWS, dtype="float32")])
def test_dense_from_codes(bias):
    codes, x = random_codes(), inputs(CASES["dense"])
    # Not tanh, whose largest value says nothing of the product's, to which errors are relative.
    layer = BCQDense.from_codes(codes, bias, activation="relu")
    expected = x.astype("float64") @ codes.reconstruct().T
    close(layer(x), np.maximum(expected if bias is None else expected + bias, 0))


def test_einsum_dense_from_codes():
    codes, x = random_codes(), inputs(CASES["query"])
    view = MatrixView((50, 7, 10), rows=(1, 2), columns=(0,))
    layer = BCQEinsumDense.from_codes(
        codes, view, "abc,cde->abde", (None, None, 50), output_shape=(None, 7, 10)
    )
    close(layer(x), np.einsum("abc,cde->abde", x, view.from_matrix(codes.reconstruct())))


@pytest.mark.parametrize("kind", [BCQEmbedding, BCQReversibleEmbedding])
def test_embedding_from_codes(kind):
    codes, ids = random_codes(offset=True), inputs(CASES["embedding"])
    layer = kind.from_codes(codes, mask_zero=True)
    np.testing.assert_array_equal(layer(ids), codes.reconstruct()[ids])


@pytest.mark.parametrize("soft_cap", [None, 2.0])
@pytest.mark.parametrize("tied", [True, False])
def test_logits_of_a_reversible_embedding(tied, soft_cap):
    settings = {"tie_weights": tied, "logit_soft_cap": soft_cap, "reverse_dtype": "float32"}
    pair = [built(CASES["tied"], **settings, dtype="mixed_bfloat16") for _ in range(2)]
    made = [quantized(layer, bits=2) for layer in pair]
    pack(pair[1], made[1])
    x = np.random.default_rng(3).normal(size=(2, 3, 50)).astype("float32")
    expected, logits = (layer(x, reverse=True) for layer in pair)
    assert logits.dtype == "float32"
    close(logits, expected, tolerance=1e-2)  # the float layer's table is bfloat16
    tables = ["embeddings"] if tied else ["embeddings", "reverse_embeddings"]
    assert list(pair[1].packed_weights) == tables


def test_one_of_two_untied_tables_packed():
    pair = [built(CASES["tied"], tie_weights=False) for _ in range(2)]
    made = [quantized(layer, bits=2) for layer in pair]
    pack(pair[1], {"embeddings": made[1]["embeddings"]})
    x = np.random.default_rng(3).normal(size=(2, 50)).astype("float32")
    close(pair[1](x, reverse=True), pair[0](x, reverse=True))
    close(pair[1](inputs(CASES["tied"])), pair[0](inputs(CASES["tied"])))


def test_the_mask_of_a_packed_embedding():
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    for name in ("embedding", "tied"):
        layer = built(CASES[name], mask_zero=True)
        pack(layer, quantized(layer, bits=1))
        np.testing.assert_array_equal(layer(ids)._keras_mask, ids != 0)


def test_channels_first():
    codes = random_codes()
    layer = BCQConv1D(
        ROWS,
        1,
        data_format="channels_first",
        strides=2,
        packed_weights={
            "kernel": {
                "kind": "binary",
                "view": {"shape": [1, 50, ROWS], "rows": [2], "columns": [0, 1]},
                "group_size": 50,
                "plane_rows": [ROWS] * 3,
            }
        },
    )
    layer.build((None, 50, 7))
    layer.assign_codes("kernel", codes)
    x = np.random.default_rng(4).normal(size=(2, 50, 7)).astype("float32")
    close(layer(x), np.einsum("bcl,rc->brl", x[:, :, ::2], codes.reconstruct()))


def test_a_convolution_that_changes_its_kernel():
    class Standardized(keras.layers.Conv1D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel - keras.ops.mean(kernel))

    layer = Standardized(ROWS, 1)
    layer.build((None, 4, 50))
    made = quantized(layer, bits=2)
    x = np.random.default_rng(5).normal(size=(2, 4, 50)).astype("float32")
    expected = layer(x)
    pack(layer, made)
    close(layer(x), expected)


def test_fast_products_are_close():
    float_layer, packed = layers_of("dense", precision="fast")
    x = inputs(CASES["dense"])
    close(packed(x), float_layer(x), tolerance=2e-2)
    if native.library(native.TF_OPS):
        assert np.any(packed(x) != float_layer(x))


# Bad input


def spec(**changes):
    return {
        "kind": "binary",
        "view": {"shape": [50, ROWS], "rows": [1], "columns": [0]},
        "group_size": 50,
        "plane_rows": [ROWS],
    } | changes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"packed_weights": {}}, "`packed_weights` must name some of"),
        ({"packed_weights": {"bias": spec()}}, "Received: \\['bias'\\]"),
        ({"packed_weights": {"kernel": {}}}, "a packed weight must be a dict of one of the kinds"),
        ({"packed_weights": {"kernel": spec(kind="pq")}}, r"of the kinds \['binary', .*'pq'"),
        ({"packed_weights": {"kernel": spec(kind=[])}}, "of the kinds"),
        ({"packed_weights": {"kernel": spec(x=1)}}, "a packed weight must be a dict of .*'kind'"),
        ({"packed_weights": {"kernel": {"kind": "binary"}}}, "a packed weight must be a dict of"),
        (
            {"packed_weights": {"kernel": spec() | {"kind": "uniform", "bits": 2}}},
            "a packed weight must be a dict of",
        ),
        (
            {"packed_weights": {"kernel": spec(scale_dtype="int8")}},
            "`scale_dtype` must be one of .* Received: scale_dtype='int8'",
        ),
        (
            {
                "packed_weights": {
                    "kernel": spec(view={"shape": [50, 5], "rows": [1], "columns": [0]})
                }
            },
            "`plane_rows` must fall from `rows` to 0 or more. .* rows=5",
        ),
        (
            {"packed_weights": {"kernel": spec()}, "precision": "low"},
            "`precision` must be one of .* Received: precision='low'",
        ),
        (
            {"packed_weights": {"kernel": spec()}, "dtype": "float64"},
            "`dtype` must compute in one of .* Received: float64",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BCQDense(ROWS, **arguments)


def test_a_packed_weight_of_another_shape_is_refused():
    layer = BCQDense(ROWS, packed_weights={"kernel": spec()})
    with pytest.raises(ValueError, match=r"must have a 'kernel' of \[49, 70\]. Received: Binary"):
        layer.build((None, 49))


def test_weights_of_other_names_are_refused():
    _, packed = layers_of("dense")
    with pytest.raises(ValueError, match="must be given .*kernel_tiles.* Received: \\['bias'\\]"):
        packed.load_own_variables({"bias": np.zeros(ROWS)})


def test_what_a_packed_layer_cannot():
    _, packed = layers_of("dense")
    with pytest.raises(NotImplementedError, match="BCQDense does not have a `quantize` method"):
        packed.quantize("int8")
    with pytest.raises(ValueError, match="must not be packed to have LoRA. Received: 'dense"):
        packed.enable_lora(4)


@pytest.mark.parametrize("name", ["embedding", "tied"])
def test_an_id_that_is_no_row(name):
    _, packed = layers_of(name)
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(ROWS)):
        packed(np.array([[ROWS]]))


@pytest.mark.parametrize(
    "other",
    [
        {"offset": True},
        {"ragged": True},
        {"bits": 2},
        {"group_size": 32},
        {"dtype": "float16"},
        {"columns": 64},
    ],
)
def test_codes_of_another_layout_are_refused(other):
    form = {"rows": 70, "columns": 96, "bits": 3}
    layer = BCQDense.from_codes(ops_codes.random_codes(**form))
    before = layer.get_weights()
    with pytest.raises(ValueError, match="`codes` must be"):
        layer.assign_codes("kernel", ops_codes.random_codes(**(form | other)))
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_bias_of_another_shape_is_refused():
    codes = ops_codes.random_codes(rows=70)
    with pytest.raises(ValueError, match=r"`bias` must be \[70\]. Received: \[5\]"):
        BCQDense.from_codes(codes, bias=np.ones(5))
