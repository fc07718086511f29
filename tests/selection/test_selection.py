"""`select`: every weight of any model is chosen or skipped with a reason, once."""

import keras
import numpy as np
import pytest
from keras import layers

from bcq_tf.config import BCQConfig, Rule
from bcq_tf.selection.selection import Chosen, Skipped, select, unique_labels


class Unknown(layers.Layer):
    """A layer type that the library does not know: a table [40, 48] and a vector [48]."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(40, 48), name="table")
        self.vector = self.add_weight(shape=(48,), name="vector")

    def call(self, inputs):
        return inputs @ self.table + self.vector


class Subclassed(keras.Model):
    """Layers in lists and dicts, one of them used twice."""

    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(40, name="a"), layers.Dense(40, name="b")]
        self.heads = {"out": layers.Dense(3, name="out")}

    def call(self, inputs):
        return self.heads["out"](self.blocks[1](self.blocks[0](self.blocks[0](inputs))))


class Block(keras.Model):
    """A submodel whose layer has a fixed name, so that two of them have equal paths."""

    def __init__(self):
        super().__init__(name="block")
        self.dense = layers.Dense(40, name="dense")

    def call(self, inputs):
        return self.dense(inputs)


class Twins(keras.Model):
    """Two blocks of equal names."""

    def __init__(self):
        super().__init__(name="twins")
        self.first, self.second = Block(), Block()

    def call(self, inputs):
        return self.second(self.first(inputs))


def called(model, *shape, dtype="float32"):
    model(np.zeros(shape, dtype))
    return model


def sequential():
    return keras.Sequential([
        keras.Input((12, 12, 4)),
        layers.Conv2D(8, 3),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(3),
        layers.DepthwiseConv2D(6),  # rows of 36
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10),
    ])  # fmt: skip


def functional_nested():
    inner = keras.Sequential([keras.Input((40,)), layers.Dense(40), layers.LayerNormalization()])
    x = keras.Input((40,))
    y = layers.Dense(40)(inner(inner(x)))
    return keras.Model(x, layers.Add()([x, y]))


def recurrent():
    cells = [layers.LSTMCell(40), layers.GRUCell(40)]
    return keras.Sequential([
        keras.Input((5, 40)),
        layers.Bidirectional(layers.LSTM(40, return_sequences=True)),
        layers.RNN(cells, return_sequences=True),
        layers.TimeDistributed(layers.Dense(40)),
        layers.SimpleRNN(40),
    ])  # fmt: skip


def attention():
    x = keras.Input((5, 40))
    y = layers.MultiHeadAttention(4, 10)(x, x)
    return keras.Model(x, layers.GroupQueryAttention(10, 4, 2)(y, y))


def tied():
    ids = keras.Input((5,), dtype="int32")
    embedding = layers.ReversibleEmbedding(50, 40)
    return keras.Model(ids, embedding(layers.Dense(40)(embedding(ids)), reverse=True))


def with_unknown():
    x = keras.Input((40,))
    return keras.Model(x, Unknown(name="unknown")(layers.Dense(40)(x)))


def with_preprocessing():
    """Statistics of rank 2 and an int64 count."""
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(size=(8, 40)))
    return keras.Sequential([keras.Input((40,)), normalization, layers.Dense(40)])


MODELS = {
    "sequential": (sequential, 3),
    "functional, nested, shared": (functional_nested, 2),
    "recurrent": (recurrent, 11),
    "attention": (attention, 8),
    "tied": (tied, 2),
    "unknown layer": (with_unknown, 1),
    "preprocessing": (with_preprocessing, 1),
    "subclassed": (lambda: called(Subclassed(), 2, 40), 3),
    "equal paths": (lambda: called(Twins(), 2, 40), 2),
}


@pytest.mark.parametrize(("make", "count"), MODELS.values(), ids=MODELS)
def test_every_weight_stands_in_the_plan_once(make, count):
    model = make()
    plan = select(model)
    entries = sorted((*plan.chosen, *plan.skipped), key=lambda entry: entry.position)
    assert [entry.position for entry in entries] == list(range(len(model.weights)))
    for entry, variable in zip(entries, model.weights, strict=True):
        assert entry.variable is variable
        assert entry.path.split("#")[0] == variable.path
    assert len({entry.path for entry in entries}) == len(entries)
    assert len(plan.chosen) == count
    for weight in plan.chosen:
        assert weight.view.shape == tuple(weight.variable.shape)
        assert weight.view.matrix_shape[1] >= 32
        assert weight.config == BCQConfig()
    assert all(weight.reason for weight in plan.skipped)


@pytest.mark.parametrize(("make", "count"), MODELS.values(), ids=MODELS)
def test_both_tuples_are_in_the_order_of_the_weights(make, count):
    plan = select(make())
    for weights in (plan.chosen, plan.skipped):
        positions = [weight.position for weight in weights]
        assert positions == sorted(positions)


def find(plan, path) -> Chosen | Skipped:
    (entry,) = [entry for entry in (*plan.chosen, *plan.skipped) if entry.path == path]
    return entry


def mlp():
    x = keras.Input((40,), name="x")
    h = layers.Dense(40, name="hidden")(x)
    h = layers.Dense(20, name="narrow")(h)
    return keras.Model(x, layers.Dense(4, name="output")(h))


def test_weights_that_are_frozen_or_half_precision_are_chosen_too():
    layer = layers.Dense(40, dtype="bfloat16")
    layer.trainable = False
    model = keras.Sequential([keras.Input((40,)), layer])
    assert [weight.variable for weight in select(model).chosen] == [layer.kernel]


def test_a_single_layer_can_be_selected_from():
    layer = layers.Dense(4)
    layer.build((None, 40))
    assert [weight.path for weight in select(layer).chosen] == [layer.kernel.path]


def test_the_config_is_that_of_every_chosen_weight():
    config = BCQConfig(bits=2, group_size=64)  # a group longer than a row is the whole row
    assert {weight.config for weight in select(mlp(), config).chosen} == {config}


# Short rows


def test_short_rows_are_skipped_with_the_reason():
    reason = find(select(mlp()), "output/kernel").reason
    assert reason == "rows of 20, shorter than 32; a rule includes it"


@pytest.mark.parametrize("rules", [{"output/*": 2}, {"*": 2}, [Rule("out*", BCQConfig(bits=2))]])
def test_a_rule_with_a_config_includes_short_rows(rules):
    assert find(select(mlp(), rules=rules), "output/kernel").config.bits == 2


def test_a_rule_includes_depthwise_kernels():
    model = sequential()
    short, long = [layer for layer in model.layers if isinstance(layer, layers.DepthwiseConv2D)]
    plan = select(model)
    assert find(plan, short.kernel.path).reason.startswith("rows of 9, shorter than 32")
    assert find(plan, long.kernel.path).view.matrix_shape == (8, 36)
    plan = select(model, rules={short.kernel.path: {}})
    assert find(plan, short.kernel.path).view.matrix_shape == (8, 9)


# Rules


def test_the_first_rule_that_matches_wins():
    rules = [("hidden/*", None), ("*kernel", {"bits": 4, "group_size": 32}), ("narrow/*", 1)]
    plan = select(mlp(), BCQConfig(offset=True), rules)
    assert find(plan, "hidden/kernel").reason == "rule 'hidden/*'"
    expected = BCQConfig(bits=4, group_size=32, offset=True)
    assert find(plan, "narrow/kernel").config == expected


def test_a_rule_does_not_quantize_biases():
    assert find(select(mlp(), rules={"*": 2}), "hidden/bias").reason == "bias"


def test_a_rule_can_tell_weights_of_equal_paths_apart():
    model = called(Twins(), 2, 40)
    path = model.weights[0].path
    assert path == model.weights[2].path
    plan = select(model, rules=[(f"{path}#2", 1), (path, 2)])
    assert [(w.path, w.config.bits) for w in plan.chosen] == [(path, 2), (f"{path}#2", 1)]
    both = select(model, rules={path: 2}).chosen
    assert [weight.config.bits for weight in both] == [2, 2]


def test_labels_are_distinct_whatever_the_paths():
    assert unique_labels(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]
    assert unique_labels(["a", "a", "a#2"]) == ["a", "a#3", "a#2"]


# Unknown layers


def test_an_unknown_layer_is_skipped_with_its_name():
    plan = select(with_unknown())
    reason = find(plan, "unknown/table").reason
    assert reason == "layer type Unknown is not known; a rule with `axes` includes it"
    assert find(plan, "unknown/vector").reason == "rank 1"


def test_a_rule_without_axes_leaves_an_unknown_layer_float():
    assert "`axes`" in find(select(with_unknown(), rules={"*": 2}), "unknown/table").reason


@pytest.mark.parametrize("axes", [(0,), (-2,)])
@pytest.mark.parametrize("as_rule", [True, False], ids=["Rule", "dict"])
def test_a_rule_with_axes_includes_an_unknown_layer(axes, as_rule):
    config = BCQConfig(bits=2)
    rules = (
        [Rule("unknown/*", config, axes)]
        if as_rule
        else {"unknown/*": {"bits": 2, "axes": list(axes)}}
    )
    plan = select(with_unknown(), rules=rules)
    weight = find(plan, "unknown/table")
    assert (weight.view.rows, weight.view.columns) == ((1,), (0,))
    assert weight.view.matrix_shape == (48, 40)
    assert weight.config == config
    assert find(plan, "unknown/vector").reason == "rank 1"


def test_axes_may_repeat_what_a_known_layer_type_says():
    rules = [Rule("hidden/kernel", BCQConfig(), axes=(0,))]
    assert find(select(mlp(), rules=rules), "hidden/kernel").view.columns == (0,)


def test_axes_include_an_einsum_that_sums_over_nothing():
    x = keras.Input((3, 40))
    model = keras.Model(x, layers.EinsumDense("abc,bc->abc", (3, 40), name="gate")(x))
    assert not select(model).chosen
    plan = select(model, rules=[Rule("gate/kernel", BCQConfig(), axes=(1,))])
    assert plan.chosen[0].view.matrix_shape == (3, 40)


# Bad input


@pytest.mark.parametrize(
    ("axes", "make", "path"),
    [
        ((2,), with_unknown, "unknown/table"),
        ((-3,), with_unknown, "unknown/table"),
        ((0, -2), with_unknown, "unknown/table"),
        ((0, 1), with_unknown, "unknown/table"),
        ((0, 1), mlp, "hidden/kernel"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes, make, path):
    with pytest.raises(ValueError, match="must be some, not all, of the 2 axes") as error:
        select(make(), rules=[Rule(path, BCQConfig(), axes)])
    assert path in str(error.value)
    assert f"axes={axes}" in str(error.value)


def test_axes_that_contradict_a_known_layer_type_are_refused():
    with pytest.raises(ValueError, match=r"'hidden/kernel'.* known. Received: axes=\(1,\)"):
        select(mlp(), rules=[Rule("hidden/*", BCQConfig(), axes=(1,))])


@pytest.mark.parametrize(
    ("pattern", "close"),
    [
        ("hiden/kernel", "hidden/kernel"),
        ("*/hidden/kernel", "hidden/kernel"),
        ("Hidden*", "hidden/"),
        ("zzz", "hidden/kernel, hidden/bias, narrow/kernel"),
    ],
)
def test_a_rule_that_matches_nothing_is_refused(pattern, close):
    with pytest.raises(ValueError, match="must have patterns that match the path") as error:
        select(mlp(), rules=[("*", 3), (pattern, 2)])
    assert f"Received: {pattern!r}. Close paths: " in str(error.value)
    assert close in str(error.value)


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ("*", TypeError, "`rules` must be a mapping or a list"),
        ([3], TypeError, "`rules` must hold Rule objects or .* pairs. Received: 3"),
        ([("a", 1, 2)], TypeError, "`rules` must hold Rule objects or .* pairs"),
        ({"*": 0}, ValueError, r"from 1 to 8. Received: bits=0 \(rule '\*'\)"),
        ({"*": "two"}, ValueError, r"bits='two' \(rule '\*'\)"),
        ({"*": {"bits": True}}, ValueError, "bits=True"),
        ({"*": {"group_size": 20}}, ValueError, "`group_size` must be None or .* multiple of 32"),
        ({"*": {"bit": 2}}, ValueError, r"`rules` may set .* Received: 'bit' \(rule '\*'\)"),
        ({"*": {"axes": 1}}, TypeError, "`axes` of a rule must be a tuple of integers"),
        ({"*": {"axes": (0.5,)}}, TypeError, "`axes` of a rule must be a tuple of integers"),
        ({"*": {"axes": ()}}, ValueError, "`axes` of a rule must be distinct integers"),
        ({"*": {"axes": (1, 1)}}, ValueError, "`axes` of a rule must be distinct integers"),
        ({"": 2}, TypeError, "`pattern` of a rule must be a non-empty string"),
        ({3: 2}, TypeError, "`pattern` of a rule must be a non-empty string. Received: 3"),
    ],
)
def test_rules_that_are_none_are_refused(rules, error, message):
    with pytest.raises(error, match=message):
        select(mlp(), rules=rules)


@pytest.mark.parametrize(
    "make",
    [
        Subclassed,
        lambda: keras.Sequential([layers.Dense(4)]),
        lambda: keras.Sequential([keras.Input((4,)), layers.Flatten()]),
        lambda: layers.Dense(4),
    ],
    ids=["subclassed", "sequential", "no weights", "layer"],
)
def test_a_model_without_weights_is_refused(make):
    model = make()
    with pytest.raises(ValueError, match="`model` must be built and have weights") as error:
        select(model)
    assert repr(model.name) in str(error.value)


@pytest.mark.parametrize("model", [None, "model", [1.0]])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(TypeError, match="`model` must be a Keras model or layer. Received"):
        select(model)


@pytest.mark.parametrize("config", [3, {"bits": 3}, "3"])
def test_what_is_no_config_is_refused(config):
    with pytest.raises(TypeError, match="`config` must be a BCQConfig or None. Received: config="):
        select(mlp(), config)
