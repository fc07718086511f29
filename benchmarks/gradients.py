"""Times the gradients of products from codes, with each instruction set that this processor has,
beside those of a float product.

A process of its own for each set. Microseconds and, in brackets, how many times as fast as
`tf.matmul` of the same shapes: for the gradient by x with the float matrix, for that by the scales
the gradient by a float matrix, which training it would take. Medians, both in turns, one thread.

    python -m benchmarks.gradients
"""

import argparse
import os

import numpy as np
from rich.console import Console

from benchmarks.apart import run_apart
from benchmarks.result_table import result_table

SHAPES = (512, 512), (1024, 1024), (2048, 512)
BATCHES = 32, 256
BITS, GROUP = 3, 128
FIELDS = "set", "matrix", "batch", "dx", "dscales"
HEADINGS = {"dx": "by x, us", "dscales": "by the scales, us"}


def main():
    options = parse_arguments()
    from bcq_tf import native

    sets = options.sets or native.isas_of(native.core())
    lines = [line for isa in sets for line in run_apart(lines_of, isa, options.turns)]
    title = f"{BITS} bits in groups of {GROUP}, one thread"
    Console(width=100).print(result_table(title, FIELDS, HEADINGS, lines))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", help="instruction sets (all that are compiled)")
    parser.add_argument("--turns", type=int, default=15, help="of each (%(default)s)")
    return parser.parse_args()


def lines_of(isa, turns):
    """The lines of one instruction set; none where the processor does not have it."""
    os.environ["BCQ_TF_ISA"] = isa
    import tensorflow as tf

    from bcq_tf import native

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if native.isa_of(native.core()) != isa:
        return []
    return [line_of(isa, *shape, batch, turns) for shape in SHAPES for batch in BATCHES]


def line_of(isa, rows, columns, batch, turns):
    """The times of one matrix [rows, columns]."""
    import tensorflow as tf

    import bcq_tf
    from bcq_tf.ops import TiledCodes, compiled
    from benchmarks.runtime import take_turns

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(rows, columns)).astype(np.float32)
    codes = bcq_tf.quantize(weights, bits=BITS, group_size=GROUP, effort="low")
    tiled, w = TiledCodes.from_codes(codes), tf.constant(weights)
    x, dy = (tf.constant(rng.normal(size=(batch, n)), tf.float32) for n in (columns, rows))
    times = take_turns(
        {
            "dx": lambda: compiled.product_transposed(dy, tiled),
            "float dx": lambda: tf.matmul(dy, w),
            "dscales": lambda: compiled.product_scale_gradient(x, dy, tiled),
            "float dscales": lambda: tf.matmul(dy, x, transpose_a=True),
        },
        turns,
    )
    shown = {
        n: f"{times[n]:,.0f} ({times[f'float {n}'] / times[n]:.2f})" for n in ("dx", "dscales")
    }
    return {"set": isa, "matrix": f"{rows} x {columns}", "batch": batch, **shown}


if __name__ == "__main__":
    main()
