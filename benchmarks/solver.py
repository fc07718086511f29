"""Times the solvers: nanoseconds a weight, and the error that the time buys.

Gaussian weights from a stated seed. CPU time is that of all threads of the process, so it means
something on a machine that does other work too; elapsed time only means something on a quiet one.

    python -m benchmarks.solver --small
"""

import argparse
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from bcq_tf.solvers import quantize, relative_error

# The matrices [R, C] of hparams/small.json: 10.1 million weights.
SMALL = [
    ((7765, 128), 1),  # source embedding
    ((7010, 128), 2),  # target embedding, output
    ((1024, 128), 36),  # query, key, value of 12 attentions
    ((128, 1024), 12),  # their outputs
    ((512, 128), 8),  # feed-forward
    ((128, 512), 8),
]
EFFORTS = ("full", "low", "warm")


def main():
    options = parse_arguments()
    table = Table(title=f"seed {options.seed}, best of {options.repeat}")
    for column in ("weights", "bits", "effort", "CPU ns/weight", "elapsed ns/weight", "error"):
        table.add_column(column, justify="right")
    console = Console()
    for name, matrices in workloads(options):
        for bits in options.bits:
            for effort in options.effort:
                console.print(f"{name}, {bits} bits, {effort} ...", highlight=False)
                table.add_row(name, str(bits), effort, *measure(matrices, bits, effort, options))
    console.print(table)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--columns", type=positive, nargs="*", default=[128, 1024, 4096], help="(%(default)s)"
    )
    parser.add_argument(
        "--weights", type=positive, default=1 << 19, help="of each length (%(default)s)"
    )
    parser.add_argument(
        "--small", action="store_true", help="also all matrices of hparams/small.json"
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4], help="(%(default)s)")
    parser.add_argument("--effort", nargs="+", choices=EFFORTS, default=EFFORTS)
    parser.add_argument("--offset", action="store_true")
    parser.add_argument("--repeat", type=positive, default=3, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    return parser.parse_args()


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {value}")
    return value


def workloads(options):
    """Yields (name, [(matrix, how often), ...])."""
    rng = np.random.default_rng(options.seed)
    for columns in options.columns:
        shape = (max(1, options.weights // columns), columns)
        yield f"{shape[0]} x {shape[1]}", [(rng.standard_normal(shape, np.float32), 1)]
    if options.small:
        matrices = [(rng.standard_normal(shape, np.float32), count) for shape, count in SMALL]
        yield "small.json", matrices


def measure(matrices, bits, effort, options):
    """Cells of a row: CPU and elapsed time in ns a weight, the relative squared error."""
    cpu = elapsed = weights = 0.0
    errors = []
    for matrix, count in matrices:
        arguments = {"bits": bits, "offset": options.offset, "effort": effort}
        if effort == "warm":
            drift = np.random.default_rng(options.seed + 1).standard_normal(matrix.shape)
            arguments["start"] = quantize(matrix - 0.02 * drift, bits, offset=options.offset)
        times = []
        for _ in range(options.repeat):
            begin = time.process_time(), time.perf_counter()
            codes = quantize(matrix, **arguments)
            times.append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
        cpu += count * min(t[0] for t in times)
        elapsed += count * min(t[1] for t in times)
        weights += count * matrix.size
        errors.append(relative_error(matrix, codes) * count * matrix.size)
    return [f"{1e9 * t / weights:.1f}" for t in (cpu, elapsed)] + [f"{sum(errors) / weights:.5f}"]


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        print(f"solver.py: {error}", file=sys.stderr)
        sys.exit(2)
