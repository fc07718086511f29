"""Times greedy generation by a KerasHub task: float, and packed into codes.

The model has random weights, in the shape of SmolLM2-135M unless other sizes are given; or it is
that of a `.bcq.npy` file of any CausalLM. A prompt is read and tokens follow, one sequence, with no
token that ends it. Generating no token, behind a prompt that fills all the room, times the reading
of a long prompt; what a token takes is the whole of `generate`, the short prompt included, by the
number of tokens. Float and packed models run in a plain graph and under XLA and take turns, so that
a busy moment hits all alike; figures are medians. Each number of threads has its own process.

    python -m benchmarks.generate --threads 1
    python -m benchmarks.generate --model runs/smollm2/model.bcq.npy --gguf SMOLLM2.gguf

With `--gguf` llama.cpp (`pip install llama-cpp-python`) takes turns with them.
"""

import argparse
import functools
import itertools
import json
import tempfile
from pathlib import Path

import keras_hub
import numpy as np
from rich.console import Console
from rich.table import Table

import bcq_tf
from benchmarks.apart import run_apart
from benchmarks.turns import FLOAT, FORMS, VARIANTS, add_turns, take_turns, use_threads

SMOLLM2 = {
    "vocabulary_size": 49152,
    "num_layers": 30,
    "hidden_dim": 576,
    "intermediate_dim": 1536,
    "num_query_heads": 9,
    "num_key_value_heads": 3,
}


def main():
    options = parse_arguments()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        if options.model is None:
            options.model = Path(folder) / "model.bcq.npy"
            run_apart(write_model, options)
        for threads in options.threads:
            results += run_apart(measure_all, options, threads)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    Console(width=120).print(make_table(results, options))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, help="a .bcq.npy file of a CausalLM (random weights)")
    for name, size in SMOLLM2.items():
        add(f"--{name}", type=int, default=size, help="of random weights (%(default)s)")
    add("--gguf", type=Path, help="a file that llama.cpp runs beside them")
    add("--bits", type=int, default=3, help="of random weights (%(default)s)")
    add("--group-size", type=int, default=128, help="of random weights (%(default)s)")
    add("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, help="(all)")
    add("--forms", nargs="+", choices=FORMS, default=list(FORMS), help="(all)")
    add("--prompt", type=int, default=8, help="its tokens (%(default)s)")
    add("--tokens", type=int, default=64, help="that are generated (%(default)s)")
    add_turns(add)
    return parser.parse_args()


def write_model(options):
    """Quantizes a Llama of random weights, table and logits tied, to the file of the options."""
    sizes = {name: getattr(options, name) for name in SMOLLM2}
    backbone = keras_hub.models.LlamaBackbone(**sizes, tie_word_embeddings=True)
    task = keras_hub.models.LlamaCausalLM(backbone, preprocessor=None)
    bcq_tf.quantize_model(
        task,
        options.bits,
        group_size=options.group_size,
        solver="greedy",
        filepath=options.model,
    )


def measure_all(options, threads):
    """[{"threads": ..., "variant": ..., "form": ..., times}, ...]."""
    use_threads(threads)
    cases = {
        (variant, form): generators(options, variant, FORMS[form])
        for variant in options.variants
        for form in options.forms
    }
    if options.gguf:
        cases["llama.cpp", options.gguf.stem] = llama_cpp(options, threads)
    rivals = {(*case, name): cases[case][name] for case in cases for name in cases[case]}
    times = take_turns(rivals, options)
    results = []
    for variant, form in cases:
        first, tokens = times[variant, form, "tokens"]
        _, prompt = times[variant, form, "prompt"]
        results.append(
            {"threads": threads, "variant": variant, "form": form, "compile_s": first - tokens}
            | {"token_ms": 1e3 * tokens / options.tokens, "prompt_ms": 1e3 * prompt}
        )
    return results


def generators(options, variant, jit_compile):
    """{"tokens": goes on from a short prompt, "prompt": reads one that fills the room}."""
    packing = {"packed": False} if variant == FLOAT else {"precision": variant}
    model = bcq_tf.load_model(options.model, **packing)
    model.compile(None, None, weighted_metrics=None, sampler="greedy", jit_compile=jit_compile)
    room = options.prompt + options.tokens
    ids = np.random.default_rng(0).integers(1, options.vocabulary_size, (1, room), "int32")
    short = np.arange(room)[None] < options.prompt
    inputs = {
        "tokens": {"token_ids": np.where(short, ids, 0), "padding_mask": short},
        "prompt": {"token_ids": ids, "padding_mask": np.ones_like(short)},
    }
    generate = model.make_generate_function()
    return {name: functools.partial(run, generate, prompt) for name, prompt in inputs.items()}


def llama_cpp(options, threads):
    """The same of llama.cpp."""
    import llama_cpp

    room = options.prompt + options.tokens
    model = llama_cpp.Llama(
        str(options.gguf), n_ctx=room, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    ids = np.random.default_rng(0).integers(1, options.vocabulary_size, room).tolist()

    def go_on():
        model.reset()
        made = model.generate(ids[: options.prompt], temp=0.0)
        assert len(list(itertools.islice(made, options.tokens))) == options.tokens

    def read():
        model.reset()
        model.eval(ids)

    return {"tokens": go_on, "prompt": read}


def run(generate, prompt):
    generate(prompt, stop_token_ids=None)["token_ids"].numpy()


def make_table(results, options):
    room = options.prompt + options.tokens
    table = Table(title=f"greedy generation of {options.tokens} tokens, {options.prompt} before")
    columns = "threads", "model", "form", "ms a token", "times float", f"prompt of {room}, ms"
    for column in (*columns, "to compile, s"):
        table.add_column(column, justify="left" if column in ("model", "form") else "right")
    for threads in options.threads:
        rows = [result for result in results if result["threads"] == threads]
        best = min((r["token_ms"] for r in rows if r["variant"] == FLOAT), default=float("nan"))
        for row in rows:
            figures = [f"{row['token_ms']:.2f}", f"{best / row['token_ms']:.2f}"]
            figures += [f"{row['prompt_ms']:.0f}", f"{row['compile_s']:.0f}"]
            table.add_row(str(threads), row["variant"], row["form"], *figures)
        table.add_section()
    return table


if __name__ == "__main__":
    main()
