"""Mixtures of experts in KerasHub: rows of the matrices are outputs of single experts, columns what
the layer sums over. Each layer is computed anew, expert by expert, from the matrices alone."""

import importlib

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.selection.layer_views import NoView, view_weights
from tests.selection.viewed_layers import built, matrices, random

pytest.importorskip("keras_hub")
EXPERTS, HIDDEN, INSIDE, TOKENS = 3, 8, 5, 4


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return np.asarray(keras.activations.gelu(x, approximate=True))


def gated(activation, gate, up, down):
    """The textbook expert: down(activation(gate(x)) * up(x)), y = x W^T each."""
    return lambda x: (activation(x @ gate.T) * (x @ up.T)) @ down.T


def halves(kernel, down):
    """The expert whose gate and up projection are the two halves of one kernel."""
    return gated(silu, kernel[:INSIDE], kernel[INSIDE:], down)


def gpt_oss(kernel, down):
    """Outputs of the first product take turns as gate and up; limits are not reached here."""

    def expert(x):
        gate, up = x @ kernel[::2].T, x @ kernel[1::2].T
        return ((up + 1) * gate / (1 + np.exp(-1.702 * gate))) @ down.T

    return expert


CASES = {
    "mixtral.mixtral_decoder.MixtralMoeExperts": lambda *m: gated(silu, *m),
    "gemma4.gemma4_moe.Gemma4MoEBlock": lambda *m: gated(gelu, *m),
    "qwen_moe.qwen_moe_decoder.QwenMoeExperts": halves,
    "qwen3_moe.qwen3_moe_decoder.Qwen3MoeExperts": halves,
    "qwen3_5_moe.qwen3_5_moe_decoder.Qwen3_5MoeExperts": halves,
    "gpt_oss.gpt_oss_decoder.GptOssExperts": gpt_oss,
}


def layer_class(place: str) -> type:
    module, _, name = f"keras_hub.src.models.{place}".rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("place", CASES, ids=lambda place: place.rpartition(".")[2])
def test_experts_are_computed_from_their_rows(place):
    layer = built(layer_class(place)(EXPERTS, HIDDEN, INSIDE), None, HIDDEN)
    for variable in layer.weights:
        if len(variable.shape) < 3:  # biases, and a scale of each expert
            variable.assign(np.full(variable.shape, "scale" in variable.name, "f"))
    x = 0.1 * random(TOKENS, HIDDEN)
    kernels = [m.reshape(EXPERTS, -1, m.shape[1]) for m in matrices(layer).values()]
    expected = np.stack([CASES[place](*(k[e] for k in kernels))(x) for e in range(EXPERTS)])
    if "Gemma4" in place:  # which adds experts up, by the weights that its router gives them
        shares = np.random.default_rng(2).random((TOKENS, EXPERTS)).astype("f")
        y, expected = layer(x, shares), np.einsum("te,eth->th", shares, expected)
    else:
        y = layer(x)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    left = {w.reason for w in view_weights(layer) if isinstance(w, NoView)}
    assert left <= {"bias", "rank 1"}


def test_a_class_of_the_same_name_elsewhere_is_not_taken_for_it():
    class MixtralMoeExperts(keras.layers.Layer):
        def build(self, _):
            self._expert_feedforward_gate_dense = self.add_weight(shape=(2, 32, 32))

    (view,) = view_weights(built(MixtralMoeExperts(), None, 32))
    assert view == NoView("layer type MixtralMoeExperts is not known", axes_help=True)


def test_the_head_of_a_masked_language_model():
    import keras_hub

    layer = keras_hub.layers.MaskedLMHead(vocabulary_size=40)
    layer(random(2, 6, HIDDEN), np.array([[1, 2], [0, 3]]))
    assert matrices(layer)["output_kernel"].shape == (40, HIDDEN)


def test_a_mixture_goes_to_a_file_and_back(tmp_path):
    """Mixtral, whose every matrix is quantized; experts compute from floats of the codes' value."""
    import keras_hub

    sizes = {"vocabulary_size": 40, "num_layers": 1, "num_query_heads": 2, "hidden_dim": 32,
             "intermediate_dim": 32, "num_key_value_heads": 1, "num_experts": 3, "top_k": 2,
             "sliding_window": 8}  # fmt: skip
    model = keras_hub.models.MixtralBackbone(**sizes)
    report = bcq_tf.quantize_model(model, bits=3, filepath=tmp_path / "model.bcq.npy")
    assert {line.reason for line in report.skipped} == {"rank 1"}
    ids = np.random.default_rng(0).integers(0, 40, (2, 6))
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    loaded = bcq_tf.load_model(tmp_path / "model.bcq.npy")
    np.testing.assert_allclose(loaded(inputs), model(inputs), rtol=1e-4, atol=1e-5)
