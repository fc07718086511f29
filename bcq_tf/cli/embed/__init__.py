"""`embed`: word vectors, by commands of its own."""

from __future__ import annotations

from bcq_tf.cli.command import Group
from bcq_tf.cli.embed import compare, compress, export, neighbours

EXAMPLES = """\
  python -m bcq_tf embed compress glove.txt glove.bcq.npy --method binary --bits 2
  python -m bcq_tf embed compare glove.txt --limit 20000 --wordsim FOLDER --picture glove.png
  python -m bcq_tf embed export glove.bcq.npy vectors.txt
  python -m bcq_tf embed neighbours glove.bcq.npy king
"""

COMMAND = Group(
    "embed",
    "compress word vectors, and see what it costs",
    "Word vectors: GloVe text, word2vec text and binary, fastText text (all gzipped too), or a "
    ".npy matrix with a file of words.",
    EXAMPLES,
    (
        compress.COMMAND,
        compare.COMMAND,
        export.COMMAND,
        neighbours.COMMAND,
    ),
)
