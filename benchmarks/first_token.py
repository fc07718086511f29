"""Measures how a file of a KerasHub task starts: seconds until it is loaded and until the first
token, and memory.

Everything is beyond what importing TensorFlow, KerasHub and the library takes, in a process of its
own for each way and turn. Memory is what the process has to itself (RssAnon), and all that it has
mapped at its largest (VmHWM), in MB. Most of it all is compiling `generate`, so that each way is
run without, too.

    python -m benchmarks.first_token runs/smollm2/model.bcq.npy
"""

import argparse
import statistics
import time
from pathlib import Path

from rich.console import Console

from benchmarks.apart import run_apart
from benchmarks.process_memory import OWN, PEAK, process_memory
from benchmarks.result_table import result_table

MEMORY = {OWN: "own memory", PEAK: "with mapped files, most"}
WAYS = {
    "packed": (True, False),
    "packed, run eagerly": (True, True),
    "float": (False, False),
    "float, run eagerly": (False, True),
}


def main():
    options = parse_arguments()
    turns = {way: [] for way in options.ways}
    for _ in range(options.turns):
        for way in options.ways:
            turns[way].append(run_apart(measure, way, options))
    results = [
        {"way": way} | {key: statistics.median(turn[key] for turn in found) for key in found[0]}
        for way, found in turns.items()
    ]
    title = f"{options.file}, {options.file.stat().st_size / 1e6:.1f} MB; seconds, MB"
    Console(width=120).print(result_table(title, tuple(results[0]), {}, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("file", type=Path, help="a .bcq.npy file of a CausalLM")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="(%(default)s)")
    add("--prompt", default="The sky is blue because", help="(%(default)s)")
    add("--turns", type=int, default=3, help="of which medians are taken (%(default)s)")
    return parser.parse_args()


def measure(way, options):
    """One process' result."""
    import keras_hub.models  # noqa: F401
    import tensorflow as tf

    import bcq_tf

    tf.constant(0.0)
    before = {kind: process_memory(kind) for kind in MEMORY}
    times = [time.perf_counter()]
    packed, eagerly = WAYS[way]
    task = bcq_tf.load_model(options.file, packed=packed)
    times.append(time.perf_counter())
    task.compile(sampler="greedy", run_eagerly=eagerly)
    prompt = len(task.preprocessor.tokenizer(options.prompt))
    task.generate(options.prompt, max_length=prompt + 1)
    times.append(time.perf_counter())
    grown = {name: (process_memory(kind) - before[kind]) / 1e6 for kind, name in MEMORY.items()}
    seconds = {"load": times[1] - times[0], "first token": times[2] - times[0]}
    return seconds | grown


if __name__ == "__main__":
    main()
