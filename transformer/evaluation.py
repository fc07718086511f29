"""Translating sentences, and scoring the translations of a whole test set."""

import dataclasses
import time

import numpy as np
import sacrebleu
import tensorflow as tf

from transformer.beam_search import beam_search
from transformer.decoding import greedy_decode
from transformer.errors import UserError
from transformer.vocabulary import END, PAD

BATCH_TOKENS = 4096
MOST_BEAMS = 64  # twice as many are searched among the tokens, of which there are 260 and more


class Translator:
    """Translates sentences in batches of similar length.

    The compiled loop reads the model's weights at each call, so new weights are seen. Make a new
    Translator after a layer of the model was replaced.
    """

    def __init__(self, model, vocabularies, beam_size=1, jit_compile=False):
        """Nothing is compiled before the first sentences come.

        Args:
            beam_size: 1 decodes greedily, more by beam search.
            jit_compile: compile the loop with XLA, for each of a few batch sizes and lengths:
                seconds each time, then every sentence is faster. For a process that goes on
                translating sentences as they come.
        """
        check_beam_size(beam_size)
        self.vocabularies, self._jit_compile = vocabularies, jit_compile

        def decode(source):
            if beam_size == 1:
                return greedy_decode(model, source, jit_compile)
            return beam_search(model, source, beam_size, jit_compile=jit_compile)

        signature = [tf.TensorSpec([None, None], tf.int32)]
        self._decode = tf.function(decode, input_signature=signature)

    def __call__(self, sentences):
        """Translates a list of sentences; returns their translations in the same order."""
        if not sentences:
            return []
        rows = self.vocabularies.source.encode(sentences)
        lengths = rows.row_lengths().numpy() + 1
        source = tf.concat([rows, tf.fill([len(sentences), 1], END)], axis=1).to_tensor(PAD).numpy()
        translations = [""] * len(sentences)
        for batch in length_batches(lengths):
            ids = self._translate(source[batch, : lengths[batch].max()])
            for index, text in zip(batch, self.vocabularies.target.decode(ids), strict=True):
                translations[index] = text
        return translations

    def _translate(self, source):
        """Token ids [B, S] -> token ids [B, T] of the translations."""
        padded = pad_rows(source) if self._jit_compile else source
        return self._decode(padded).numpy()[: len(source)]


def check_beam_size(beam_size):
    """Raises UserError unless it is from 1 to `MOST_BEAMS`."""
    if not isinstance(beam_size, int) or not 1 <= beam_size <= MOST_BEAMS:
        raise UserError(
            f"`beam_size` must be an integer from 1 to {MOST_BEAMS}. Received: {beam_size=}"
        )


def pad_rows(source):
    """Adds rows of padding to token ids [B, S], up to a power of two.

    There are few such batches, so that XLA compiles few programs. The rows cost their share of
    each step.
    """
    rows = 1 << (len(source) - 1).bit_length()
    return np.pad(source, [(0, rows - len(source)), (0, 0)], constant_values=PAD)


def length_batches(lengths):
    """Cuts the indices of `lengths`, longest first, into batches of about BATCH_TOKENS tokens."""
    batches = []
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        size = max(1, BATCH_TOKENS // int(lengths[order[0]]))
        batches.append(order[:size])
        order = order[size:]
    return batches


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How well and how fast a test set was translated.

    bleu: sacreBLEU score, 0 to 100. signature: sacreBLEU's, which makes the score comparable.
    """

    bleu: float
    signature: str
    sentences_per_second: float
    translations: list[str]

    def __str__(self):
        return (
            f"BLEU {self.bleu:.2f} ({self.signature}), {self.sentences_per_second:.0f} sentences/s"
        )


def evaluate(model, vocabularies, pairs, beam_size=1):
    """Translates all source sentences of `Pairs` and scores them against the targets."""
    translator = Translator(model, vocabularies, beam_size)
    translator(pairs.source[:1])  # Tracing takes seconds that are not translation.
    start = time.perf_counter()
    translations = translator(pairs.source)
    seconds = time.perf_counter() - start
    metric = sacrebleu.BLEU()
    score = metric.corpus_score(translations, [pairs.target]).score
    return Evaluation(score, str(metric.get_signature()), len(pairs) / seconds, translations)
