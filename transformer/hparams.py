"""Hyperparameters: one frozen value, read from a JSON file in which every key must be present."""

import dataclasses
import json
from pathlib import Path

from transformer.errors import UserError

DECAYS = ("noam", "cosine")


@dataclasses.dataclass(frozen=True)
class Hparams:
    """Shape and training recipe of one translation model.

    num_layers: encoder layers, and as many decoder layers.
    d_model: width of the residual stream. dff: width of the feed-forward layers.
    num_heads, key_dim: attention heads and the width of each (they need not multiply to d_model).
    dropout_rate: applied to embeddings, to each sublayer's output and inside the feed-forward.
    tie_embeddings: the logits use the target embedding (no bias) instead of a Dense layer.
    source_vocabulary_size, target_vocabulary_size: upper bounds; byte-pair encoding may find less.
    label_smoothing: share of the target probability spread over the vocabulary.
    batch_tokens: tokens in a batch, padding included, on the longer side of its pairs.
    max_tokens: longest training sequence; longer pairs are dropped.
    epochs: passes over the training pairs.
    warmup_steps: steps of linear warm-up; the peak learning rate is (d_model * warmup_steps)^-1/2.
    decay: how it falls from there: "noam" as step^-1/2 (Vaswani et al. 2017), "cosine" to 0 at the
        last step, which is sooner at its best and cannot be trained longer afterwards.
    """

    num_layers: int
    d_model: int
    dff: int
    num_heads: int
    key_dim: int
    dropout_rate: float
    tie_embeddings: bool
    source_vocabulary_size: int
    target_vocabulary_size: int
    label_smoothing: float
    batch_tokens: int
    max_tokens: int
    epochs: int
    warmup_steps: int
    decay: str

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check(field.name, field.type, getattr(self, field.name))
        if self.d_model % 2:
            raise UserError(f"`d_model` must be even. Received: d_model={self.d_model}")
        if self.batch_tokens < self.max_tokens:
            raise UserError(
                "`batch_tokens` must be at least `max_tokens`. "
                f"Received: batch_tokens={self.batch_tokens}, max_tokens={self.max_tokens}"
            )

    def to_dict(self):
        """The values as a plain dictionary, in the order of the fields."""
        return dataclasses.asdict(self)


def _check(name, kind, value):
    """Raises UserError unless `value` suits a field of type `kind`."""
    if kind is bool:
        valid, rule = isinstance(value, bool), "true or false"
    elif kind is int:
        valid = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        rule = "a positive integer"
    elif kind is str:
        valid, rule = value in DECAYS, " or ".join(f'"{decay}"' for decay in DECAYS)
    else:
        valid = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1
        rule = "a number from 0 to below 1"
    if not valid:
        raise UserError(f"`{name}` must be {rule}. Received: {name}={value!r}")


def from_dict(values, source="hparams"):
    """Makes Hparams from a dictionary; `source` names its origin in errors."""
    if not isinstance(values, dict):
        raise UserError(f"{source} must hold one JSON object. Received: {type(values).__name__}")
    names = [field.name for field in dataclasses.fields(Hparams)]
    unknown = sorted(set(values) - set(names))
    missing = [name for name in names if name not in values]
    if unknown:
        raise UserError(f"{source} has unknown keys: {', '.join(unknown)}")
    if missing:
        raise UserError(f"{source} lacks the keys: {', '.join(missing)}")
    try:
        return Hparams(**values)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def load(path):
    """Reads Hparams from the JSON file `path`; UserError where it is missing or wrong."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read hparams file {path}: {error}") from None
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"hparams file {path} is not JSON: {error}") from None
    return from_dict(values, source=str(path))
