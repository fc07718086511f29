"""Translates with a file that `examples.translator.export` wrote: no TensorFlow, no Keras.

It needs NumPy, SentencePiece and `bcq_tf.runtime`, which `pip install bcq-runtime` brings too.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import sentencepiece

from bcq_tf import runtime

EXAMPLES = """examples:
  python -m examples.translator.translate translator.bcq.npy "Eu gosto de livros." "Sou eu."
  python -m examples.translator.translate translator.bcq.npy --beam < sentences.txt
      one translation a line, by beam search
"""
VOCABULARIES = "source.spm", "target.spm"
PAD, END = 0, 3
BATCH_TOKENS = 4096


class Translator:
    """Sentences of one language to those of another."""

    def __init__(self, path: str, function: str = "greedy", threads: int | None = None):
        loaded = runtime.load(path, threads)
        self._decode = loaded.function(function)
        self._source, self._target = (
            sentencepiece.SentencePieceProcessor(model_proto=loaded.assets[name])
            for name in VOCABULARIES
        )

    def __call__(self, sentences: list[str]) -> list[str]:
        """The translations, in the same order."""
        rows = [[*ids, END] for ids in self._source.encode(sentences)]
        translations = [""] * len(rows)
        for batch in batches([len(row) for row in rows]):
            for i, ids in zip(batch, self._decode(padded([rows[i] for i in batch])), strict=True):
                translations[i] = self._text(ids)
        return translations

    def _text(self, ids: np.ndarray) -> str:
        ends = np.flatnonzero((ids == END) | (ids == PAD))
        return self._target.decode(ids[: ends[0] if len(ends) else None].tolist())


def padded(rows: list[list[int]]) -> np.ndarray:
    """Rows of one length, int32 [rows, longest]."""
    ids = np.full((len(rows), max(map(len, rows))), PAD, np.int32)
    for line, row in zip(ids, rows, strict=True):
        line[: len(row)] = row
    return ids


def batches(lengths: list[int]):
    """Numbers of rows, longest first, in parts of about `BATCH_TOKENS` tokens."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    while order:
        size = max(1, BATCH_TOKENS // lengths[order[0]])
        yield order[:size]
        order = order[size:]


def parse_arguments(arguments=None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=form)
    parser.add_argument("file", help="a file that examples.translator.export wrote")
    parser.add_argument("sentences", nargs="*", help="sentences (lines of standard input)")
    parser.add_argument("--beam", action="store_true", help="beam search in place of greedy")
    parser.add_argument("--threads", type=int, help="of products (one for each core)")
    return parser.parse_intermixed_args(arguments)  # options may stand before the sentences


def main(arguments=None) -> None:
    options = parse_arguments(arguments)
    try:
        translator = Translator(options.file, "beam" if options.beam else "greedy", options.threads)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {error}")
    for line in translator(options.sentences or sys.stdin.read().splitlines()):
        print(line)


if __name__ == "__main__":
    main()
