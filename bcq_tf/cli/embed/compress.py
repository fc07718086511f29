"""`embed compress`: word vectors to a `.bcq.npy` file of codes."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from contextlib import redirect_stdout

from bcq_tf.cli.command import Command
from bcq_tf.cli.embed.word_tables import add_vectors, read_vectors
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.frameworks import import_frameworks
from bcq_tf.cli.models import check_output
from bcq_tf.cli.parser import positive
from bcq_tf.embeddings.compression import DTYPES, METHODS, TRAINERS, check_settings
from bcq_tf.files.file import SUFFIX
from bcq_tf.reports.tables import as_text

EXAMPLES = """\
  python -m bcq_tf embed compress glove.txt glove.bcq.npy --method uniform --bits 2
      two bits a value, one clipping limit for all
  python -m bcq_tf embed compress glove.txt glove.bcq.npy --method binary --bits 2
      two sign patterns a row with scales of its own
  python -m bcq_tf embed compress glove.6B.300d.txt glove.bcq.npy --limit 50000 \\
      --method compositional --M 32 --K 16 --dtype float32
      each vector as a sum of one of 16 from each of 32 codebooks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add = parser.add_argument
    add_vectors(parser)
    add("out", metavar="OUT", help=f"file to write, ending with {SUFFIX}")
    add("--method", choices=METHODS, required=True, help="how vectors are written")
    add("--bits", type=int, help="of uniform and binary codes, 1 to 8")
    add("--M", type=int, help="codebooks of compositional codes")
    add("--K", type=int, help="vectors of a codebook")
    add("--trainer", choices=TRAINERS, default="additive", help="of codebooks (%(default)s)")
    add("--epochs", type=positive, default=200, help="of the gumbel trainer (%(default)s)")
    add("--seed", type=int, default=0, help="of compositional codes (%(default)s)")
    add("--dtype", choices=DTYPES, default="float16", help="of scales, codebooks (%(default)s)")


def run(options: argparse.Namespace) -> Compressed:
    """See `Command`."""
    check_output(options.out, (SUFFIX,), [options.vectors, options.words])
    settings = {name: getattr(options, name) for name in ("bits", "M", "K", "trainer")}
    with blaming_input():  # before the vectors are read, which takes a while
        check_settings(options.method, **settings, seed=options.seed, epochs=options.epochs)
    vectors = read_vectors(options)
    if options.trainer == "gumbel":
        import_frameworks()
    from bcq_tf.embeddings import CompressedVectors, compress, distance

    with blaming_input(), redirect_stdout(sys.stderr):  # where Keras shows progress
        codes = compress(
            vectors.matrix,
            options.method,
            **settings,
            seed=options.seed,
            dtype=options.dtype,
            epochs=options.epochs,
            verbose=options.verbose,
        )
        CompressedVectors(vectors.words, codes).save(options.out)
    moved = distance(vectors, codes)
    return Compressed(
        options.out,
        codes.shape,
        options.method,
        codes.nbytes,
        os.path.getsize(options.out),
        codes.bits_per_weight,
        moved.mean,
        moved.relative_error,
    )


@dataclasses.dataclass(frozen=True)
class Compressed:
    """What was written.

    Args:
        path: of the file.
        shape: words and dimension.
        method: of the codes.
        nbytes: of the codes.
        file_nbytes: with the words.
        bits_per_weight: of the codes.
        mean_distance, relative_error: see `Distance`.
    """

    path: str
    shape: tuple[int, int]
    method: str
    nbytes: int
    file_nbytes: int
    bits_per_weight: float
    mean_distance: float
    relative_error: float

    def to_dict(self) -> dict:
        """See `Result`."""
        float_nbytes = 4 * self.shape[0] * self.shape[1]
        return dataclasses.asdict(self) | {
            "shape": list(self.shape),
            "float_nbytes": float_nbytes,
            "ratio": float_nbytes / self.nbytes,
        }

    def __str__(self) -> str:
        words, dimension = self.shape
        float_nbytes = 4 * words * dimension
        lines = (
            f"vectors         {words:,} of {dimension} numbers",
            f"codes           {self.method}, {self.nbytes:,} bytes, "
            f"{self.bits_per_weight:.3f} bits a weight",
            f"float32         {float_nbytes:,} bytes, {float_nbytes / self.nbytes:.2f} times",
            f"mean distance   {self.mean_distance:.4f}",
            f"relative error  {self.relative_error:.5f}, squared",
            f"Written: {self.path}, {self.file_nbytes:,} bytes with the words",
        )
        return as_text("\n".join(lines))


COMMAND = Command(
    "compress",
    "word vectors to a .bcq.npy file of codes",
    "Writes word vectors as uniform, binary or compositional codes, with their words, to one file.",
    EXAMPLES,
    add_arguments,
    run,
)
