"""`embed compress`: word vectors to a `.bcq.npy` file of codes."""

from __future__ import annotations

import argparse
import dataclasses

from bcq_tf import embeddings
from bcq_tf.cli.command import Command, Result
from bcq_tf.cli.embed.vectors import add_vectors, codes_of, read_vectors
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.models import check_output
from bcq_tf.embeddings.compression import METHODS, check_settings
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


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_vectors(parser)
    add("out", metavar="OUT", help=f"file to write, ending with {SUFFIX}")
    add("--method", choices=METHODS, required=True, help="how vectors are written")
    add("--bits", type=int, help="of uniform and binary codes, 1 to 8")
    add("--M", type=int, help="codebooks of compositional codes")
    add("--K", type=int, help="vectors of a codebook")


def _run(options: argparse.Namespace) -> Compressed:
    check_output(options.out, (SUFFIX,), [options.vectors, options.words])
    settings = {name: getattr(options, name) for name in ("bits", "M", "K")}
    shared = {name: getattr(options, name) for name in ("trainer", "seed", "epochs")}
    with blaming_input():  # before the vectors are read, which takes a while
        check_settings(options.method, **settings, **shared)
    vectors = read_vectors(options)
    codes = codes_of(vectors, options.method, settings, options)
    with blaming_input():
        file_nbytes = embeddings.CompressedVectors(vectors.words, codes).save(options.out)
    moved = embeddings.distance(vectors, codes)
    return Compressed(
        path=options.out,
        shape=codes.shape,
        method=options.method,
        nbytes=codes.nbytes,
        file_nbytes=file_nbytes,
        bits_per_weight=codes.bits_per_weight,
        mean_distance=moved.mean,
        relative_error=moved.relative_error,
    )


@dataclasses.dataclass(frozen=True)
class Compressed(Result):
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

    @property
    def float_nbytes(self) -> int:
        """Bytes of the vectors as float32."""
        return 4 * self.shape[0] * self.shape[1]

    @property
    def ratio(self) -> float:
        """How many times as large float32 is."""
        return self.float_nbytes / self.nbytes

    def to_dict(self) -> dict:
        return super().to_dict() | {"float_nbytes": self.float_nbytes, "ratio": self.ratio}

    def __str__(self) -> str:
        words, dimension = self.shape
        lines = (
            f"vectors         {words:,} of {dimension} numbers",
            f"codes           {self.method}, {self.nbytes:,} bytes, "
            f"{self.bits_per_weight:.3f} bits a weight",
            f"float32         {self.float_nbytes:,} bytes, {self.ratio:.2f} times",
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
    _add_arguments,
    _run,
)
