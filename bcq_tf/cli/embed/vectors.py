"""Word vectors of the command line: arguments that name and compress them; their reading.

Whatever is at fault in what the user gave is a `UserError`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator

from bcq_tf import embeddings
from bcq_tf.cli.command import positive
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.models import check_exists
from bcq_tf.cli.start import import_frameworks
from bcq_tf.embeddings.compression import DTYPES, TRAINERS
from bcq_tf.embeddings.vector_files.vector_file import FORMATS, ON_ERROR
from bcq_tf.files.file import SUFFIX, FileFormatError


def add_vectors(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that compresses float vectors."""
    add = parser.add_argument
    add("vectors", metavar="VECTORS", help="file of word vectors, which may be gzipped or zipped")
    add("--format", choices=FORMATS, help="of VECTORS (found by name and content)")
    add("--words", metavar="FILE", help="words of a .npy matrix, one a line (x.vocab of x.npy)")
    add("--limit", type=positive, metavar="N", help="the first N words (all)")
    add("--on-error", choices=ON_ERROR, default="raise",
        help="skip leaves wrong lines out, counts them and goes on (%(default)s)")  # fmt: skip
    add("--verbose", action="store_true", help="show the progress")
    add("--trainer", choices=TRAINERS, default="additive", help="of codebooks (%(default)s)")
    add("--epochs", type=positive, default=200, help="of the gumbel trainer (%(default)s)")
    add("--seed", type=int, default=0, help="of compositional codes (%(default)s)")
    add("--dtype", choices=DTYPES, default="float16", help="of scales, codebooks (%(default)s)")


def read_vectors(options: argparse.Namespace):
    """The `WordVectors` that the arguments name; warnings go to stderr as lines.

    Imports what compresses them, too.
    """
    check_exists(options.vectors)
    if options.words is not None:
        check_exists(options.words)
    names = "vectors", "format", "words", "limit", "verbose", "on_error"
    with blaming_input(), plain_warnings():
        vectors = embeddings.read_vectors(*(getattr(options, name) for name in names))
    if options.trainer == "gumbel":
        import_frameworks()
    return vectors


def codes_of(vectors, method: str, settings: dict, options: argparse.Namespace):
    """The codes of `WordVectors` by a method with its own settings, and the arguments' others."""
    names = "trainer", "seed", "dtype", "epochs", "verbose"
    shared = {name: getattr(options, name) for name in names}
    with blaming_input(), contextlib.redirect_stdout(sys.stderr):  # where Keras shows progress
        return embeddings.compress(vectors.matrix, method, **settings, **shared)


def read_compressed(path: str):
    """The `CompressedVectors` of a file."""
    check_exists(path)
    with blaming_input():
        return embeddings.CompressedVectors.read(path)


def read_either(path: str):
    """The `CompressedVectors` or `WordVectors` of a file, whichever it holds."""
    check_exists(path)
    with blaming_input(), plain_warnings():
        try:
            return embeddings.CompressedVectors.read(path)
        except FileFormatError:
            if path.endswith(SUFFIX):
                raise
        return embeddings.read_vectors(path)


def check_two_words(path: str, vectors) -> None:
    """Raises UserError unless a file has two vectors or more, so that each has neighbours."""
    if len(vectors) < 2:
        raise UserError(f"'{path}' must have two words at least. Received: {len(vectors)}")


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Shows UserWarnings of this context as lines on stderr, each once; others as ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        show_others, seen = warnings.showwarning, set()

        def show(message, category, *place, **more):
            if not issubclass(category, UserWarning):
                show_others(message, category, *place, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                print(f"warning: {message}", file=sys.stderr)

        warnings.showwarning = show
        yield
