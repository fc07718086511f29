"""Every name of KerasHub that is used: of layers that have no public name, and so are found by the
names of their classes; and what its tasks and configs lack."""

from __future__ import annotations

import contextlib
import functools
import inspect

from bcq_tf._keras.models import replaced_methods
from bcq_tf._keras.structure import walk_layers

_EXPERT = (0, 2)  # of a kernel [experts, in, out] of a layer that computes all experts at once
_QWEN_EXPERTS = dict.fromkeys(
    ("_expert_feedforward_gate_dense", "_expert_feedforward_output_dense"), _EXPERT
)
# {class: {attribute of a matrix: the axes that are its rows}}.
_MATRICES = {
    "PositionEmbedding": {"position_embeddings": (0,)},
    "MaskedLMHead": {"_kernel": (-1,)},
    "Gemma4MoEBlock": dict.fromkeys(("gate_proj", "up_proj", "down_proj"), _EXPERT),
    "GptOssExperts": dict.fromkeys(("gate_up_proj", "down_proj"), _EXPERT),
    "MixtralMoeExperts": _QWEN_EXPERTS | {"_expert_feedforward_intermediate_dense": _EXPERT},
    "QwenMoeExperts": _QWEN_EXPERTS,
    "Qwen3MoeExperts": _QWEN_EXPERTS,
    "Qwen3_5MoeExperts": _QWEN_EXPERTS,
}
# Biases of experts [experts, out].
EXPERT_BIASES = ("gate_up_proj_bias", "down_proj_bias")


def hub_matrices(cls: type) -> dict[str, tuple[int, ...]]:
    """{attribute: the axes that are rows} of the matrices of a class that is KerasHub's own; empty
    for its subclasses and for others."""
    return _MATRICES.get(cls.__name__, {}) if _is_hubs(cls) else {}


def is_position_embedding(layer) -> bool:
    """Whether a layer is KerasHub's table of positions, or derived from it."""
    return any(_is_hubs(cls) and cls.__name__ == "PositionEmbedding" for cls in type(layer).__mro__)


@contextlib.contextmanager
def whole_configs(model):
    """In this context the configs of KerasHub's backbones have every argument that the backbone
    keeps as an attribute: Llama's `get_config` leaves `tie_word_embeddings` out."""
    backbones = [layer for layer in walk_layers(model) if _is_backbone(layer)]
    configs = [(one, "get_config", functools.partial(_whole_config, one)) for one in backbones]
    with replaced_methods(*configs):
        yield


def special_tokens(layer) -> dict[str, str]:
    """{name: token} of a tokenizer; empty for other layers. Neither its config nor its files have
    them, so that one whose tokens are not its class's own could not load its vocabulary."""
    names = getattr(layer, "_special_token_attrs", []) if _is_hubs(type(layer)) else []
    return {name: getattr(layer, name) for name in names}


def set_special_tokens(layer, tokens: dict[str, str]) -> None:
    """Gives a tokenizer those of another one; their ids come with the vocabulary."""
    for name in layer._special_token_attrs:  # generation stops at what it finds under these names
        delattr(layer, name)
        delattr(layer, f"{name}_id")
    layer._special_token_attrs = list(tokens)
    for name, token in tokens.items():
        setattr(layer, name, token)


def is_causal_lm(cls: type) -> bool:
    """Whether a class is one of KerasHub's tasks that generate token after token."""
    return any(_is_hubs(base) and base.__name__ == "CausalLM" for base in cls.__mro__)


def reads_hidden_states(sampler) -> bool:
    """Whether a sampler may read the hidden states of the prompt: contrastive search does."""
    known = ("Sampler", "BeamSampler")
    return not any(
        _is_hubs(cls) and cls.__name__ in known and type(sampler).__call__ is cls.__call__
        for cls in type(sampler).__mro__
    )


def _whole_config(layer) -> dict:
    names = inspect.signature(type(layer).__init__).parameters
    kept = {name: vars(layer).get(name) for name in names}
    plain = {name: kept[name] for name in names if isinstance(kept[name], (bool, int, float, str))}
    return plain | type(layer).get_config(layer)


def _is_backbone(layer) -> bool:
    return any(_is_hubs(cls) and cls.__name__ == "Backbone" for cls in type(layer).__mro__)


def _is_hubs(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "keras_hub"
