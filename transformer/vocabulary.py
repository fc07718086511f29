"""Subword vocabularies: one SentencePiece byte-pair model per language."""

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import sentencepiece
import tensorflow as tf
import tensorflow_text

from transformer.errors import UserError

# One rule: U+2581 becomes a space, which it would become in decoding anyway. Otherwise identity;
# with no rule at all, SentencePiece prints a notice each time a vocabulary is opened.
NORMALIZATION = Path(__file__).parent / "data" / "normalization.tsv"
PAD, UNKNOWN, START, END = 0, 1, 2, 3


class Vocabulary:
    """Turns sentences of one language into token ids and back.

    Every sentence comes back exactly as it went in: text is not normalized, and a character that
    training did not show becomes its UTF-8 bytes. The one exception is U+2581, SentencePiece's own
    mark for a space, which comes back as a space.

    size: number of token ids, 0 (padding) to size - 1. model_bytes: the SentencePiece model.
    """

    def __init__(self, model_bytes):
        self.model_bytes = model_bytes
        self.size = int(self._tokenizer().vocab_size())

    def _tokenizer(self):
        # Made anew for each call, which costs milliseconds: setting TensorFlow's random seed
        # clears its kernel cache, and with it the resource that an existing tokenizer points to.
        return tensorflow_text.SentencepieceTokenizer(self.model_bytes)

    @classmethod
    def train(cls, sentences, size):
        """Learns at most `size` tokens from `sentences`; takes about a second.

        Raises UserError where `size` has no room for the 256 bytes and the characters of the text.
        """
        buffer = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=buffer,
                model_type="bpe",
                vocab_size=size,
                hard_vocab_limit=False,
                normalization_rule_tsv=str(NORMALIZATION),
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                byte_fallback=True,
                character_coverage=1.0,
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=START,
                eos_id=END,
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"cannot learn a vocabulary of {size} tokens: {reason}") from None
        return cls(buffer.getvalue())

    @classmethod
    def load(cls, path):
        """Reads a vocabulary that `save` wrote."""
        try:
            with open(path, "rb") as file:
                return cls(file.read())
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"cannot read vocabulary file {path}: {reason}") from None

    def save(self, path):
        """Writes the SentencePiece model file."""
        temporary = f"{path}.tmp"
        with open(temporary, "wb") as file:
            file.write(self.model_bytes)
        os.replace(temporary, path)

    def encode(self, sentences):
        """Token ids of a batch of sentences: strings [N] -> int32 ragged [N, tokens]."""
        return self._tokenizer().tokenize(sentences)

    def decode(self, ids):
        """Sentences of padded rows of token ids; a row ends at END or at the first padding.

        Args:
            ids: int32 array [N, T].

        Returns:
            A list of N strings.
        """
        ids = np.asarray(ids)
        text = np.cumprod((ids != PAD) & (ids != END), axis=1)
        rows = tf.RaggedTensor.from_row_lengths(ids[text == 1], text.sum(axis=1), validate=False)
        return [text.decode("utf-8") for text in self._tokenizer().detokenize(rows).numpy()]


FILES = ("source.spm", "target.spm")


@dataclasses.dataclass(frozen=True)
class Vocabularies:
    """The vocabularies of the two languages of a model."""

    source: Vocabulary
    target: Vocabulary

    @classmethod
    def train(cls, pairs, hparams):
        """Learns both from the training `Pairs`."""
        return cls(
            Vocabulary.train(pairs.source, hparams.source_vocabulary_size),
            Vocabulary.train(pairs.target, hparams.target_vocabulary_size),
        )

    @classmethod
    def load(cls, folder):
        """Reads both from a folder that `save` wrote to."""
        return cls(*(Vocabulary.load(Path(folder) / name) for name in FILES))

    def save(self, folder):
        """Writes source.spm and target.spm."""
        for vocabulary, name in zip((self.source, self.target), FILES, strict=True):
            vocabulary.save(Path(folder) / name)
