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
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import bcq_tf
from benchmarks.apart import run_apart
from benchmarks.turns import add_turns
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
FLOAT = "float"
PACKED = {f"{way} {bits}": (way, bits) for bits in (3, 2, 1) for way in ("exact", "fast")}
FORMS = {"plain": False, "XLA": True}
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
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    clock = time.process_time if options.processor_time else time.perf_counter
    models = make_models(shape, options.variants)
    results = []
    for batch in options.batch:
        source = random_source(batch, models[FLOAT])
        rivals = {
            (variant, form): Decoder(model, source, form)
            for variant, model in models.items()
            for form in FORMS
        }
        for _ in range(options.rounds):
            for rival in rivals.values():
                rival.take_turn(clock)
        case = {"shape": shape, "threads": threads, "batch": batch}
        for (variant, form), rival in rivals.items():
            results.append(case | {"variant": variant, "form": form} | rival.times())
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


class Decoder:
    """One model and one form of the loop, translating one batch."""

    def __init__(self, model, source, form):
        jit_compile = FORMS[form]
        if jit_compile:
            source = tf.constant(pad_rows(source.numpy()))
        self._source = source
        self._decode = tf.function(lambda source: greedy_decode(model, source, jit_compile))
        self._encode = tf.function(
            lambda source: Context.of(model, source, cache_form(jit_compile))
        )
        tokens = self._decode(source).numpy()
        self._encode(source)
        self._steps = int(np.count_nonzero(tokens != PAD, axis=1).max())
        self._seconds = {"decode": [], "encode": []}

    def take_turn(self, clock):
        for name, function in (("decode", self._decode), ("encode", self._encode)):
            begin = clock()
            function(self._source)
            self._seconds[name].append(clock() - begin)

    def times(self):
        """Milliseconds to encode the source, and of one step of the loop."""
        decode, encode = (1e3 * statistics.median(times) for times in self._seconds.values())
        token = (decode - encode) / self._steps
        return {"steps": self._steps, "encode_ms": encode, "token_ms": token}


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
