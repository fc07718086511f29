"""KerasHub's tasks generate from the codes the tokens that the float model of their value does."""

import inspect

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf import native
from bcq_tf._keras import grouped_queries, walk_layers
from bcq_tf.layers import packed_generator, packed_layer
from bcq_tf.layers.packed_model import PackedModel
from bcq_tf.ops import engine

hub = pytest.importorskip("keras_hub")

LENGTH = 8
IDS = np.zeros((2, LENGTH), "int32")
IDS[0, :6], IDS[1, :4] = [5, 4, 3, 9, 60, 70], [11, 12, 13, 14]
PROMPT = {"token_ids": IDS, "padding_mask": IDS > 0}
BEGUN = np.where(np.arange(LENGTH) < 5, IDS + 7, 0)
PAIR = {f"encoder_{name}": value for name, value in PROMPT.items()} | {
    "decoder_token_ids": BEGUN,
    "decoder_padding_mask": BEGUN > 0,
}
SIZES = {"vocabulary_size": 90, "num_layers": 1, "hidden_dim": 64, "intermediate_dim": 80}
HEADS = {"num_query_heads": 2, "num_key_value_heads": 1}
SMOLLM3 = {
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "rope_layer_enabled_list": [True],
    "layer_types": ["full_attention"],
    "mlp_bias": False,
    "layer_norm_epsilon": 1e-5,
    "max_position_embeddings": 32,
    "rope_theta": 10000.0,
    "partial_rotary_factor": 1.0,
}
GEMMA3 = {"image_size": 16, "head_dim": 32, "sliding_window_size": 4}
WINDOW = {"sliding_window": 4}
EXPERTS = {"num_experts": 2, "top_k": 1}
MODELS = {
    "Llama": HEADS | {"tie_word_embeddings": True},
    "Gemma3": HEADS | GEMMA3,
    "Qwen3": HEADS | {"head_dim": 32},
    "Mistral": HEADS | WINDOW,
    "SmolLM3": SMOLLM3,
    "Mixtral": HEADS | WINDOW | EXPERTS,
    "T5": {"num_heads": 2},
}
IN_PARTS = set(MODELS) - {"Gemma3", "T5"}  # whose cache, or prompt, is of another kind


def task(name):
    """A small task with weights that make its tokens differ."""
    backbone = getattr(hub.models, f"{name}Backbone")(**SIZES, **MODELS[name])
    for i, variable in enumerate(backbone.weights):
        if len(variable.shape) > 1:
            values = np.random.default_rng(i).normal(size=variable.shape)
            variable.assign(values * 2 / np.sqrt(variable.shape[-1]))
    kind = "Seq2SeqLM" if name == "T5" else "CausalLM"
    return getattr(hub.models, name + kind)(backbone=backbone, preprocessor=None)


def tokens(model, inputs=PROMPT, **settings):
    """What a model generates, compiled with `settings`."""
    if settings:
        model.compile(sampler="greedy", **settings)
    is_pair = isinstance(model, hub.models.Seq2SeqLM)
    made = model.make_generate_function()(PAIR if is_pair else inputs, stop_token_ids=None)
    return np.asarray(made["decoder_token_ids" if is_pair else "token_ids"])


@pytest.fixture(autouse=True)
def _prompts_in_parts_of_two(monkeypatch):
    monkeypatch.setattr(packed_generator, "LEAST_ROWS", 2)


@pytest.fixture
def no_float_values(monkeypatch):
    """Packed layers that are asked for a float weight raise; experts decode theirs."""
    decode = packed_layer.PackedLayer.float_value

    def refuse(layer, name, dtype=None):
        assert "expert" in name, f"{layer.name} makes its {name}"
        return decode(layer, name, dtype)

    monkeypatch.setattr(packed_layer.PackedLayer, "float_value", refuse)


@pytest.mark.parametrize("name", MODELS)
def test_tokens_are_those_of_the_float_model(name, tmp_path, no_float_values):
    model = task(name)
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    expected = tokens(model, run_eagerly=True)
    packed = bcq_tf.load_model(tmp_path / "m.bcq.npy")
    assert isinstance(packed, PackedModel)
    np.testing.assert_array_equal(tokens(packed, run_eagerly=True), expected)
    inputs = PAIR if name == "T5" else PROMPT
    assert packed_generator.reads_in_parts(packed, inputs) == (name in IN_PARTS)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """(file, tokens) of a Llama whose logits are tied to its table."""
    path = tmp_path_factory.mktemp("llama") / "m.bcq.npy"
    model = task("Llama")
    bcq_tf.quantize_model(model, 3, effort="low", filepath=path)
    return path, tokens(model, run_eagerly=True)


def test_a_function_that_was_compiled_before_is_dropped(llama):
    path, expected = llama
    model = task("Llama")
    before = tokens(model, jit_compile=False)
    bcq_tf.pack_model(model, path)
    assert model.generate_function is None
    np.testing.assert_array_equal(tokens(model), expected)  # under XLA, where that is there
    assert (before != expected).any()
    bcq_tf.unpack_model(model)
    assert model.generate_function is None
    assert not model.jit_compile  # as Keras has it on CPUs


QWEN_EXPERTS = {
    "num_experts": 2,
    "top_k": 1,
    "moe_intermediate_dim": 32,
    "shared_expert_intermediate_dim": 32,
}
GROUPED = {
    "Llama": {},
    "Mistral": WINDOW,
    "Mixtral": WINDOW | EXPERTS,
    "Phi3": {},
    "Qwen3": {"head_dim": 16, "sliding_window_size": 2},
    "Qwen": {"use_sliding_window_attention": True, "sliding_window_size": 2},
    "QwenMoe": {"use_sliding_window_attention": True, "sliding_window_size": 2} | QWEN_EXPERTS,
    "SmolLM3": SMOLLM3 | {"num_attention_heads": 6, "num_key_value_heads": 2, "hidden_dim": 96},
}
UNLIKE = {  # a sink for each head, arguments of its own, no groups
    "GptOss": {"head_dim": 16} | EXPERTS | WINDOW,
    "Gemma3": GEMMA3,
    "GPT2": {"num_heads": 4, "max_sequence_length": 16},
}


def grouped_backbone(name, settings):
    heads = {"num_query_heads": 6, "num_key_value_heads": 2, "hidden_dim": 96}
    own_heads = "num_heads" in settings or name == "SmolLM3"
    cls = getattr(hub.models, f"{name}Backbone")
    return cls(**SIZES | ({} if own_heads else heads) | settings)


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("name", GROUPED)
def test_grouped_queries_attend_as_repeated_keys_do(name, length):
    backbone = grouped_backbone(name, GROUPED[name])
    (layer,) = (x for x in walk_layers(backbone) if hasattr(x, "_compute_attention"))
    random = np.random.default_rng(0)
    query = random.normal(size=(2, length, 6, 16)).astype("float32")
    key, value = random.normal(size=(2, 2, 5, 2, 16)).astype("float32").repeat(3, axis=3)
    mask = random.random(size=(2, length, 5)) < 0.7
    at = inspect.signature(layer._compute_attention).parameters.keys() & {"cache_update_index"}
    others = dict.fromkeys(at, 1)
    expected = layer._compute_attention(query, key, value, mask, **others)
    with grouped_queries(backbone):
        assert "_compute_attention" in vars(layer)
        found = layer._compute_attention(query, key, value, mask, **others)
    assert "_compute_attention" not in vars(layer)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", UNLIKE)
def test_other_attention_stays(name):
    backbone = grouped_backbone(name, UNLIKE[name])
    with grouped_queries(backbone):
        assert not any("_compute_attention" in vars(layer) for layer in walk_layers(backbone))


def test_in_a_plain_graph_from_a_keras_file(llama, tmp_path):
    path, expected = llama
    bcq_tf.load_model(path).save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(tokens(again, jit_compile=False), expected)


@pytest.mark.parametrize("xla", [True, False])
def test_compile_chooses_xla_where_the_ops_are_calls_of_it(llama, xla, monkeypatch):
    if not (engine.library() and native.library(native.XLA)):
        pytest.skip("not compiled")
    if not xla:
        found = native.library
        monkeypatch.setattr(
            native, "library", lambda name: None if name == native.XLA else found(name)
        )
    model = bcq_tf.load_model(llama[0])
    assert model.jit_compile == xla  # not compiled by hand
    model.compile(sampler="greedy")
    assert model.jit_compile == xla
    model.compile(jit_compile=False)
    assert not model.jit_compile


@pytest.mark.parametrize("sampler", ["greedy", "beam", "contrastive"])
@pytest.mark.parametrize("first", [1, 5])
def test_xla_keeps_a_cache_for_each_layer(sampler, first, tmp_path):
    """Tokens are those of a plain graph's one cache."""
    if not (engine.library() and native.library(native.XLA)):
        pytest.skip("not compiled")
    backbone = grouped_backbone("Llama", {"num_layers": 3})
    model = hub.models.LlamaCausalLM(backbone=backbone, preprocessor=None)
    for i, variable in enumerate(backbone.weights):
        variable.assign(np.random.default_rng(i).normal(size=variable.shape) / 4)
    bcq_tf.quantize_model(model, 3, effort="low", filepath=tmp_path / "m.bcq.npy")
    packed = bcq_tf.load_model(tmp_path / "m.bcq.npy")
    ids = np.where(np.arange(LENGTH) < [[first], [first + 2]], 7 + np.arange(LENGTH), 0)
    prompt = {"token_ids": ids.astype("int32"), "padding_mask": ids > 0}
    found = []
    for jit_compile in (True, False):
        packed.compile(sampler=sampler, jit_compile=jit_compile)
        found.append(tokens(packed, prompt))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("sampler", ["beam", "contrastive"])
def test_other_samplers(llama, sampler):
    model = task("Llama")
    bcq_tf.load_weights(model, llama[0])
    packed = bcq_tf.load_model(llama[0])
    for one in (model, packed):
        one.compile(sampler=sampler, run_eagerly=True)
    np.testing.assert_array_equal(tokens(packed), tokens(model))
    assert packed_generator.reads_in_parts(packed, PROMPT) == (sampler == "beam")


@pytest.mark.parametrize("lengths", [(1, 1), (8, 8), (7, 2)])
def test_prompts_of_any_length(llama, lengths):
    ids = np.where(np.arange(LENGTH) < np.array(lengths)[:, None], 7 + np.arange(LENGTH), 0)
    prompt = {"token_ids": ids.astype("int32"), "padding_mask": ids > 0}
    model = task("Llama")
    bcq_tf.load_weights(model, llama[0])
    packed = bcq_tf.load_model(llama[0])
    expected = tokens(model, prompt, run_eagerly=True)
    np.testing.assert_array_equal(tokens(packed, prompt, run_eagerly=True), expected)


@pytest.mark.parametrize(("length", "rows"), [(1, 1), (16, 16), (72, 16), (464, 64), (1025, 144)])
def test_the_parts_grow_with_the_room(length, rows, monkeypatch):
    monkeypatch.undo()
    assert packed_generator.part_rows(length) == rows
