"""Times whole models: float, and packed into codes of 3 bits.

Weights are random. Float and packed models run in a plain graph and under XLA and take turns, so
that a busy moment hits all alike; a float model's time is that of the faster form, and so is a
packed one's. Figures are medians. Each number of threads has its own process.

    python -m benchmarks.forward --threads 1
    python -m benchmarks.forward --only resnet lstm --rounds 9
"""

import argparse
import functools
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from rich.console import Console

import bcq_tf
from benchmarks.apart import run_apart
from benchmarks.models import bert, gpt2, mobilenet, random_ids, resnet
from benchmarks.result_table import result_table
from benchmarks.turns import FLOAT, FORMS, VARIANTS, add_turns, take_turns, use_threads

HEADINGS = {"memory_mb": "weights, MB", "codes_mb": "codes, MB", "times_float": "times float"}
FIELDS = [
    "threads",
    "model",
    "batch",
    "variant",
    "ms",
    "form",
    "times_float",
    "memory_mb",
    "codes_mb",
]


def main():
    options = parse_arguments()
    results = []
    for threads in options.threads:
        for name in options.only:
            results += run_apart(measure, options, threads, name)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    title = f"{options.bits} bits, groups of {options.group_size or 'a row'}"
    Console(width=120).print(result_table(title, FIELDS, HEADINGS, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=MODELS, default=list(MODELS), help="(all)")
    add("--bits", type=int, default=3, help="(%(default)s)")
    add("--group-size", type=int, help="(whole rows)")
    add("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, help="(all)")
    add_turns(add)
    return parser.parse_args()


def lstm():
    """An LSTM of 512 units over vectors of 512."""
    x = keras.Input((64, 512))
    return keras.Model(x, layers.LSTM(512)(x))


def images(batch):
    return np.random.default_rng(0).normal(size=(batch, 224, 224, 3)).astype("float32")


def vectors(batch):
    return np.random.default_rng(0).normal(size=(batch, 64, 512)).astype("float32")


def tokens(batch, length, segments=False):
    ids = random_ids(30000, batch, length)
    return {"token_ids": ids, "padding_mask": 0 * ids + 1} | ({"segment_ids": 0 * ids} if segments
                                                              else {})  # fmt: skip


# {name: (float model, inputs of a batch, batches)}.
MODELS = {
    "mobilenet": (mobilenet, images, (1, 8)),
    "resnet": (resnet, images, (1, 8)),
    "lstm": (lstm, vectors, (1, 32)),
    "bert": (bert, functools.partial(tokens, length=128, segments=True), (8,)),
    "gpt2": (gpt2, functools.partial(tokens, length=512), (1,)),
}


def measure(options, threads, name):
    """A dict for each batch and variant of a model."""
    use_threads(threads)
    make, inputs, batches = MODELS[name]
    keras.utils.set_random_seed(0)
    models = {FLOAT: make()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.bcq.npy"
        report = bcq_tf.quantize_model(
            models[FLOAT],
            options.bits,
            group_size=options.group_size,
            solver="greedy",
            filepath=file,
        )
        for variant in set(options.variants) - {FLOAT}:
            models[variant] = make()
            bcq_tf.pack_model(models[variant], file, precision=variant)
    codes_mb = sum(codes.nbytes for codes in report.codes.values()) / 1e6
    rows = []
    for batch in batches:
        best = fastest_forms(models, inputs(batch), options)
        for variant in options.variants:
            seconds, form = best[variant]
            rows.append(
                {"threads": threads, "model": name, "batch": batch, "variant": variant}
                | {"ms": 1e3 * seconds, "form": form, "times_float": best[FLOAT][0] / seconds}
                | {"memory_mb": memory_mb(models[variant]), "codes_mb": codes_mb}
            )
    return rows


def fastest_forms(models, x, options):
    """{variant: (median seconds, form)} of models on one input."""
    x = keras.tree.map_structure(tf.constant, x)
    times = take_turns(
        {
            (variant, form): functools.partial(run, tf.function(model, jit_compile=jit_compile), x)
            for variant, model in models.items()
            for form, jit_compile in FORMS.items()
        },
        options,
    )
    return {variant: min((times[variant, form][1], form) for form in FORMS) for variant in models}


def run(function, x):
    keras.tree.map_structure(np.asarray, function(x))


def memory_mb(model):
    """Megabytes of a model's weights in memory."""
    return sum(variable.numpy().nbytes for variable in model.weights) / 1e6


if __name__ == "__main__":
    main()
