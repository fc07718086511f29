"""Times training steps of the translation model: float, and quantized by BCQCallback as it trains.

Token ids are random, batches as large as the hparams say. Models take turns, a step each, so that a
busy moment hits all alike; figures are medians, ratios those of one turn. A solve is what is done
every so many steps; the start is `on_train_begin` and the first step, less that of the float
model.

    python -m benchmarks.training --hparams hparams/small.json hparams/demo.json
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
from rich.console import Console

import bcq_tf
from benchmarks.apart import run_apart
from benchmarks.result_table import result_table
from transformer import hparams, training
from transformer.model import build_model
from transformer.vocabulary import PAD

LENGTH = 16  # tokens of a sentence
NEVER, INTERVAL = 10**9, 1000  # steps between two solves; what a solve's share is given for
WAYS = {
    "float": None,
    "projection": {},
    "latent": {"latent": True},
    "latent, 8 even levels": {"latent": True, "solver": "uniform", "bits": 3},
    "latent, teacher": {"latent": True},
}
FIELDS = ["hparams", "way", "step_ms", "over_float", "solve_ms", "solve_share", "start_s"]
HEADINGS = {
    "step_ms": "step, ms",
    "over_float": "over float, %",
    "solve_ms": "a solve, ms",
    "solve_share": f"of {INTERVAL} steps, %",
    "start_s": "start, s",
}


def main():
    options = parse_arguments()
    results = []
    for path in options.hparams:
        results += run_apart(measure, path, options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    title = f"{options.bits} bits, {options.rounds} steps each"
    Console(width=120).print(result_table(title, FIELDS, HEADINGS, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--hparams", nargs="+", default=["hparams/small.json", "hparams/demo.json"], help="(both)")
    add("--bits", type=int, default=2, help="(%(default)s)")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="(all)")
    add("--rounds", type=int, default=30, help="steps that each takes (%(default)s)")
    add("--json", type=Path, help="file for all figures")
    return parser.parse_args()


def measure(path, options):
    """A line for each way to train the model of these hparams."""
    values = hparams.load(path)
    inputs, targets = random_batch(values)
    steppers = {way: Stepper(values, WAYS[way], way, options.bits) for way in options.ways}
    first = {way: stepper.step(inputs, targets) for way, stepper in steppers.items()}
    steps = {way: [] for way in steppers}
    for _ in range(options.rounds):
        for way, stepper in steppers.items():
            steps[way].append(stepper.step(inputs, targets))
    lines = []
    for way, stepper in steppers.items():
        step = statistics.median(steps[way])
        ratios = [one / other for one, other in zip(steps[way], steps["float"], strict=True)]
        solve = 0.0
        if stepper.callback:
            solve = statistics.median(stepper.solve(inputs, targets) for _ in range(5))
        lines.append(
            {
                "hparams": Path(path).stem,
                "way": way,
                "step_ms": 1e3 * step,
                "over_float": 100 * (statistics.median(ratios) - 1),
                "solve_ms": 1e3 * solve,
                "solve_share": 100 * solve / (INTERVAL * step),
                "start_s": stepper.begin_s + first[way] - first["float"],
            }
        )
    return lines


def random_batch(values):
    """((source, target_in), target_out) of as many sentences as a batch has."""
    rng = np.random.default_rng(0)
    shape = values.batch_tokens // LENGTH, LENGTH
    source = rng.integers(PAD + 1, values.source_vocabulary_size, shape, np.int32)
    target = rng.integers(PAD + 1, values.target_vocabulary_size, shape, np.int32)
    return (source, target), np.roll(target, -1, axis=1)


def make_model(values):
    sizes = values.source_vocabulary_size, values.target_vocabulary_size
    source, target = (SimpleNamespace(size=size) for size in sizes)
    model = build_model(values, SimpleNamespace(source=source, target=target))
    training.compile_model(model, values, 1e-4)
    return model


class Stepper:
    """A model that takes steps as `fit` does, with a callback unless `settings` are None.

    Attributes: `begin_s`, what the callback's `on_train_begin` took.
    """

    def __init__(self, values, settings, way, bits):
        self._model, self.callback, self.begin_s = make_model(values), None, 0.0
        if settings is not None:
            teacher = {"teacher": make_model(values)} if way.endswith("teacher") else {}
            settings = {"bits": bits, "every_n_steps": NEVER} | settings | teacher
            self.callback = bcq_tf.BCQCallback(**settings)
            self._callbacks = keras.callbacks.CallbackList([self.callback], model=self._model)
            self.begin_s = seconds(self._callbacks.on_train_begin)
            self._callbacks.on_epoch_begin(0)

    def step(self, inputs, targets) -> float:
        """Seconds of a step."""
        return seconds(lambda: self._step(inputs, targets))

    def solve(self, inputs, targets) -> float:
        """Seconds of what is done between two steps once every so many."""
        self.callback.every_n_steps = 1
        self._callbacks.on_train_batch_begin(0)
        self._model.train_on_batch(inputs, targets)
        taken = seconds(lambda: self._callbacks.on_train_batch_end(0))
        self.callback.every_n_steps = NEVER
        return taken

    def _step(self, inputs, targets):
        if self.callback:
            self._callbacks.on_train_batch_begin(0)
        self._model.train_on_batch(inputs, targets)
        if self.callback:
            self._callbacks.on_train_batch_end(0)


def seconds(function) -> float:
    """What a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
