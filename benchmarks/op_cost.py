"""What a product costs as a TensorFlow op beside the C function that the op calls.

In a graph an op follows the one before it, a hundred times, with a multiplication by a number in
between, which is measured by itself and taken off. One row of x, one thread.

    python -m benchmarks.op_cost
"""

import argparse

import numpy as np
from rich.console import Console

from benchmarks.result_table import result_table
from benchmarks.runtime import function_of, take_turns, weight_of

SIZES = 128, 512, 1024
BITS = 3
CHAIN = 100  # ops in a graph
FIELDS = "size", "op", "function", "less"
HEADINGS = {"op": "op, us", "function": "C function, us", "less": "op less that, us"}


def main():
    options = parse_arguments()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    lines = [line_of(size, options.turns) for size in SIZES]
    title = f"{BITS} bits, batch 1, one thread"
    Console(width=100).print(result_table(title, FIELDS, HEADINGS, lines))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=60, help="of each (%(default)s)")
    return parser.parse_args()


def line_of(size, turns):
    """The microseconds of a product with a random matrix, both ways."""
    import tensorflow as tf

    import bcq_tf
    from bcq_tf.ops import TiledCodes, bcq_matmul

    rng = np.random.default_rng(0)
    codes = bcq_tf.quantize(rng.normal(size=(size, size)), bits=BITS, effort="low")
    tiled = TiledCodes.from_codes(codes)
    x = rng.normal(size=(1, size)).astype(np.float32)
    given = tf.constant(x)
    product = chain(tf, lambda y: bcq_matmul(y, tiled), given)
    plain = chain(tf, lambda y: y, given)
    call = function_of(weight_of(codes), x)
    times = take_turns(
        {
            "product": lambda: product(given),
            "plain": lambda: plain(given),
            "call": lambda: [call() for _ in range(CHAIN)],
        },
        turns,
    )
    op, function = (times["product"] - times["plain"]) / CHAIN, times["call"] / CHAIN
    return {"size": size, "op": op, "function": function, "less": op - function}


def chain(tf, step, given):
    """A graph of `CHAIN` steps, each of what the one before gave, times a small number."""

    def chained(x):
        for _ in range(CHAIN):
            x = step(x) * 1e-3
        return x

    return tf.function(chained, autograph=False).get_concrete_function(given)


if __name__ == "__main__":
    main()
