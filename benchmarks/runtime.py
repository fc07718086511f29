"""Times the runtime's products and look-ups without TensorFlow.

    python -m benchmarks.runtime

Medians in microseconds of calls that take turns, on one thread, each the second of two so that
caches are its own: NumPy's float32 product, the product from codes by `weight.matmul`, and the
compiled function itself, called with all arguments made ready (through the same foreign call, which
takes about half a microsecond). What lies between the last two is what the method costs. With
--file how long a whole file takes to load.
"""

import argparse
import ctypes
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

import bcq_tf
from benchmarks.process_memory import PEAK, process_memory
from benchmarks.result_table import result_table

SIZES = 128, 512, 4096
BATCHES = 1, 32
BITS = 3
SEED = 0
WARM_UP = 8  # calls
FIELDS = "size", "batch", "numpy", "exact", "fast", "function", "method", "rows"
HEADINGS = {
    "numpy": "NumPy float32",
    "function": "C function, exact",
    "method": "exact less that",
    "rows": "as many rows",
}


def main():
    options = parse_arguments()
    if options.file:
        print(json.dumps(start(options), indent=1))
        return
    lines = [line for size in SIZES for line in lines_of(size, options.turns)]
    if options.json:
        print(json.dumps(lines, indent=1))
        return
    title = f"Microseconds, {BITS} bits, one thread"
    Console(width=140).print(result_table(title, FIELDS, HEADINGS, lines))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=300, help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--file", type=Path, help="a file that export_runtime wrote")
    parser.add_argument("--function", default="call", help="of the file, to call (%(default)s)")
    parser.add_argument("--prompt", type=int, default=5, help="tokens of its inputs (%(default)s)")
    parser.add_argument("--calls", type=int, default=3, help="(%(default)s)")
    return parser.parse_args()


def lines_of(size, turns):
    """A line for each batch: the microseconds of each way."""
    rng = np.random.default_rng(SEED)
    matrix = rng.normal(size=(size, size)).astype(np.float32)
    weight = weight_of(bcq_tf.quantize(matrix, bits=BITS, effort="low"))
    for batch in BATCHES:
        x = rng.normal(size=(batch, size)).astype(np.float32)
        ids = rng.integers(0, size, batch)
        rivals = {
            "numpy": lambda x=x: x @ matrix.T,
            "exact": lambda x=x: weight.matmul(x),
            "fast": lambda x=x: weight.matmul(x, precision="fast"),
            "function": function_of(weight, x),
            "rows": lambda ids=ids: weight[ids],
        }
        line = {"size": size, "batch": batch} | take_turns(rivals, turns)
        yield line | {"method": line["exact"] - line["function"]}


def weight_of(codes):
    """Codes as the runtime opens them, for one thread."""
    from bcq_tf import runtime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.bcq.npy")
        bcq_tf.save(path, {"w": codes})
        return runtime.open(path, threads=1)["w"]


def function_of(weight, x):
    """The core's exact product of x, called with all arguments made ready."""
    y = np.empty((len(x), weight.shape[0]), np.float32)
    arguments = (
        ctypes.c_void_p(weight._address),
        ctypes.c_int32(0),
        ctypes.c_int32(0),
        ctypes.c_void_p(x.ctypes.data),
        ctypes.c_int64(len(x)),
        ctypes.c_void_p(y.ctypes.data),
        weight._parallel,
    )
    product = weight._product
    return lambda keep=(weight, x, y): product(*arguments)  # while these are there


def take_turns(rivals, turns):
    """{name: median microseconds}."""
    seconds = {name: [] for name in rivals}
    for _ in range(turns):
        for name, function in rivals.items():
            for _ in range(WARM_UP):  # caches and clock are those of the way before
                function()
            begin = time.perf_counter_ns()
            function()
            seconds[name].append((time.perf_counter_ns() - begin) / 1e3)
    return {name: statistics.median(each) for name, each in seconds.items()}


def start(options):
    """Seconds to load a file, those of a call, and the process's largest memory after each."""
    from bcq_tf import runtime

    begin = time.perf_counter()
    loaded = runtime.load(options.file, threads=1)
    found = {
        "file, MB": os.path.getsize(options.file) / 1e6,
        "loaded, s": time.perf_counter() - begin,
        "loaded, MB": process_memory(PEAK) / 1e6,
    }
    inputs = [prompt(spec, options.prompt) for spec in loaded.functions[options.function]]
    for way in ("core", "NumPy"):
        function, seconds = loaded.function(options.function), []
        for _ in range(options.calls + 1):
            begin = time.perf_counter()
            function(*inputs)
            seconds.append(time.perf_counter() - begin)
        found |= {
            f"first call, graph in {way}, s": seconds[0],
            f"call, graph in {way}, s": statistics.median(seconds[1:]),
            f"largest memory then, {way}, MB": process_memory(PEAK) / 1e6,
        }
        loaded._compiled = None
    return found


def prompt(spec, tokens):
    """Ones for an input, in the first `tokens` of its last axis where these are ids or a mask."""
    shape = [tokens if length is None else length for length in spec["shape"]]
    shape[:1] = [1] if spec["shape"][:1] == [None] else shape[:1]
    array = np.ones(shape, spec["dtype"])
    if array.dtype.kind in "ib":
        array[..., tokens:] = 0
    return array


if __name__ == "__main__":
    main()
