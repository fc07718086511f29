"""Measures what embedding tables take: arithmetic, file, variables, memory of a process.

Random tables are compressed in every way (seconds), written to `.bcq.npy`, and loaded as layers in
processes of their own. "process" is by how much the anonymous resident memory of such a process
grows while it loads the layer and looks a row up; what the library and TensorFlow take in any case
is there before, by the same steps with a table of a hundred rows.

    python -m benchmarks.memory
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.process_memory import OWN, process_memory
from benchmarks.result_table import result_table

SEED = 0
METHODS = {
    "float": {},
    "uniform, 1 bit": {"bits": 1},
    "uniform, 2 bits": {"bits": 2},
    "uniform, 4 bits": {"bits": 4},
    "binary, 2 bits": {"bits": 2},
    "compositional, 32 of 16": {},
}
SMALL_ROWS = 100
WORKER = "--load"


def main():
    if sys.argv[1:2] == [WORKER]:
        print(json.dumps(load(*sys.argv[2:])))
        return
    options = parse_arguments()
    results = [measure(name, options) for name in options.method]
    title = f"{options.rows:,} x {options.columns}: MB, and seconds to compress"
    Console(width=120).print(result_table(title, list(results[0]), {}, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", type=int, default=400_000, help="(%(default)s)")
    add("--columns", type=int, default=300, help="(%(default)s)")
    add("--method", nargs="+", default=list(METHODS), choices=METHODS, help="(all)")
    return parser.parse_args()


def measure(name, options):
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.bcq.npy"), Path(folder, "large.bcq.npy")
        write(small, name, SMALL_ROWS, options.columns)
        nbytes, seconds = write(large, name, options.rows, options.columns)
        command = [sys.executable, "-m", "benchmarks.memory", WORKER, name, str(small), str(large)]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        length = large.stat().st_size
    loaded = json.loads(done.stdout.splitlines()[-1])
    sizes = {"arithmetic": nbytes, "file": length} | loaded
    ratio = {"process / arithmetic": loaded["process"] / nbytes, "seconds": seconds}
    return {"table": name} | {key: size / 1e6 for key, size in sizes.items()} | ratio


def write(path, name, rows, columns):
    """Writes a table; returns its bytes and the seconds that compressing it took."""
    import bcq_tf

    matrix = np.random.default_rng(SEED).standard_normal((rows, columns), np.float32)
    before = time.perf_counter()
    tensor = compress(matrix, name)
    seconds = time.perf_counter() - before
    bcq_tf.save(path, {"embeddings": tensor})
    return tensor.nbytes, seconds


def compress(matrix, name):
    """The codes of a matrix, or itself."""
    import bcq_tf
    from bcq_tf.embeddings import quantize_uniform

    if name == "float":
        return matrix
    if name.startswith("uniform"):
        return quantize_uniform(matrix, **METHODS[name])
    if name.startswith("binary"):
        return bcq_tf.quantize(matrix, **METHODS[name])
    # Codes of no use: how they are found does not matter to what they take.
    rng = np.random.default_rng(SEED)
    codebooks = rng.standard_normal((32, 16, matrix.shape[1]), np.float32)
    return bcq_tf.CompositionalCodes.of(rng.integers(0, 16, (len(matrix), 32)), codebooks)


def load(name, small, large):
    """In a process of its own: {"variables", "process"}, bytes."""
    import bcq_tf

    kept = [look_up(name, bcq_tf.read(small)["embeddings"])]
    before = process_memory(OWN)
    kept.append(look_up(name, bcq_tf.read(large)["embeddings"]))
    grown = process_memory(OWN) - before
    return {"variables": sum(v.numpy().nbytes for v in kept[1].variables), "process": grown}


def look_up(name, tensor):
    """The layer of a table, after a look-up."""
    import keras

    from bcq_tf import layers

    if name == "float":
        layer = keras.layers.Embedding(*tensor.shape)
        layer.build()
        layer.embeddings.assign(tensor)
    elif name.startswith("compositional"):
        layer = layers.CompositionalEmbedding.from_codes(tensor)
    else:
        layer = layers.QuantEmbedding.from_codes(tensor)
    layer(np.array([1]))
    return layer


if __name__ == "__main__":
    main()
