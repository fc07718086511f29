"""Models that take turns, so that a busy moment of the machine hits all alike."""

import statistics
import time
from pathlib import Path

import tensorflow as tf

FLOAT = "float"
VARIANTS = (FLOAT, "exact", "fast")
# {how a model runs: Keras' and TensorFlow's `jit_compile`}.
FORMS = {"plain": False, "XLA": True}


def add_turns(add):
    """Adds the options of turns. add: a parser's `add_argument`."""
    add("--threads", type=int, nargs="+", default=[1, 2], help="(%(default)s)")
    add("--rounds", type=int, default=5, help="turns that each takes (%(default)s)")
    add("--json", type=Path, help="file for all figures")
    add(
        "--processor-time",
        action="store_true",
        help="count the process's own time: for one thread on a busy machine",
    )


def use_threads(threads):
    """Gives TensorFlow's ops so many threads; before the first of them runs."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def take_turns(rivals, options):
    """{name: (seconds of the first call, median of the later ones)}.

    rivals: {name: a function that returns when its work is done}; the first call compiles it.
    """
    clock = time.process_time if options.processor_time else time.perf_counter
    seconds = {name: [] for name in rivals}
    for _ in range(options.rounds + 1):
        for name, function in rivals.items():
            begin = clock()
            function()
            seconds[name].append(clock() - begin)
    return {name: (first, statistics.median(rest)) for name, (first, *rest) in seconds.items()}
