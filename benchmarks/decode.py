"""Times greedy decoding of the example model: float, and packed into codes.

Models have random weights. A sentence of 20 tokens is translated, all sentences of a batch at once,
up to the length limit of 50 tokens; END, one of thousands of tokens, hardly ever comes sooner, and
time is divided by the steps that were made. Encoding the source is timed by itself and taken off.
Both forms of the loop are timed, in a plain graph and under XLA, where a batch gets as many rows as
in `transformer.evaluation`; a packed model is compared with the faster form of the float model.
Everything takes turns, so that a busy moment hits all alike; figures are medians. Each shape and
each number of threads has its own process.

    python -m benchmarks.decode --shapes base --batch 1
"""

import argparse
import functools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import bcq_tf
from benchmarks.apart import run_apart
from benchmarks.turns import FLOAT, FORMS, add_turns, take_turns, use_threads
from transformer import hparams
from transformer.decoding import Context, cache_form, greedy_decode
from transformer.evaluation import pad_rows
from transformer.model import Transformer
from transformer.vocabulary import END, PAD

ROOT = Path(__file__).resolve().parent.parent
LARGE = {
    "source_vocabulary_size": 16000,
    "target_vocabulary_size": 16000,
    "num_layers": 6,
    "d_model": 1024,
    "dff": 4096,
    "num_heads": 16,
    "key_dim": 64,
    "tie_embeddings": True,
}
SHAPES = ("large", "base", "small")
PACKED = {f"{way} {bits}": (way, bits) for bits in (3, 2, 1) for way in ("exact", "fast")}
SOURCE_TOKENS = 20


def main():
    options = parse_arguments()
    results = []
    for threads in options.threads:
        for shape in options.shapes:
            results += run_apart(measure_all, options, shape, threads)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    console = Console(width=120)
    for threads in options.threads:
        console.print(make_table(results, threads))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--shapes", nargs="+", choices=SHAPES, default=SHAPES, help="(all)")
    add("--variants", nargs="+", choices=PACKED, default=list(PACKED), help="beside float (all)")
    add("--batch", type=int, nargs="+", default=[1, 8, 32], help="(%(default)s)")
    add_turns(add)
    return parser.parse_args()


def measure_all(options, shape, threads):
    """[{"shape": ..., "threads": ..., "batch": ..., "variant": ..., "form": ..., times}, ...]."""
    use_threads(threads)
    models = make_models(shape, options.variants)
    results = []
    for batch in options.batch:
        source = random_source(batch, models[FLOAT])
        cases = [(variant, form) for variant in models for form in FORMS]
        rivals, steps = {}, {}
        for variant, form in cases:
            functions, steps[variant, form] = translate(models[variant], source, FORMS[form])
            rivals |= {(variant, form, name): function for name, function in functions.items()}
        times = take_turns(rivals, options)
        for variant, form in cases:
            decode, encode = (1e3 * times[variant, form, name][1] for name in ("decode", "encode"))
            results.append(
                {"shape": shape, "threads": threads, "batch": batch, "variant": variant}
                | {"form": form, "steps": steps[variant, form], "encode_ms": encode}
                | {"token_ms": (decode - encode) / steps[variant, form]}
            )
            print(results[-1], file=sys.stderr, flush=True)
    return results


def make_models(shape, variants):
    """{variant: model}, the packed ones made from the weights of the float one."""
    models = {FLOAT: random_model(shape)}
    for bits in sorted({PACKED[variant][1] for variant in variants}):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.bcq.npy"
            bcq_tf.quantize_model(random_model(shape), bits=bits, effort="low", filepath=file)
            for variant in variants:
                if PACKED[variant][1] == bits:
                    models[variant] = random_model(shape)
                    bcq_tf.pack_model(models[variant], file, precision=PACKED[variant][0])
    return models


def random_model(shape):
    names = LARGE if shape == "large" else hparams.load(ROOT / f"hparams/{shape}.json").to_dict()
    model = Transformer(**{name: names[name] for name in LARGE}, name="transformer")
    model.build()
    return model


def random_source(batch, model):
    """Token ids [batch, SOURCE_TOKENS], END last."""
    size = model.source_embedding.input_dim
    source = np.random.default_rng(0).integers(END + 1, size, (batch, SOURCE_TOKENS), "int32")
    source[:, -1] = END
    return tf.constant(source)


def translate(model, source, jit_compile):
    """({"decode": ..., "encode": ...}, steps): a model at work on one batch, in one form."""
    if jit_compile:
        source = tf.constant(pad_rows(source.numpy()))
    decode = tf.function(lambda source: greedy_decode(model, source, jit_compile))
    encode = tf.function(lambda source: Context.of(model, source, cache_form(jit_compile)))
    steps = int(np.count_nonzero(decode(source).numpy() != PAD, axis=1).max())
    functions = {"decode": decode, "encode": encode}
    return {
        name: functools.partial(function, source) for name, function in functions.items()
    }, steps


def make_table(results, threads):
    table = Table(title=f"milliseconds a step of greedy decoding; threads: {threads}")
    for column in ("shape", "batch", "model", *FORMS, "times as fast as float", "encode ms"):
        table.add_column(column, justify="left" if column in ("shape", "model") else "right")
    cases = {}
    for result in results:
        if result["threads"] == threads:
            cases.setdefault((result["shape"], result["batch"]), []).append(result)
    for (shape, batch), rows in cases.items():
        reference = fastest(rows, FLOAT)["token_ms"]
        for variant in dict.fromkeys(row["variant"] for row in rows):
            tokens = [f"{r['token_ms']:.3f}" for r in rows if r["variant"] == variant]
            best = fastest(rows, variant)
            ratio = f"{reference / best['token_ms']:.2f}"
            table.add_row(shape, str(batch), variant, *tokens, ratio, f"{best['encode_ms']:.1f}")
        table.add_section()
    return table


def fastest(rows, variant):
    """The form of a variant in which a step takes least time."""
    return min((r for r in rows if r["variant"] == variant), key=lambda r: r["token_ms"])


if __name__ == "__main__":
    main()
