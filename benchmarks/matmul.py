"""Times products of binary codes against TensorFlow's float32 and onnxruntime's 2 and 4 bits.

Each of them computes a chain of products in one call: with one matrix, which stays in the cache
(if it fits), or "cold" with copies of it that are together twice as large as the last-level cache
(nothing is said where hundreds would be needed). Our products and TensorFlow's are ops of one
`tf.function`; onnxruntime keeps a copy of the matrix for each product, so in the cache it gets one
product a call. All of them take turns, so that a busy moment hits them alike; figures are medians.
Each number of threads has its own process.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.matmul --quick
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.packing import pack
from bcq_tf.ops import TiledCodes, bcq_matmul
from benchmarks.apart import run_apart
from benchmarks.onnx_matmul import OnnxProducts

SHAPES = [(512, 512), (1024, 1024), (4096, 1024), (4096, 4096), (1000, 777)]  # columns, rows
BATCHES = [1, 8, 32, 128]
PLACES = ("cached", "cold")
MOST_COPIES = 320
TURN_SECONDS = 0.01

FLOAT = "TF float32"
ONNX = {  # bits, activations
    "ORT 4 float": (4, "float"),
    "ORT 4 int8": (4, "int8"),
    "ORT 2 float": (2, "float"),
    "ORT 2 int8": (2, "int8"),
}
OURS = {f"{way} {bits}": (way, bits) for way in ("exact", "fast") for bits in (1, 2, 3, 4)}
BITS = (
    {FLOAT: 32}
    | {name: bits for name, (bits, _) in ONNX.items()}
    | {name: bits for name, (_, bits) in OURS.items()}
)
ALL = list(BITS)


def main():
    options = parse_arguments()
    results = []
    for threads in options.threads:
        results += run_apart(measure_all, options, threads)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "matmul.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    draw(results, options.output / "matmul.png")
    console = Console(width=180)
    for threads in options.threads:
        for place in PLACES:
            console.print(make_table(results, threads, place))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--shapes", type=shape, nargs="+", default=SHAPES, help="COLUMNSxROWS ... (five of them)")
    add("--batch", type=int, nargs="+", default=BATCHES, help="(%(default)s)")
    add("--threads", type=int, nargs="+", default=[1, 2], help="(%(default)s)")
    add("--rounds", type=int, default=5, help="turns that each takes (%(default)s)")
    add("--cache", type=int, default=32, help="MiB of the last-level cache (%(default)s)")
    add("--quick", action="store_true", help="two shapes, batch 1 and 32, one thread, three rounds")
    add("--output", type=Path, default=Path("runs/matmul"), help="folder (%(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.shapes, options.batch = [(1024, 1024), (4096, 4096)], [1, 32]
        options.threads, options.rounds = [1], 3
    return options


def shape(text):
    columns, rows = text.split("x")
    return int(columns), int(rows)


def measure_all(options, threads):
    """[{"columns": ..., "rows": ..., "microseconds": {name: of one product}}, ...]."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # It would merge equal products and leave out those whose results nobody reads.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    results = []
    for columns, rows in options.shapes:
        for place in PLACES:
            rivals = make_rivals(columns, rows, threads, options.cache if place == "cold" else 0)
            for batch in options.batch:
                case = {"columns": columns, "rows": rows, "batch": batch}
                print(f"{threads} threads, {place}: {case}", file=sys.stderr, flush=True)
                x = np.random.default_rng(batch).standard_normal((batch, columns), np.float32)
                times = take_turns(rivals, x, options.rounds, warm=place == "cached")
                results.append(case | {"threads": threads, "place": place, "microseconds": times})
    return results


def make_rivals(columns, rows, threads, cache):
    """{name: what has bind(x), run(), and `products`, the number of them in a run}.

    cache: MiB that the copies of the matrix must exceed twice; 0: one copy.
    """
    rivals = {}
    for name in ALL:
        nbytes = columns * rows * BITS[name] // 8
        copies = max(1, -(-2 * (cache << 20) // nbytes))
        if copies <= MOST_COPIES:
            rivals[name] = make_rival(name, columns, rows, copies, threads)
    return rivals


def make_rival(name, columns, rows, copies, threads):
    if name in ONNX:
        return OnnxProducts(columns, rows, *ONNX[name], copies, threads)
    if name == FLOAT:
        return TensorFlowProducts(columns, rows, float_products(columns, rows, copies))
    return TensorFlowProducts(columns, rows, code_products(columns, rows, *OURS[name], copies))


class TensorFlowProducts:
    """Products in one `tf.function`, one after the other.

    Args:
        functions: of a tensor x [batch, columns], one for each matrix.
    """

    def __init__(self, columns, rows, functions):
        self._columns, self._rows, self._functions = columns, rows, functions

    def bind(self, x):
        """Makes x float32 [batch, columns] the input of `run`."""
        functions = self._functions
        # So many that a call's own time, tens of microseconds, is little beside theirs.
        chain = min(max((1 << 28) // (self._columns * self._rows * len(x)), 2), 64)
        self.products = len(functions) if len(functions) > 1 else chain

        @tf.function(input_signature=[tf.TensorSpec(x.shape)])
        def run(x):
            y = None
            for i in range(self.products):
                with tf.control_dependencies([] if y is None else [y]):
                    y = functions[i % len(functions)](x)
            return y

        self._run = run.get_concrete_function()
        self._x = tf.constant(x)

    def run(self):
        """All products."""
        self._run(self._x)


def float_products(columns, rows, copies):
    matrix = np.random.default_rng(0).standard_normal((columns, rows), np.float32)
    weights = [tf.constant(matrix.copy()) for _ in range(copies)]
    return [lambda x, w=w: tf.matmul(x, w) for w in weights]


def code_products(columns, rows, precision, bits, copies):
    rng = np.random.default_rng(0)
    codes = BinaryCodes(
        planes=[pack(rng.random((rows, columns), np.float32) < 0.5) for _ in range(bits)],
        scales=[rng.uniform(0.1, 1, (rows, 1)).astype(np.float16) for _ in range(bits)],
        columns=columns,
    )
    first = TiledCodes.from_codes(codes)
    tiles = first.tiles.numpy()
    all_codes = [first] + [
        TiledCodes(tf.constant(tiles.copy()), first.scales, first.layout) for _ in range(copies - 1)
    ]
    return [lambda x, c=c: bcq_matmul(x, c, precision) for c in all_codes]


def take_turns(rivals, x, rounds, warm):
    """{name: median microseconds of one product}."""
    times = {name: [] for name in rivals}
    for rival in rivals.values():
        rival.bind(x)
        rival.run()
    for _ in range(rounds):
        for name, rival in rivals.items():
            times[name] += turn(rival, warm)
            if name in ONNX:
                time.sleep(0.02)  # its threads spin for a while after their work
    return {name: statistics.median(t) for name, t in times.items()}


def turn(rival, warm):
    """Microseconds of one product, from each of some runs; if `warm`, after an uncounted one."""
    if warm:
        rival.run()
    times = []
    while not times or (warm and sum(times) * rival.products < 1e6 * TURN_SECONDS):
        begin = time.perf_counter()
        rival.run()
        times.append(1e6 * (time.perf_counter() - begin) / rival.products)
    return times


def make_table(results, threads, place):
    """A table with a row for each case: microseconds of float32, and how many times faster."""
    table = Table(title=f"times as fast as {FLOAT}; threads: {threads}, weights {place}")
    for column in ("columns x rows", "batch", f"{FLOAT} µs", *ONNX, *OURS):
        table.add_column(column, justify="right")
    for result in results:
        if (result["threads"], result["place"]) != (threads, place):
            continue
        times = result["microseconds"]
        ratios = [f"{times[FLOAT] / times[n]:.2f}" if n in times else "-" for n in ALL[1:]]
        size = f"{result['columns']} x {result['rows']}"
        table.add_row(size, str(result["batch"]), f"{times[FLOAT]:.1f}", *ratios)
    return table


def draw(results, path):
    """A picture: a panel for each batch, bars for each shape; one thread count, in the cache."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    threads = results[0]["threads"]
    chosen = [r for r in results if (r["threads"], r["place"]) == (threads, "cached")]
    batches = sorted({r["batch"] for r in chosen})
    figure, panels = plt.subplots(
        len(batches), figsize=(11, 2.6 * len(batches)), squeeze=False, constrained_layout=True
    )
    for batch, panel in zip(batches, panels[:, 0], strict=True):
        cases = [r for r in chosen if r["batch"] == batch]
        for i, name in enumerate(ALL[1:]):
            speeds = [c["microseconds"][FLOAT] / c["microseconds"][name] for c in cases]
            colour = plt.get_cmap("tab20c")(i if name in ONNX else i + 4)
            panel.bar(
                np.arange(len(cases)) + (i - 5.5) / 14, speeds, 1 / 14, label=name, color=colour
            )
        panel.set_xticks(range(len(cases)), [f"{c['columns']} x {c['rows']}" for c in cases])
        panel.set(yscale="log", ylabel="times as fast", title=f"batch {batch}")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("")
        panel.axhline(1, color="black", linewidth=0.8)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    figure.suptitle(f"against {FLOAT}, {threads} thread{'s' * (threads > 1)}, weights in the cache")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
