"""Sizes and times of one packed model in every format that it can be exported to.

The model is a stack of dense layers with random weights. Each format has its own process, which
loads the file and answers one row at a time on one thread. Memory is the peak above that of the
runtime before it loads. The float model is exported by Keras, for comparison.

    python -m benchmarks.export
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.apart import run_apart
from benchmarks.process_memory import PEAK, process_memory

FLOAT, COMPILED, PORTABLE = "float SavedModel", "SavedModel, compiled ops", "SavedModel, portable"
ONNX, ONNX_PACKED = "ONNX", "ONNX, without constant folding"
TFLITE, TFLITE_PLAIN = "TensorFlow Lite", "TensorFlow Lite, without XNNPACK"
TFLITE_OURS = "TensorFlow Lite, our operators"
FILES = {
    FLOAT: "float",
    COMPILED: "compiled",
    PORTABLE: "portable",
    ONNX: "model.onnx",
    ONNX_PACKED: "model.onnx",
    TFLITE: "model.tflite",
    TFLITE_PLAIN: "model.tflite",
    TFLITE_OURS: "ours.tflite",
}


def main():
    options = parse_arguments()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        run_apart(write_all, folder, options)
        for name, file in FILES.items():
            measured = run_apart(measure, name, str(Path(folder, file)), options)
            results.append({"format": name, "bytes": size(Path(folder, file))} | measured)
        results.append({"format": ".bcq.npy", "bytes": size(Path(folder, "model.bcq.npy"))})
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    Console().print(make_table(results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=2048, help="of each layer (%(default)s)")
    parser.add_argument("--layers", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--bits", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--calls", type=int, default=25, help="that are timed (%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


def write_all(folder, options):
    """Exports the model in every format into the folder."""
    import keras

    import bcq_tf

    keras.utils.set_random_seed(0)
    folder = Path(folder)
    x = hidden = keras.Input((options.width,), name="x")
    for _ in range(options.layers):
        hidden = keras.layers.Dense(options.width, activation="relu")(hidden)
    model = keras.Model(x, hidden)
    model.export(folder / FILES[FLOAT], verbose=False)
    codes = folder / "model.bcq.npy"
    bcq_tf.quantize_model(model, bits=options.bits, effort="low", filepath=codes)
    bcq_tf.pack_model(model, codes)
    bcq_tf.export_saved_model(model, folder / FILES[COMPILED], portable=False)
    bcq_tf.export_saved_model(model, folder / FILES[PORTABLE])
    bcq_tf.export_onnx(model, folder / FILES[ONNX])
    bcq_tf.export_tflite(model, folder / FILES[TFLITE])
    bcq_tf.export_tflite(model, folder / FILES[TFLITE_OURS], kernels="bcq")


def measure(name, path, options):
    """{"load_seconds", "peak_bytes", "milliseconds"} of the median call."""
    x = np.random.default_rng(0).standard_normal((1, options.width), np.float32)
    load = make_loader(name)
    before, start = process_memory(PEAK), time.perf_counter()
    call = load(path)
    loaded = time.perf_counter() - start
    call(x)
    times = []
    for _ in range(options.calls):
        start = time.perf_counter()
        call(x)
        times.append(time.perf_counter() - start)
    return {
        "load_seconds": loaded,
        "peak_bytes": process_memory(PEAK) - before,
        "milliseconds": 1e3 * statistics.median(times),
    }


def make_loader(name):
    """A function from the path to a function of x, after what it needs has been imported."""
    if name in (ONNX, ONNX_PACKED):
        return onnx_loader(["ConstantFolding"] if name == ONNX_PACKED else None)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.constant(0)
    if name in (TFLITE, TFLITE_PLAIN):
        kinds = tf.lite.experimental.OpResolverType
        kind = kinds.AUTO if name == TFLITE else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        return lambda path: tflite_call(tf, path, experimental_op_resolver_type=kind)
    import bcq_tf

    if name == TFLITE_OURS:
        delegate = tf.lite.experimental.load_delegate(bcq_tf.native.litert_library())
        return lambda path: tflite_call(tf, path, experimental_delegates=[delegate])

    load = bcq_tf.load_saved_model if name == COMPILED else tf.saved_model.load
    return lambda path: saved_model_call(tf, load(path))


def onnx_loader(disabled):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1

    def load(path):
        session = onnxruntime.InferenceSession(path, settings, disabled_optimizers=disabled)
        return lambda x: session.run(None, {"x": x})

    return load


def tflite_call(tf, path, **settings):
    interpreter = tf.lite.Interpreter(path, num_threads=1, **settings)
    serve = interpreter.get_signature_runner("serving_default")
    return lambda x: serve(x=x)


def saved_model_call(tf, loaded):
    # The variables live as long as what was loaded.
    return lambda x: loaded.signatures["serving_default"](x=tf.constant(x))["output_0"].numpy()


def size(path):
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def make_table(results):
    table = Table("format", "file, MB", "load, s", "peak memory, MB", "call, ms")
    for line in results:
        cells = [line["format"], f"{line['bytes'] / 1e6:.2f}"]
        if "milliseconds" in line:
            cells += [f"{line['load_seconds']:.2f}", f"{line['peak_bytes'] / 1e6:.0f}"]
            cells.append(f"{line['milliseconds']:.2f}")
        table.add_row(*cells)
    return table


if __name__ == "__main__":
    main()
