"""Times look-ups of embeddings from codes against keras.layers.Embedding.

    python -m benchmarks.lookup

Every layer looks up the same ids in a `tf.function`; the layers take turns, so that a busy moment
hits them alike. Times are medians in microseconds, in brackets how many times that of the float
table. Tables and ids are random (seed 0).
"""

import argparse
import json
import os
import statistics
import time

import numpy as np
from rich.console import Console
from rich.table import Table

TABLES = ((20_000, 50), (50_000, 300))
BATCHES = ((1, 1), (64, 40), (512, 20))
UNIFORM_BITS = (1, 2, 3, 4, 8)
BINARY_BITS = (1, 2, 3)
COUNT, ENTRIES = 16, 16  # codebooks and their vectors
DIFFERENT = 16  # batches of ids
SEED = 0


def main():
    options = parse_arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    lines = [line for shape in TABLES for line in lines_of(*shape, options.turns)]
    if options.json:
        print(json.dumps(lines, indent=1))
    else:
        Console(width=160).print(make_table(lines))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def lines_of(rows, columns, turns):
    """A line for each shape of ids: the microseconds of each layer."""
    import tensorflow as tf

    rng = np.random.default_rng(SEED)
    functions = {name: tf.function(layer) for name, layer in make_layers(rows, columns, rng)}
    for shape in BATCHES:
        ids = [tf.constant(rng.integers(0, rows, shape), tf.int32) for _ in range(DIFFERENT)]
        yield {"table": [rows, columns], "ids": shape, "times": timed(functions, ids, turns)}


def make_layers(rows, columns, rng):
    """(name, layer) of one random table in every form."""
    import keras

    import bcq_tf
    from bcq_tf import layers
    from bcq_tf.embeddings import quantize_uniform

    matrix = rng.normal(size=(rows, columns)).astype(np.float32)
    yield "float", keras.layers.Embedding(rows, columns, weights=[matrix])
    for bits in UNIFORM_BITS:
        codes = quantize_uniform(matrix, bits)
        yield f"uniform {bits}", layers.UniformEmbedding.from_codes(codes)
    for bits in BINARY_BITS:
        codes = bcq_tf.quantize(matrix, bits, effort="low")
        yield f"binary {bits}", layers.BCQEmbedding.from_codes(codes)
    indexes = rng.integers(0, ENTRIES, (rows, COUNT))
    codebooks = rng.normal(size=(COUNT, ENTRIES, columns)).astype(np.float32)
    codes = bcq_tf.CompositionalCodes.of(indexes, codebooks)
    yield f"compositional {COUNT} x {ENTRIES}", layers.CompositionalEmbedding.from_codes(codes)


def timed(functions, ids, turns):
    """Median microseconds of each function; they take turns."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function(ids[0])
    for turn in range(turns):
        for name, function in functions.items():
            start = time.perf_counter()
            function(ids[turn % DIFFERENT]).numpy()
            times[name].append(1e6 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def make_table(lines):
    """A row for each table and shape of ids."""
    names = list(lines[0]["times"])
    table = Table("table", "ids", *names, title="Look-ups, microseconds (times the float table's)")
    for line in lines:
        times = line["times"]
        cells = [f"{times[name]:,.0f} ({times[name] / times['float']:.2f})" for name in names[1:]]
        table.add_row(
            "{:,} x {}".format(*line["table"]),
            "{} x {}".format(*line["ids"]),
            f"{times['float']:,.0f}",
            *cells,
        )
    return table


if __name__ == "__main__":
    main()
