"""`embed compress`: word vectors to a `.bcq.npy` file of codes."""

from __future__ import annotations

import argparse

from bcq_tf import embeddings
from bcq_tf.cli.command import Command, Result
from bcq_tf.cli.embed.vectors import add_vectors, codes_of, read_vectors
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.models import check_output
from bcq_tf.embeddings.compression import METHODS, check_settings
from bcq_tf.files.file import SUFFIX

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


def _run(options: argparse.Namespace) -> Result:
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
    words, dimension = codes.shape
    float_nbytes = 4 * words * dimension
    data = {
        "path": options.out,
        "shape": codes.shape,
        "method": options.method,
        "nbytes": codes.nbytes,
        "file_nbytes": file_nbytes,
        "bits_per_weight": codes.bits_per_weight,
        "mean_distance": moved.mean,
        "relative_error": moved.relative_error,
        "float_nbytes": float_nbytes,
        "ratio": float_nbytes / codes.nbytes,
    }
    shown = [
        f"vectors         {words:,} of {dimension} numbers",
        f"codes           {options.method}, {codes.nbytes:,} bytes, "
        f"{codes.bits_per_weight:.3f} bits a weight",
        f"float32         {float_nbytes:,} bytes, {data['ratio']:.2f} times",
        f"mean distance   {moved.mean:.4f}",
        f"relative error  {moved.relative_error:.5f}, squared",
        f"Written: {options.out}, {file_nbytes:,} bytes with the words",
    ]
    return Result(data, shown)


COMMAND = Command(
    "compress",
    "word vectors to a .bcq.npy file of codes",
    "Writes word vectors as uniform, binary or compositional codes, with their words, to one file.",
    EXAMPLES,
    _add_arguments,
    _run,
)
