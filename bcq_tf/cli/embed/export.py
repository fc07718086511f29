"""`embed export`: compressed word vectors in the formats of other programs."""

from __future__ import annotations

import argparse
import os

from bcq_tf.cli.command import Command, Result
from bcq_tf.cli.embed.vectors import read_compressed
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.models import check_output
from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings.compositional.code_files import code_paths, write_codes
from bcq_tf.embeddings.vector_files.vector_file import FORMATS, output_paths, write_vectors
from bcq_tf.files.file import SUFFIX

CODES = ("codes", "word-codes")
EXAMPLES = """\
  python -m bcq_tf embed export glove.bcq.npy vectors.txt
      dequantized, as GloVe text; .txt.gz, .bin and .npy as well
  python -m bcq_tf embed export glove.bcq.npy vectors.vec
      with the header that word2vec and fastText write
  python -m bcq_tf embed export glove.bcq.npy glove --format codes
      compositional codes, as glove.codes and glove.codebook.npy
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="a .bcq.npy file of word vectors")
    add("out", metavar="OUT", help="file to write; with codes, what both files begin with")
    add(
        "--format",
        choices=(*FORMATS, *CODES),
        help="of OUT; word-codes has the word in each line (found by name)",
    )


def _run(options: argparse.Namespace) -> Result:
    _check_outputs(options)
    vectors = read_compressed(options.file)
    with blaming_input():
        if options.format in CODES:
            paths = _write_codes(options, vectors)
        else:
            paths = write_vectors(options.out, vectors, options.format)
    sizes = [os.path.getsize(path) for path in paths]
    shown = [f"Written: {path}, {n:,} bytes" for path, n in zip(paths, sizes, strict=True)]
    return Result({"paths": paths, "nbytes": sizes}, shown)


COMMAND = Command(
    "export",
    "compressed word vectors to formats of other programs",
    "Writes the vectors dequantized, part by part, or compositional codes as text with codebooks.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _check_outputs(options: argparse.Namespace) -> None:
    if not os.path.basename(options.out):
        raise UserError(f"`OUT` must end with the name of a file. Received: '{options.out}'")
    with blaming_input():
        is_codes = options.format in CODES
        paths = code_paths(options.out) if is_codes else output_paths(options.out, options.format)
    for path in paths:
        check_output(path, ("",), [options.file])
        if path.endswith(SUFFIX):
            raise UserError(f"`OUT` must not end with {SUFFIX}, as codes do. Received: {path}")


def _write_codes(options: argparse.Namespace, vectors) -> tuple[str, ...]:
    if not isinstance(vectors.codes, CompositionalCodes):
        raise UserError(
            f"`--format {options.format}` must be of compositional codes. "
            f"Received: '{options.file}' of {type(vectors.codes).__name__}"
        )
    words = vectors.words if options.format == "word-codes" else None
    return write_codes(options.out, vectors.codes, words)
