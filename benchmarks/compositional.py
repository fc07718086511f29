"""Compositional codes of word vectors: what each trainer reaches at equal bytes, and how soon.

`additive_codes`, which uses no gradients, with some numbers of rounds, and `EmbeddingCompressor`,
the Gumbel-softmax autoencoder of Shu & Nakayama 2018, whose rate of learning falls along a cosine.
The distance is the mean Euclidean distance of a vector from its reconstruction, the error the mean
squared distance. Seconds are elapsed and those of all cores.

    python -m benchmarks.compositional glove.6B.50d.txt --output compositional.json

The figure that Shu & Nakayama give, 4.8896 at M=32 and K=16, is for the first 50,000 vectors of
GloVe 6B 300d, an epoch being 782 steps of 64 rows:

    python -m benchmarks.compositional glove.6B.300d.txt --rows 50000 --M 32
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from rich.console import Console

from bcq_tf.embeddings import EmbeddingCompressor, additive_codes, distance, read_vectors
from benchmarks.result_table import result_table

FIELDS = ("M", "K", "trainer", "rounds", "bytes", "distance", "error", "seconds", "cpu")
HEADINGS = {"rounds": "rounds, epochs", "error": "mean sq. error", "cpu": "CPU seconds"}


def main():
    options = parse_arguments()
    console = Console()
    results = []
    for path in options.vectors:
        matrix = read_vectors(path).matrix[: options.rows]
        title = f"{path.name}, {len(matrix)} x {matrix.shape[1]}"
        found = []
        for M in options.M:
            for K in options.K:
                console.print(f"{title}, M={M}, K={K} ...", highlight=False)
                found += [{"M": M, "K": K} | one for one in compare(matrix, M, K, options)]
        console.print(result_table(title, FIELDS, HEADINGS, found))
        results += [{"vectors": title} | one for one in found]
    if options.output:
        facts = {name: getattr(options, name) for name in ("seed", "temperature", "learning_rate")}
        options.output.write_text(json.dumps(facts | {"results": results}, indent=1) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("vectors", type=Path, nargs="+", help="files of word vectors")
    parser.add_argument("--rows", type=int, help="the first rows of each only")
    parser.add_argument("--M", type=int, nargs="+", default=(8, 16, 32), help="(%(default)s)")
    parser.add_argument("--K", type=int, nargs="+", default=(16,), help="(%(default)s)")
    parser.add_argument("--rounds", type=int, nargs="+", default=(5, 10, 25), help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=200, help="0 for none (%(default)s)")
    parser.add_argument("--batch", type=int, default=64, help="(%(default)s)")
    parser.add_argument("--temperature", type=float, default=0.5, help="(%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=0.01, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser.parse_args()


def compare(matrix, M, K, options):
    """Yields a result of each trainer."""
    for rounds in options.rounds:
        begin = now()
        codes = additive_codes(matrix, M, K, options.seed, rounds)
        yield result("additive", rounds, matrix, codes, since(begin))
    if options.epochs:
        begin = now()
        codes = by_gradients(matrix, M, K, options)
        yield result("gradients", options.epochs, matrix, codes, since(begin))


def by_gradients(matrix, M, K, options):
    steps = options.epochs * -(-len(matrix) // options.batch)
    with tempfile.TemporaryDirectory() as folder:
        compressor = EmbeddingCompressor(
            M,
            K,
            Path(folder) / "best",
            temperature=options.temperature,
            learning_rate=keras.optimizers.schedules.CosineDecay(options.learning_rate, steps),
            batch_size=options.batch,
            epochs=options.epochs,
            seed=options.seed,
        )
        compressor.train(matrix, verbose=0)
        return compressor.codes(matrix)


def result(trainer, rounds, matrix, codes, spent):
    far = distance(matrix, codes)
    energy = float((matrix.astype("float64") ** 2).sum()) / len(matrix)
    measured = {"distance": far.mean, "error": far.relative_error * energy}
    return {"trainer": trainer, "rounds": rounds, "bytes": codes.nbytes} | measured | spent


def now():
    return time.perf_counter(), time.process_time()


def since(begin):
    seconds, cpu = (after - before for after, before in zip(now(), begin, strict=True))
    return {"seconds": seconds, "cpu": cpu}


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        print(f"compositional.py: {error}", file=sys.stderr)
        sys.exit(2)
