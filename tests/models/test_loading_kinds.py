"""Models whose classes make variables from values: tasks that compile themselves, states of
recurrent layers, `keras.Variable` of an array, what `build` assigns."""

import pickle

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.layers.packed_model import PackedModel

hub = pytest.importorskip("keras_hub")

IDS = np.array([[1, 2, 3, 4, 0, 0, 0, 0]])
MASK = (IDS > 0).astype("int32")
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 64, "intermediate_dim": 80}
STEPS = np.random.default_rng(0).normal(size=(2, 5, 32)).astype("float32")
FRAMES = np.random.default_rng(0).normal(size=(2, 3, 6, 6, 8)).astype("float32")


def gpt2(preprocessed):
    vocabulary = {"<|endoftext|>": 0, "a": 1, "b": 2, "Ġa": 3, "ab": 4, "Ġ": 5}
    tokenizer = hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=["a b", "Ġ a"])
    backbone = hub.models.GPT2Backbone(vocabulary_size=90, max_sequence_length=16, **SIZES)
    preprocessor = hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=8)
    model = hub.models.GPT2CausalLM(backbone, preprocessor if preprocessed else None)
    return model, {"token_ids": IDS, "padding_mask": MASK}, lambda m: m.generate("ab a", 8)


def llama(preprocessed):
    sizes = {"num_layers": 1, "num_query_heads": 4, "num_key_value_heads": 2}
    sizes |= {"hidden_dim": 64, "intermediate_dim": 80}
    backbone = hub.models.LlamaBackbone(vocabulary_size=90, **sizes)
    return hub.models.LlamaCausalLM(backbone), {"token_ids": IDS, "padding_mask": MASK}, None


def llama3(preprocessed):
    """A tokenizer whose special tokens are not those that its class has."""
    vocabulary = {"<s>": 0, "a": 1, "b": 2, "Ġa": 3, "ab": 4, "Ġ": 5, "<end>": 6, "<im_x>": 7}
    tokens = {"bos_token": "<s>", "eos_token": "<end>", "misc_special_tokens": {"<im_x>", "<end>"}}
    tokenizer = hub.models.Llama3Tokenizer(vocabulary, ["a b", "Ġ a"], **tokens)
    sizes = {"num_layers": 1, "num_query_heads": 4, "num_key_value_heads": 2}
    sizes |= {"hidden_dim": 64, "intermediate_dim": 80}
    backbone = hub.models.Llama3Backbone(vocabulary_size=90, **sizes)
    preprocessor = hub.models.Llama3CausalLMPreprocessor(tokenizer, sequence_length=8)
    model = hub.models.Llama3CausalLM(backbone, preprocessor)
    return model, {"token_ids": IDS, "padding_mask": MASK}, lambda m: m.generate("ab<im_x> a", 8)


def bert(preprocessed):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat"]
    tokenizer = hub.models.BertTokenizer(vocabulary=words)
    backbone = hub.models.BertBackbone(vocabulary_size=90, max_sequence_length=16, **SIZES)
    preprocessor = hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=8)
    model = hub.models.BertTextClassifier(backbone, 3, preprocessor if preprocessed else None)
    inputs = {"token_ids": IDS, "padding_mask": MASK, "segment_ids": 0 * IDS}
    return model, inputs, lambda m: m.predict(["the cat", "sat"], verbose=0)


def resnet(preprocessed):
    backbone = hub.models.ResNetBackbone(
        [64], [7], [64], [1], [1], "basic_block", use_pre_activation=True, image_shape=(16, 16, 3)
    )
    converter = hub.layers.ResNetImageConverter(image_size=(16, 16), scale=1 / 255)
    preprocessor = hub.models.ResNetImageClassifierPreprocessor(converter)
    model = hub.models.ResNetImageClassifier(backbone, 70, preprocessor if preprocessed else None)
    x = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype("float32")
    return model, x, lambda m: m.predict(x, verbose=0)


def bart(preprocessed):
    backbone = hub.models.BartBackbone(vocabulary_size=90, max_sequence_length=16, **SIZES)
    parts = {"token_ids": IDS, "padding_mask": MASK}
    inputs = {f"{side}_{k}": v for side in ("encoder", "decoder") for k, v in parts.items()}
    return hub.models.BartSeq2SeqLM(backbone), inputs, None


TASKS = [(gpt2, True), (gpt2, False), (llama, False), (bert, True), (bert, False)]
TASKS += [(resnet, True), (bart, False)]


def close(actual, expected):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("build", "preprocessed"), TASKS)
def test_a_task_of_kerashub(build, preprocessed, tmp_path):
    model, x, use = build(preprocessed)
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    expected = model(x)
    answer = use(model) if preprocessed else None
    packed = bcq_tf.load_model(tmp_path / "m.bcq.npy")
    packed.save(tmp_path / "m.keras")
    for again in (packed, keras.saving.load_model(tmp_path / "m.keras")):
        assert isinstance(again, PackedModel)
        close(again(x), expected)
        if isinstance(answer, str):
            assert use(again) == answer
        elif preprocessed:
            close(use(again), answer)


def test_special_tokens_of_a_tokenizer_come_back(tmp_path):
    # KerasHub's own files, which .keras is one of, leave them out.
    model, x, use = llama3(True)
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    again = bcq_tf.load_model(tmp_path / "m.bcq.npy")
    close(again(x), model(x))
    assert use(again) == use(model)
    ours, theirs = again.preprocessor.tokenizer, model.preprocessor.tokenizer
    assert ours.end_token_id == theirs.end_token_id == 6
    assert set(ours.special_token_ids) == {0, 6, 7}
    np.testing.assert_array_equal(ours("a<im_x>b"), theirs("a<im_x>b"))


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"detokenize": "a"}', b'{"end_token": 3}'])
def test_special_tokens_that_are_none(content, tmp_path):
    path = tmp_path / "m.bcq.npy"
    bcq_tf.quantize_model(llama3(True)[0], 3, effort="low", filepath=path)
    tensors = dict(bcq_tf.read(path))
    name = next(name for name in tensors if name.endswith("special_tokens.json"))
    tensors[name] = np.frombuffer(content, np.uint8)
    bcq_tf.save(path, tensors, bcq_tf.read(path).metadata)
    with pytest.raises(bcq_tf.FileFormatError, match=r"its special_tokens\.json (is no|must name)"):
        bcq_tf.load_model(path)


@pytest.mark.graphs
def test_a_packed_generator_stands_in_a_preset(tmp_path):
    model, x, use = gpt2(True)
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    bcq_tf.load_model(tmp_path / "m.bcq.npy").save_to_preset(tmp_path / "preset")
    again = hub.models.GPT2CausalLM.from_preset(str(tmp_path / "preset"))
    assert isinstance(again.backbone, PackedModel)
    close(again(x), model(x))
    assert use(again) == use(model)


@pytest.mark.parametrize(("build", "preprocessed"), [(bert, True), (gpt2, False)])
def test_a_preset_that_would_not_load_is_not_written(build, preprocessed, tmp_path):
    model = build(preprocessed)[0]
    bcq_tf.pack_model(model, bcq_tf.quantize_model(model, 3, effort="low").codes)
    with pytest.raises(
        ValueError, match=r"`from_preset` loads no packed task .* save it as .keras"
    ):
        model.save_to_preset(tmp_path / "preset")
    assert not (tmp_path / "preset").exists()


# Variables of values


@keras.saving.register_keras_serializable(package="tests")
class Constants(L.Layer):
    """A variable of an array, one that `build` assigns, one that is kept outside of the layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mean = keras.Variable(np.arange(32, dtype="float32"), trainable=False, name="mean")

    def build(self, shape):
        self.shift = self.add_weight(shape=(32,), trainable=False, name="shift")
        self.shift.assign(np.full(32, 2.0))
        self.helper = {"outside": [Outside()]}

    def call(self, x):
        return (x - self.mean) * self.shift + self.helper["outside"][0].value


class Outside:
    """Holds a variable where Keras does not look for it."""

    def __init__(self):
        self.value = keras.Variable("ones", shape=(), name="value")


@keras.saving.register_keras_serializable(package="tests")
class CompilesItself(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.out = L.Dense(64), L.Dense(70)
        self.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])

    def build(self, shape):
        self.hidden.build(shape)
        self.out.build((None, 64))

    def call(self, x):
        return self.out(self.hidden(x))

    def get_config(self):
        return {"name": self.name}


def compiles_itself():
    model = CompilesItself()
    model.build((None, 32))
    return model


def stateful(layer):
    def build():
        return keras.Sequential([keras.Input((5, 32), batch_size=2), layer(), L.Dense(70)])

    return build


def convolutional():
    layer = L.ConvLSTM2D(8, 3, stateful=True)
    return keras.Sequential([keras.Input(FRAMES.shape[1:], batch_size=2), layer, L.Flatten()])


def constants():
    return keras.Sequential([keras.Input((32,)), Constants(), L.Dense(70)])


def cells():
    return L.RNN([L.GRUCell(32), L.LSTMCell(32)], stateful=True)


KINDS = {
    "lstm": (stateful(lambda: L.LSTM(32, stateful=True)), STEPS),
    "gru": (stateful(lambda: L.GRU(32, stateful=True)), STEPS),
    "simple": (stateful(lambda: L.SimpleRNN(32, stateful=True)), STEPS),
    "bidirectional": (stateful(lambda: L.Bidirectional(L.LSTM(32, stateful=True))), STEPS),
    "cells": (stateful(cells), STEPS),
    "convolutional": (convolutional, FRAMES),
    "compiles_itself": (compiles_itself, STEPS[0]),
    "constants": (constants, STEPS[0]),
}


@pytest.mark.parametrize("name", KINDS)
def test_variables_made_of_values(name, tmp_path):
    build, x = KINDS[name]
    model = build()
    bcq_tf.quantize_model(model, 3, {"*kernel": 3}, effort="low", filepath=tmp_path / "m.bcq.npy")
    packed = bcq_tf.load_model(tmp_path / "m.bcq.npy")
    packed.save(tmp_path / "m.keras")
    copies = [
        packed,
        keras.saving.load_model(tmp_path / "m.keras"),
        pickle.loads(pickle.dumps(packed)),
    ]
    copies.append(bcq_tf.load_model(tmp_path / "m.bcq.npy", packed=False))
    expected = model(x)
    for again in copies:
        close(again(x), expected)


def test_a_packed_model_is_not_written_as_h5(tmp_path):
    model, _ = compiles_itself(), None
    bcq_tf.pack_model(model, bcq_tf.quantize_model(model, 3, effort="low").codes)
    message = "`filepath` must end in '.keras' for a packed model, h5 keeps no codes"
    for name in ("m.h5", "m.hdf5"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(ValueError, match=message):
            model.save(tmp_path / name)
        assert (tmp_path / name).read_text() == "mine"
    with pytest.raises(ValueError, match=message):
        keras.saving.save_model(model, tmp_path / "other.h5")


# Custom objects, code in files


def test_custom_objects(tmp_path):
    class Doubled(L.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((32,)), Doubled(), L.Dense(70)])
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    with pytest.raises(ValueError, match="Could not locate class 'Doubled'") as raised:
        bcq_tf.load_model(tmp_path / "m.bcq.npy")
    assert "Full object config" not in str(raised.value)
    again = bcq_tf.load_model(tmp_path / "m.bcq.npy", custom_objects={"Doubled": Doubled})
    close(again(STEPS[0]), model(STEPS[0]))


def test_a_lambda_is_run_where_asked_only(tmp_path):
    model = keras.Sequential([keras.Input((32,)), L.Lambda(lambda x: x + 1), L.Dense(70)])
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    with pytest.raises(ValueError, match="`safe_mode` must be False to run the code of a Lambda"):
        bcq_tf.load_model(tmp_path / "m.bcq.npy")
    again = bcq_tf.load_model(tmp_path / "m.bcq.npy", safe_mode=False)
    close(again(STEPS[0]), model(STEPS[0]))
