"""Every name of KerasHub that is used: of layers that have no public name, and so are found by the
names of their classes."""

from __future__ import annotations

# {class: kernels [experts, in, out]} of layers that compute all experts of a mixture at once.
_EXPERTS = {
    "Gemma4MoEBlock": ("gate_proj", "up_proj", "down_proj"),
    "GptOssExperts": ("gate_up_proj", "down_proj"),
    "MixtralMoeExperts": (
        "_expert_feedforward_gate_dense",
        "_expert_feedforward_intermediate_dense",
        "_expert_feedforward_output_dense",
    ),
} | dict.fromkeys(
    ("QwenMoeExperts", "Qwen3MoeExperts", "Qwen3_5MoeExperts"),
    ("_expert_feedforward_gate_dense", "_expert_feedforward_output_dense"),
)
# Their biases [experts, out].
EXPERT_BIASES = ("gate_up_proj_bias", "down_proj_bias")
MASKED_LM_KERNEL = "_kernel"  # of a MaskedLMHead


def expert_kernels(layer) -> tuple[str, ...]:
    """Attributes of a layer of KerasHub's, or a subclass, that hold kernels [experts, in, out]."""
    for cls in type(layer).__mro__:
        if cls.__module__.partition(".")[0] == "keras_hub" and cls.__name__ in _EXPERTS:
            return _EXPERTS[cls.__name__]
    return ()
