"""`embed neighbours`: the words nearest to a word, from codes or float vectors."""

from __future__ import annotations

import argparse

from bcq_tf.cli.command import Command, Result, positive
from bcq_tf.cli.embed.vectors import check_two_words, read_either
from bcq_tf.cli.errors import blaming_input
from bcq_tf.reports.listing import listing

USUAL = 10  # words
EXAMPLES = """\
  python -m bcq_tf embed neighbours glove.bcq.npy king
      the ten words of largest cosine
  python -m bcq_tf embed neighbours glove.bcq.npy king -k 3 --json
  python -m bcq_tf embed neighbours glove.txt.gz king
      of float vectors, which take longer to read
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="word vectors: a .bcq.npy file, or any that compress reads")
    add("word", metavar="WORD", help="whose neighbours")
    add("-k", "--k", type=positive, help=f"how many ({USUAL}, or all others where they are fewer)")


def _run(options: argparse.Namespace) -> Result:
    vectors = read_either(options.file)
    check_two_words(options.file, vectors)
    k = min(USUAL, len(vectors) - 1) if options.k is None else options.k
    with blaming_input(errors=(ValueError, KeyError)):
        nearest = vectors.neighbours(options.word, k)
    data = {
        "word": options.word,
        "nearest": [{"word": word, "cosine": cosine} for word, cosine in nearest],
    }
    rows = ((word, f"{cosine:.4f}") for word, cosine in nearest)
    return Result(data, [listing(f"Nearest to '{options.word}'", "word", "cosine", rows=rows)])


COMMAND = Command(
    "neighbours",
    "the words nearest to a word",
    "Shows the words whose vectors have the largest cosine with a word's; of codes without a float "
    "table.",
    EXAMPLES,
    _add_arguments,
    _run,
)
