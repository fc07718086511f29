"""`embed compare`: what word vectors lose with each method, at each size."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time

from bcq_tf import embeddings
from bcq_tf.cli.command import Command, Result, positive, positives
from bcq_tf.cli.embed.picture import draw
from bcq_tf.cli.embed.vectors import add_vectors, check_two_words, codes_of, read_vectors
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.models import check_exists
from bcq_tf.cli.pictures import check_picture
from bcq_tf.codes.packing import bytes_per_row
from bcq_tf.embeddings import Quality
from bcq_tf.embeddings.compression import METHODS, check_settings, most_codebooks
from bcq_tf.reports.listing import listing

EXAMPLES = """\
  python -m bcq_tf embed compare glove.txt --limit 20000
      uniform, binary and compositional codes of 1, 2 and 4 bits a value; the last of all 400,000
      words would take days
  python -m bcq_tf embed compare glove.txt.gz --limit 50000 --wordsim FOLDER \\
      --analogies questions-words.txt --picture glove.png
      with scores of word similarity and analogies, and a picture of size against score
  python -m bcq_tf embed compare glove.6B.300d.txt --limit 50000 --methods compositional \\
      --M 32 --K 16 --dtype float32
      compositional codes of this size
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_vectors(parser)
    add("--methods", type=methods, default=METHODS, help=f"({','.join(METHODS)})")
    add("--bits", type=positives, default="1,2,4", help="of a value (%(default)s)")
    add("--M", type=positives, help="codebooks of compositional codes (as many as take the bytes "
        "of uniform codes)")  # fmt: skip
    add("--K", type=positive, default=16, help="vectors of a codebook (%(default)s)")
    add("--wordsim", metavar="PATH", help="folder of word similarity sets (.txt), or one set")
    add("--analogies", metavar="FILE", help="analogy questions, as questions-words.txt has them")
    add("--picture", metavar="FILE.png", help="draw size against score")


def _run(options: argparse.Namespace) -> Result:
    _check(options)
    vectors = read_vectors(options)
    check_two_words(options.vectors, vectors)
    lines, skipped = [Line("float", "32 bits", _quality(options, vectors, vectors), 0.0)], []
    for method, label, settings in _plan(options, vectors.shape):
        if settings.get("M") == 0:
            skipped.append(f"{method}, {label}: not one codebook of {options.K} is as small")
            continue
        begin = time.perf_counter()
        codes = codes_of(vectors, method, settings, options)
        seconds = time.perf_counter() - begin
        lines.append(Line(method, label, _quality(options, vectors, codes), seconds))
    if options.picture:
        with blaming_input():
            draw(lines, options.picture)
    data = {
        "path": options.vectors,
        "shape": vectors.shape,
        "lines": [line.to_dict() for line in lines],
        "skipped": skipped,
        "picture": options.picture,
    }
    return Result(data, [_listed(data, lines), *_notes(data, lines[0].quality)])


@dataclasses.dataclass(frozen=True)
class Line:
    """A table of codes beside the float one."""

    method: str  # "float" or one of `METHODS`
    setting: str  # its size in words
    quality: Quality
    seconds: float  # that finding the codes took

    def to_dict(self) -> dict:
        """JSON-able data."""
        said = {"method": self.method, "setting": self.setting, "seconds": self.seconds}
        return said | self.quality.to_dict()

    def cells(self) -> tuple[str, ...]:
        """Of its row among the others."""
        q = self.quality
        return (
            self.method,
            self.setting,
            f"{q.nbytes:,}",
            f"{q.bits_per_weight:.3f}",
            f"{q.mean_distance:.4f}",
            f"{q.relative_error:.5f}",
            f"{q.eigenspace_overlap:.4f}",
            f"{q.neighbour_overlap:.3f}",
            *([] if q.similarity is None else [f"{q.mean_similarity:.3f}"]),
            *([] if q.analogies is None else [f"{q.analogies.score:.3f}"]),
            f"{self.seconds:.1f}",
        )


COMMAND = Command(
    "compare",
    "what word vectors lose with each method",
    "Compresses word vectors by several methods at several sizes, and shows for each the bytes, "
    "the mean Euclidean distance, the relative squared error, the eigenspace overlap score, how "
    "many of the ten nearest neighbours stay, and scores of tests.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def methods(text: str) -> tuple[str, ...]:
    """The type of `--methods`."""
    chosen = tuple(text.split(","))
    for method in chosen:
        if method not in METHODS:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(METHODS)}. Received: {method}")
    return chosen


def _check(options: argparse.Namespace) -> None:
    shared = {name: getattr(options, name) for name in ("trainer", "seed", "epochs")}
    with blaming_input():
        for bits in options.bits:
            check_settings("uniform", bits=bits, **shared)
        for M in options.M or [1]:
            check_settings("compositional", M=M, K=options.K, **shared)
    if options.wordsim is not None and not os.path.isdir(options.wordsim):
        check_exists(options.wordsim)
    if options.analogies is not None:
        check_exists(options.analogies)
    if options.picture is not None:
        read = [options.vectors, options.words, options.wordsim, options.analogies]
        check_picture(options.picture, read, "--picture")


def _plan(options: argparse.Namespace, shape: tuple[int, int]):
    # (method, what it is called, arguments of `compress`) of each line.
    for method in options.methods:
        if method != "compositional":
            for bits in options.bits:
                yield method, _in_words(bits), {"bits": bits}
            continue
        for M in options.M or []:
            yield method, f"M={M} K={options.K}", {"M": M, "K": options.K}
        for bits in [] if options.M else options.bits:
            nbytes = shape[0] * bytes_per_row(shape[1], bits)
            M = most_codebooks(nbytes, shape, options.K, options.dtype)
            label = f"M={M} K={options.K}" if M else _in_words(bits)
            yield method, label, {"M": M, "K": options.K}


def _in_words(bits: int) -> str:
    return f"{bits} bits" if bits > 1 else "1 bit"


def _quality(options: argparse.Namespace, vectors, table) -> Quality:
    # What a table, codes or the vectors themselves, keeps of the vectors.
    if table is not vectors:
        table = embeddings.CompressedVectors(vectors.words, table)
    with blaming_input():
        return embeddings.measure_quality(vectors, table, options.wordsim, options.analogies)


def _listed(data: dict, lines: list[Line]):
    (words, dimension), first = data["shape"], lines[0].quality
    columns = ["method", "size", "bytes", "bits/weight", "distance", "relative error", "EOS",
               "neighbours"]  # fmt: skip
    columns += ["similarity"] * (first.similarity is not None)
    columns += ["analogies"] * (first.analogies is not None)
    title = f"{data['path']}: {words:,} words of {dimension} numbers"
    return listing(title, *columns, "seconds", rows=(line.cells() for line in lines))


def _notes(data: dict, first: Quality) -> list[str]:
    notes = [f"Left out: {text}" for text in data["skipped"]]
    if first.similarity is not None:
        covered = [f"{s.name} {s.covered} of {s.pairs}" for s in first.similarity]
        notes.append(f"Pairs covered: {', '.join(covered)}")
    if first.analogies is not None:
        asked = first.analogies
        notes.append(f"Analogies covered: {asked.covered:,} of {asked.questions:,}")
    if data["picture"]:
        notes.append(f"Written: {data['picture']}")
    return notes
