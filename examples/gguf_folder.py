"""A Llama in a GGUF file as a folder in Hugging Face's form, which KerasHub reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file

CONTROL = 3  # the type of tokens such as <|im_end|>
_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def write(gguf: Path, folder: Path) -> None:
    """Writes config, weights as float32 and tokenizer of a GGUF file into a folder."""
    reader = GGUFReader(gguf)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "tokenizer.json", _tokenizer(fields))
    tokens = fields["tokenizer.ggml.tokens"]
    ends = {
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
    }
    _write_json(folder / "tokenizer_config.json", ends)
    config = _config(fields)
    save_file(dict(_weights(reader, config)), folder / "model.safetensors")
    _write_json(folder / "config.json", config)  # the last: with it the folder is whole


def _config(fields: dict) -> dict:
    return {
        "model_type": "llama",
        "vocab_size": fields["llama.vocab_size"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": fields["llama.rope.freq_base"],
        "tie_word_embeddings": True,
    }


def _tokenizer(fields: dict) -> dict:
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    special = [
        {"id": i, "content": token}
        for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind == CONTROL
    ]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = fields["tokenizer.ggml.merges"]
    return {"model": {"vocab": vocabulary, "merges": merges}, "added_tokens": special}


def _weights(reader: GGUFReader, config: dict):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        value = dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32)
        name = tensor.name.removesuffix(".weight")
        if name.startswith("blk."):
            _, layer, part = name.split(".")
            value = _halves_apart(value, heads[part]) if part in heads else value
            yield f"model.layers.{layer}.{_LAYER[part]}.weight", value
        elif name in ("token_embd", "output_norm"):
            yield {"token_embd": "model.embed_tokens.weight"}.get(name, "model.norm.weight"), value


def _halves_apart(value: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a head as rotary embeddings of Hugging Face's models take them.

    llama.cpp has the pairs that are rotated side by side.
    """
    rows, columns = value.shape
    pairs = value.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value), "utf-8")
