"""Times the solvers: nanoseconds a weight, and the error that the time buys.

The compiled alternating solver, the same in NumPy, and 15 rounds of plain alternation from a greedy
start (NumPy, over all weights and levels). Cold: a full search. Warm: three rounds from the codes
of weights 2% away. Gaussian weights from a stated seed; medians. CPU time is that of all threads,
so it means something on a machine that does other work too; elapsed time only on a quiet one.

    python -m benchmarks.solve --large --output solve.json
"""

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from bcq_tf import native
from bcq_tf.solvers import quantize, relative_error, spans
from bcq_tf.solvers.binary.least_squares import PIVOT_FLOOR
from benchmarks.process_memory import PEAK, process_memory
from benchmarks.result_table import result_table

COLUMNS, BITS = (128, 1024, 4096), (2, 3, 4)
DRIFT = 0.02  # of the weights' spread, before a warm solve
PLAIN_ROUNDS = 15
PLAIN_ROWS = 1 << 14  # weights at a time
SECONDS, LEAST, MOST = 0.5, 1, 15  # of repeating a solve; how often at least and at most
LARGE_COLUMNS = (1024, 128)
LARGE_WEIGHTS = 100_000_000
FIELDS = ("columns", "bits", "solver", "solve", "threads", "elapsed", "cpu", "error")
HEADINGS = {"elapsed": "ns/weight", "cpu": "CPU ns/weight", "error": "rel. sq. error"}
LARGE_FIELDS = ("columns", "bits", "solve", "threads", "elapsed", "cpu", "memory")
LARGE_HEADINGS = {"elapsed": "s", "cpu": "CPU s", "memory": "MiB beyond"}


def main():
    options = parse_arguments()
    console = Console()
    results = {"seed": options.seed, "weights": options.weights, "isa": native.status().isa}
    results["solves"] = []
    for columns in options.columns:
        for bits in options.bits:
            console.print(f"{columns} columns, {bits} bits ...", highlight=False)
            results["solves"] += list(compare(columns, bits, options))
    title = f"{options.weights} Gaussian weights, seed {options.seed}, medians"
    console.print(result_table(title, FIELDS, HEADINGS, results["solves"]))
    if options.large:
        results["large"] = list(large(options, console))
        title = f"{LARGE_WEIGHTS} weights, memory beyond weights and codes, seed {options.seed}"
        console.print(result_table(title, LARGE_FIELDS, LARGE_HEADINGS, results["large"]))
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--columns", type=positive, nargs="+", default=COLUMNS, help="(%(default)s)"
    )
    parser.add_argument(
        "--bits", type=int, choices=range(1, 9), nargs="+", default=BITS, help="(%(default)s)"
    )
    parser.add_argument("--threads", type=positive, nargs="+", default=(1, 2), help="(%(default)s)")
    parser.add_argument(
        "--weights", type=positive, default=1 << 17, help="of each matrix (%(default)s)"
    )
    parser.add_argument("--large", action="store_true", help=f"also {LARGE_WEIGHTS} weights")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser.parse_args()


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {value}")
    return value


def compare(columns, bits, options):
    """Yields a result of each solver."""
    matrix = gaussian(options.weights, columns, options.seed)
    common = {"columns": columns, "bits": bits}
    for solver, mode in (("compiled", "require"), ("NumPy", "0")):
        with using(mode):
            before = drifted(matrix, options.seed)
            start = quantize(before, bits, effort="low")
            for solve, extra in (("cold", {}), ("warm", {"start": start, "effort": "warm"})):
                for threads in options.threads:
                    with on(threads):
                        times, codes = measure(lambda k=extra: quantize(matrix, bits, **k))
                    ours = {"solver": solver, "solve": solve, "threads": threads}
                    error = relative_error(matrix, codes)
                    yield common | ours | per_weight(times, matrix.size) | {"error": error}
    times, error = measure(lambda: plain_alternation(matrix, bits))
    ours = {"solver": f"{PLAIN_ROUNDS} plain rounds", "solve": "cold", "threads": 1}
    yield common | ours | per_weight(times, matrix.size) | {"error": error}


def gaussian(weights, columns, seed):
    """A float32 matrix of that many weights, roughly."""
    shape = (max(1, weights // columns), columns)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def drifted(matrix, seed):
    """What the matrix was some training steps ago."""
    rng = np.random.default_rng(seed + 1)
    return matrix + np.float32(DRIFT) * rng.standard_normal(matrix.shape, np.float32)


@contextlib.contextmanager
def using(mode):
    """BCQ_TF_NATIVE set to `mode`."""
    before = os.environ.get("BCQ_TF_NATIVE")
    os.environ["BCQ_TF_NATIVE"] = mode
    native.core.cache_clear()
    try:
        yield
    finally:
        os.environ.pop("BCQ_TF_NATIVE")
        if before is not None:
            os.environ["BCQ_TF_NATIVE"] = before
        native.core.cache_clear()


@contextlib.contextmanager
def on(threads):
    """The solvers use that many threads."""
    before = spans.cores
    spans.cores = lambda: threads
    try:
        yield
    finally:
        spans.cores = before


def measure(solve):
    """(the median elapsed and CPU seconds, what `solve` returns)."""
    elapsed, cpu = [], []
    while len(elapsed) < LEAST or (sum(elapsed) < SECONDS and len(elapsed) < MOST):
        begin = time.perf_counter(), time.process_time()
        result = solve()
        elapsed.append(time.perf_counter() - begin[0])
        cpu.append(time.process_time() - begin[1])
    return {"elapsed": statistics.median(elapsed), "cpu": statistics.median(cpu)}, result


def per_weight(times, weights):
    """Nanoseconds."""
    return {name: 1e9 * seconds / weights for name, seconds in times.items()}


def plain_alternation(matrix, bits):
    """The relative squared error after rounds of nearest levels and least squares over all weights.

    Xu et al. 2018, from greedy codes.
    """
    start = quantize(matrix, bits, solver="greedy", scale_dtype="float32")
    scales = np.concatenate(start.scales, axis=1)
    signs = 1 - 2 * (np.arange(1 << bits)[:, None] >> np.arange(bits) & 1).astype(np.float32)
    step = max(1, PLAIN_ROWS // matrix.shape[1])
    error = 0.0
    for begin in range(0, len(matrix), step):
        weights = matrix[begin : begin + step]
        found = scales[begin : begin + step]
        for _ in range(PLAIN_ROUNDS):
            codes = signs[nearest_level(weights, found, signs)]  # [n, C, bits]
            gram = np.swapaxes(codes, 1, 2) @ codes
            gram += PIVOT_FLOOR * matrix.shape[1] * np.eye(bits)  # where planes coincide
            right = np.swapaxes(codes, 1, 2) @ weights[:, :, None]
            found = np.linalg.solve(gram.astype(np.float64), right)[:, :, 0]
        made = np.take_along_axis(found @ signs.T, nearest_level(weights, found, signs), axis=1)
        error += np.sum((weights - made) ** 2)
    return float(error / np.sum(matrix.astype(np.float64) ** 2))


def nearest_level(weights, scales, signs):
    """Which row of `signs` [2^bits, bits] is nearest to each weight: [n, C]."""
    levels = scales @ signs.T
    return np.abs(weights[:, :, None] - levels[:, None, :]).argmin(axis=2)


def large(options, console):
    """Yields the results of the large solves, on all threads."""
    for columns in LARGE_COLUMNS:
        matrix = gaussian(LARGE_WEIGHTS, columns, options.seed)
        for bits in (3, 4):
            console.print(f"{LARGE_WEIGHTS} weights, {columns} columns, {bits} bits ...")
            start = quantize(drifted(matrix, options.seed), bits, effort="low")
            for solve, extra in (("cold", {}), ("warm", {"start": start, "effort": "warm"})):
                threads = max(options.threads)
                common = {"columns": columns, "bits": bits, "solve": solve, "threads": threads}
                before = reset_peak()
                with on(threads):
                    begin = time.perf_counter(), time.process_time()
                    codes = quantize(matrix, bits, **extra)
                    elapsed = time.perf_counter() - begin[0]
                    cpu = time.process_time() - begin[1]
                memory = (process_memory(PEAK) - before - codes.nbytes) / 2**20
                del codes
                yield common | {"elapsed": elapsed, "cpu": cpu, "memory": memory}


def reset_peak():
    """Begins to watch the process's memory (Linux, glibc); returns the bytes in use."""
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed would hide what is taken
    Path("/proc/self/clear_refs").write_text("5")
    return process_memory(PEAK)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        print(f"solve.py: {error}", file=sys.stderr)
        sys.exit(2)
