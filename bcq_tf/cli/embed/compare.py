"""`embed compare`: what word vectors lose with each method, at each size."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from contextlib import redirect_stdout

from bcq_tf.cli.command import Command
from bcq_tf.cli.embed.word_tables import add_vectors, check_two_words, read_vectors
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.frameworks import import_frameworks
from bcq_tf.cli.models import check_exists, check_output
from bcq_tf.cli.parser import positive, positives
from bcq_tf.embeddings.compression import DTYPES, METHODS, TRAINERS, check_settings
from bcq_tf.embeddings.evaluation.quality import Quality
from bcq_tf.reports.tables import as_text, table

PICTURES = (".png", ".svg", ".pdf")
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add = parser.add_argument
    add_vectors(parser)
    add("--methods", type=methods, default=METHODS, help=f"({','.join(METHODS)})")
    add("--bits", type=positives, default="1,2,4", help="of a value (%(default)s)")
    add("--M", type=positives, help="codebooks of compositional codes (as many as take the bytes "
        "of uniform codes)")  # fmt: skip
    add("--K", type=positive, default=16, help="vectors of a codebook (%(default)s)")
    add("--trainer", choices=TRAINERS, default="additive", help="of codebooks (%(default)s)")
    add("--epochs", type=positive, default=200, help="of the gumbel trainer (%(default)s)")
    add("--seed", type=int, default=0, help="of compositional codes (%(default)s)")
    add("--dtype", choices=DTYPES, default="float16", help="of scales, codebooks (%(default)s)")
    add("--wordsim", metavar="PATH", help="folder of word similarity sets (.txt), or one set")
    add("--analogies", metavar="FILE", help="analogy questions, as questions-words.txt has them")
    add("--picture", metavar="FILE.png", help="draw size against score")


def run(options: argparse.Namespace) -> Comparison:
    """See `Command`."""
    _check(options)
    vectors = read_vectors(options)
    check_two_words(options.vectors, vectors)
    if options.trainer == "gumbel":
        import_frameworks()
    from bcq_tf.embeddings.evaluation.quality import measure_quality

    tests = {"wordsim": options.wordsim, "analogies": options.analogies}
    with blaming_input(), redirect_stdout(sys.stderr):  # where Keras shows progress
        lines = [Line("float", "32 bits", measure_quality(vectors, vectors, **tests), 0.0)]
        skipped = []
        for method, label, settings in _plan(options, vectors.shape):
            if settings.get("M") == 0:
                skipped.append(f"{method}, {label}: not one codebook of {options.K} is as small")
                continue
            lines.append(_measure(options, vectors, method, label, settings, tests))
    result = Comparison(options.vectors, vectors.shape, lines, skipped, options.picture)
    if options.picture:
        from bcq_tf.cli.embed.picture import draw

        with blaming_input():
            draw(result, options.picture)
    return result


@dataclasses.dataclass(frozen=True)
class Line:
    """A table of codes beside the float one.

    Args:
        method: "float" or one of `METHODS`.
        setting: its size in words.
        quality: what it keeps.
        seconds: that finding the codes took.
    """

    method: str
    setting: str
    quality: Quality
    seconds: float

    def to_dict(self) -> dict:
        """JSON-able data."""
        said = {"method": self.method, "setting": self.setting, "seconds": self.seconds}
        return said | self.quality.to_dict()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `embed compare` measured.

    Args:
        path: of the vectors.
        shape: words and dimension.
        lines: the float table, then one for each method and size.
        skipped: what was not possible, and why.
        picture: path of the picture that was drawn, or None.
    """

    path: str
    shape: tuple[int, int]
    lines: list[Line]
    skipped: list[str]
    picture: str | None

    def to_dict(self) -> dict:
        """See `Result`."""
        return {
            "path": self.path,
            "shape": list(self.shape),
            "lines": [line.to_dict() for line in self.lines],
            "skipped": self.skipped,
            "picture": self.picture,
        }

    def __str__(self) -> str:
        return as_text(_table(self)) + as_text("\n".join(self._notes()))

    def _notes(self) -> list[str]:
        notes = [f"Left out: {text}" for text in self.skipped]
        first = self.lines[0].quality
        if first.similarity is not None:
            covered = [f"{s.name} {s.covered} of {s.pairs}" for s in first.similarity]
            notes.append(f"Pairs covered: {', '.join(covered)}")
        if first.analogies is not None:
            asked = first.analogies
            notes.append(f"Analogies covered: {asked.covered:,} of {asked.questions:,}")
        if self.picture:
            notes.append(f"Written: {self.picture}")
        return notes


COMMAND = Command(
    "compare",
    "what word vectors lose with each method",
    "Compresses word vectors by several methods at several sizes, and shows for each the bytes, "
    "the mean Euclidean distance, the relative squared error, the eigenspace overlap score, how "
    "many of the ten nearest neighbours stay, and scores of tests.",
    EXAMPLES,
    add_arguments,
    run,
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
        check_output(options.picture, PICTURES, read, name="--picture")
        _check_matplotlib()


def _check_matplotlib() -> None:
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("`--picture` needs matplotlib: pip install matplotlib")


def _plan(options: argparse.Namespace, shape: tuple[int, int]):
    # (method, what it is called, arguments of `compress`) of each line.
    from bcq_tf.codes.packing import bytes_per_row
    from bcq_tf.embeddings.compression import most_codebooks

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


def _measure(options, vectors, method: str, label: str, settings: dict, tests: dict) -> Line:
    from bcq_tf.embeddings import CompressedVectors, compress
    from bcq_tf.embeddings.evaluation.quality import measure_quality

    begin = time.perf_counter()
    codes = compress(
        vectors.matrix,
        method,
        **settings,
        trainer=options.trainer,
        seed=options.seed,
        dtype=options.dtype,
        epochs=options.epochs,
        verbose=options.verbose,
    )
    seconds = time.perf_counter() - begin
    quality = measure_quality(vectors, CompressedVectors(vectors.words, codes), **tests)
    return Line(method, label, quality, seconds)


def _table(result: Comparison):
    first = result.lines[0].quality
    columns = ["method", "size", "bytes", "bits/weight", "distance", "relative error", "EOS",
               "neighbours"]  # fmt: skip
    columns += ["similarity"] * (first.similarity is not None)
    columns += ["analogies"] * (first.analogies is not None)
    words, dimension = result.shape
    made = table(f"{result.path}: {words:,} words of {dimension} numbers", *columns, "seconds")
    for line in result.lines:
        made.add_row(line.method, line.setting, *_cells(line.quality), f"{line.seconds:.1f}")
    return made


def _cells(quality: Quality) -> list[str]:
    cells = [
        f"{quality.nbytes:,}",
        f"{quality.bits_per_weight:.3f}",
        f"{quality.mean_distance:.4f}",
        f"{quality.relative_error:.5f}",
        f"{quality.eigenspace_overlap:.4f}",
        f"{quality.neighbour_overlap:.3f}",
    ]
    if quality.similarity is not None:
        cells.append(f"{quality.mean_similarity:.3f}")
    if quality.analogies is not None:
        cells.append(f"{quality.analogies.score:.3f}")
    return cells
