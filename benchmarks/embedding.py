"""Times training steps of FastEmbedding and FastMultiEmbedding against Keras's embeddings.

A step is look-up, Dense(1), mean, backward pass and optimizer, in one `tf.function` that is not
compiled by XLA. Both take turns with the same ids, so that a busy moment hits them alike; times are
medians, and "times as fast" is the median of the ratios of neighbouring turns. A third step, of a
constant in place of the rows, is what both have in common; "embeddings alone" are the ratios of
what the medians have above that one, which is more than half of many steps. The first table is
of one embedding, over all sizes, distributions of the ids and optimizers; the second of ten small
tables of 1 to 32 dimensions, against ten Keras embeddings and a concatenation.

    python -m benchmarks.embedding --quick
    python -m benchmarks.embedding --picture docs/embedding.png
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

VOCABULARIES = [10, 100, 1000, 10_000, 100_000, 1_000_000]
DIMS = [8, 32, 64, 256]
BATCHES = [32, 256, 2048, 16384]
OPTIMIZERS = ["sgd", "adam"]
DISTRIBUTIONS = {
    "uniform": lambda rng, size, batch: rng.integers(0, size, batch),
    "zipf": lambda rng, size, batch: (rng.zipf(1.2, batch) - 1) % size,
    "sixteen": lambda rng, size, batch: rng.integers(0, min(size, 16), batch),
    "same": lambda rng, size, batch: np.full(batch, size // 2),
}
TEN_SIZES = [10, 20, 50, 100, 200, 300, 400, 500, 800, 1000]
TEN_DIMS = [1, 2, 4, 6, 8, 12, 16, 20, 24, 32]
LEAST_TURNS = 7
COLLIDING = 8  # ids for each different row: many collisions
SEED = 0


def main():
    options = parse_arguments()
    # TensorFlow reads these when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    results = {"one table": list(one_table(options)), "ten tables": list(ten_tables(options))}
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "embedding.json"
    path.write_text(json.dumps(results, indent=1), encoding="utf-8")
    console = Console(width=160)
    for name, cases in results.items():
        console.print(make_table(name, cases))
    console.print(summary(results))
    if options.picture:
        draw(results, options.picture)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--vocabulary", type=int, nargs="+", default=VOCABULARIES, help="(%(default)s)")
    add("--dim", type=int, nargs="+", default=DIMS, help="(%(default)s)")
    add("--batch", type=int, nargs="+", default=BATCHES, help="(%(default)s)")
    add("--optimizer", nargs="+", default=OPTIMIZERS, choices=OPTIMIZERS, help="(%(default)s)")
    names = list(DISTRIBUTIONS)
    add("--ids", nargs="+", default=names, choices=names, help="(%(default)s)")
    add("--threads", type=int, default=2, help="(%(default)s)")
    add("--seconds", type=float, default=0.5, help="of each case, about (%(default)s)")
    add("--most", type=int, default=64_000_000, help="numbers in a table (%(default)s)")
    add("--quick", action="store_true", help="few sizes, two distributions")
    add("--output", type=Path, default=Path("runs/embedding"), help="folder (%(default)s)")
    add("--picture", type=Path, help="where to draw the speeds")
    options = parser.parse_args()
    if options.quick:
        options.vocabulary, options.dim = [10, 1000, 100_000, 1_000_000], [8, 64]
        options.batch, options.ids, options.seconds = [32, 2048, 16384], ["uniform", "same"], 0.3
    return options


def one_table(options):
    """Yields a dict for each case: its sizes, and the microseconds of both."""
    for size, dim in itertools.product(options.vocabulary, options.dim):
        if size * dim > options.most:
            continue
        for optimizer, batch in itertools.product(options.optimizer, options.batch):
            rivals = {name: make(size, dim, optimizer) for name, make in ONE_TABLE.items()}
            rivals["rest"] = rest(batch, dim, optimizer)
            for ids in options.ids:
                values = DISTRIBUTIONS[ids](np.random.default_rng(SEED), size, batch)
                case = {"vocabulary": size, "dim": dim, "optimizer": optimizer, "batch": batch}
                case |= {"ids": ids, "different": len(np.unique(values))}
                case |= take_turns(rivals, values.astype("int32"), options.seconds)
                print(case, file=sys.stderr, flush=True)
                yield case


def ten_tables(options):
    """As `one_table`, with ten small tables."""
    for optimizer, batch in itertools.product(options.optimizer, options.batch):
        rivals = {name: make(optimizer) for name, make in TEN_TABLES.items()}
        rivals["rest"] = rest(batch, sum(TEN_DIMS), optimizer)
        for ids in options.ids:
            rng = np.random.default_rng(SEED)
            columns = [DISTRIBUTIONS[ids](rng, size, batch) for size in TEN_SIZES]
            values = np.stack(columns, axis=1).astype("int32")
            case = {"optimizer": optimizer, "batch": batch, "ids": ids}
            case |= take_turns(rivals, values, options.seconds)
            print(case, file=sys.stderr, flush=True)
            yield case


def take_turns(rivals, ids, seconds):
    """{"microseconds": {name: median of a step}, "speed": of ours, as a multiple of Keras's,
    "alone": the same without the rest of the step}."""
    import tensorflow as tf

    ids = tf.constant(ids)
    times = {name: [] for name in rivals}
    for step in rivals.values():
        step(ids)
    started, order = time.perf_counter(), list(rivals)
    while len(times["keras"]) < LEAST_TURNS or time.perf_counter() - started < seconds:
        for name in order:
            rivals[name](ids)  # so that its own table is in the cache, as far as it fits
            before = time.perf_counter()
            rivals[name](ids)
            times[name].append((time.perf_counter() - before) * 1e6)
        order.reverse()
    ratios = [slow / fast for slow, fast in zip(times["keras"], times["fast"], strict=True)]
    medians = {name: statistics.median(values) for name, values in times.items()}
    above = {name: max(medians[name] - medians["rest"], 1) for name in ("keras", "fast")}
    speed = statistics.median(ratios)
    return {"microseconds": medians, "speed": speed, "alone": above["keras"] / above["fast"]}


def keras_one(size, dim, optimizer):
    """A step with keras.layers.Embedding."""
    import keras

    return make_step([keras.layers.Embedding(size, dim)], lambda layer, ids: layer(ids), optimizer)


def fast_one(size, dim, optimizer):
    """A step with FastEmbedding."""
    from bcq_tf.layers import FastEmbedding

    return make_step([FastEmbedding(size, dim)], lambda layer, ids: layer(ids), optimizer)


def keras_ten(optimizer):
    """A step with ten keras.layers.Embedding and a concatenation."""
    import keras

    def rows(*layers_and_ids):
        *layers, ids = layers_and_ids
        return keras.ops.concatenate([layer(ids[:, t]) for t, layer in enumerate(layers)], -1)

    sizes = zip(TEN_SIZES, TEN_DIMS, strict=True)
    return make_step([keras.layers.Embedding(*size) for size in sizes], rows, optimizer)


def fast_ten(optimizer):
    """A step with one FastMultiEmbedding."""
    from bcq_tf.layers import FastMultiEmbedding

    layers = [FastMultiEmbedding(TEN_SIZES, TEN_DIMS)]
    return make_step(layers, lambda layer, ids: layer(ids), optimizer)


def rest(batch, dim, optimizer):
    """A step without embeddings, in which the gradient of the rows is made all the same."""
    import tensorflow as tf

    constant = tf.random.stateless_normal([batch, dim], [SEED, 0])
    return make_step([], lambda ids: constant, optimizer, watched=[constant])


ONE_TABLE = {"keras": keras_one, "fast": fast_one}
TEN_TABLES = {"keras": keras_ten, "fast": fast_ten}


def make_step(layers, rows, optimizer, watched=()):
    """A function of ids that does one training step; rows(*layers, ids) are the looked up rows.

    watched: tensors whose gradients are made too.
    """
    import keras
    import tensorflow as tf

    dense = keras.layers.Dense(1)
    for layer in layers:
        layer.build()
    dense.build((None, rows(*layers, tf.zeros([1, len(TEN_SIZES)], tf.int32)).shape[-1]))
    optimizer = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[optimizer](1e-3)
    variables = [variable for layer in [*layers, dense] for variable in layer.trainable_variables]
    optimizer.build(variables)

    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            tape.watch(list(watched))
            loss = tf.reduce_mean(dense(rows(*layers, ids)))
        gradients = tape.gradient(loss, [*(variable.value for variable in variables), *watched])
        optimizer.apply(gradients[: len(variables)], variables)
        return loss, gradients[len(variables) :]

    return step


def collides(case):
    """Whether a row is asked for many times."""
    return case["batch"] >= COLLIDING * case["different"] and case["batch"] >= 2048


def make_table(title, cases):
    """A line for all but the distributions, the speed of each of these beside it."""
    keys = [key for key in ("vocabulary", "dim", "optimizer", "batch") if key in cases[0]]
    names = list(dict.fromkeys(case["ids"] for case in cases))
    table = Table(title=f"{title}: milliseconds of Keras, ours, times as fast")
    for key in keys:
        table.add_column(key, justify="right")
    for name in names:
        table.add_column(name, justify="right")
    for sizes, group in itertools.groupby(cases, lambda case: [case[key] for key in keys]):
        cells = {case["ids"]: as_text(case) for case in group}
        table.add_row(*(str(size) for size in sizes), *(cells[name] for name in names))
    return table


def as_text(case):
    keras, fast = (case["microseconds"][name] / 1e3 for name in ("keras", "fast"))
    return f"{keras:.2f} {fast:.2f} {case['speed']:5.2f}"


def summary(results):
    """Lines on the least and the middle speeds."""
    one, ten = results["one table"], results["ten tables"]
    groups = {
        "one table": one,
        "one table, many collisions": [case for case in one if collides(case)],
        "ten tables": ten,
    }
    lines = []
    for name, cases in groups.items():
        if not cases:
            continue
        for what, key in (("", "speed"), (", embeddings alone", "alone")):
            speeds = sorted(case[key] for case in cases)
            slower = sum(one < 0.95 for one in speeds)
            twice = sum(one >= 2 for one in speeds)
            lines.append(
                f"{name}{what}: {len(cases)} cases, least {speeds[0]:.2f}, median "
                f"{statistics.median(speeds):.2f}, most {speeds[-1]:.2f}; {slower} below .95, "
                f"{twice} at least 2"
            )
    return "\n".join(lines)


def draw(results, path):
    """A panel for each optimizer: speed by batch, a line a vocabulary; and one for ten tables."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    one, ten = results["one table"], results["ten tables"]
    optimizers = list(dict.fromkeys(case["optimizer"] for case in one))
    figure, panels = plt.subplots(
        1, len(optimizers) + 1, figsize=(15, 5), sharey=True, constrained_layout=True
    )
    for panel, optimizer in zip(panels, optimizers, strict=False):
        panel.set_title(f"one table, {optimizer}")
        for size in dict.fromkeys(case["vocabulary"] for case in one):
            cases = [c for c in one if (c["vocabulary"], c["optimizer"]) == (size, optimizer)]
            line(panel, cases, f"{size:,} words")
    panels[-1].set_title("ten tables of 1 to 32 dimensions")
    for optimizer in optimizers:
        line(panels[-1], [case for case in ten if case["optimizer"] == optimizer], optimizer)
    for panel in panels:
        panel.axhline(1, color="black", linewidth=0.8)
        panel.set(xscale="log", yscale="log", xlabel="ids in a batch (of each table)")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.legend(fontsize="small")
    panels[0].set_ylabel("training steps, times as fast as Keras")
    figure.savefig(path, dpi=120)


def line(panel, cases, label):
    """The geometric mean over dims and distributions, and between least and most a shade."""
    batches = sorted({case["batch"] for case in cases})
    speeds = [[case["speed"] for case in cases if case["batch"] == batch] for batch in batches]
    (drawn,) = panel.plot(
        batches, [statistics.geometric_mean(s) for s in speeds], "o-", label=label
    )
    least, most = [min(s) for s in speeds], [max(s) for s in speeds]
    panel.fill_between(batches, least, most, color=drawn.get_color(), alpha=0.1)


if __name__ == "__main__":
    main()
