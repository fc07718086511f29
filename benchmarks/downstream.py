"""What compressed word vectors cost the models that read them: text classifiers on frozen vectors.

    python -m benchmarks.downstream glove.6B.50d.txt.gz --data FOLDER --results downstream.json

FOLDER has `sst2` (stsa.binary.train, .dev, .test) and `trec` (TREC.train.all, TREC.test.all): a
label and a sentence a line. A bidirectional LSTM reads the frozen vectors from their codes;
the epoch of the best accuracy on the development set (for TREC a tenth of the training set) is
tested. Runs that the results file already has are not done again.
"""

import json
import os
import statistics
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bcq_tf.embeddings import read_vectors
from bcq_tf.embeddings.compression import compress, most_codebooks
from bcq_tf.files.atomic import replacing
from benchmarks.sentences import PADDING, TASKS, UNKNOWN, batches, make_parser, read_task

METHODS = (
    ("float", None),
    ("uniform", 1),
    ("uniform", 2),
    ("uniform", 4),
    ("binary", 1),
    ("binary", 2),
    ("binary", 3),
    ("compositional", 1),
    ("compositional", 2),
)
UNITS, DROPOUT, EPOCHS, LEARNING_RATE = 64, 0.3, 10, 2e-3
ENTRIES = 16  # of a codebook; as many codebooks as fit into the bytes of uniform codes


def main():
    options = parse_arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    vectors = read_vectors(options.vectors)
    results = Path(options.results)
    done = json.loads(results.read_text()) if results.exists() else []
    tasks = {name: read_task(name, Path(options.data), vectors) for name in options.tasks}
    for method, bits in METHODS:
        codes = None
        if options.methods and method not in options.methods:
            continue
        for name, data in tasks.items():
            for seed in options.seeds:
                run = {"method": method, "bits": bits, "task": name, "seed": seed}
                if any(run.items() <= line.items() for line in done):
                    continue
                codes = make_codes(vectors.matrix, method, bits) if codes is None else codes
                run |= {"nbytes": codes.nbytes, "accuracy": train(data, codes, seed)}
                done.append(run)
                with replacing(results) as path:
                    Path(path).write_text(json.dumps(done, indent=1))
                print(json.dumps(run), flush=True)
    Console(width=120).print(make_table(done))


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument("--methods", nargs="+", help="(all)")
    return parser.parse_args()


def make_codes(matrix, method, bits):
    """The codes of the table: padding and unknown words are rows of zeros."""
    table = np.concatenate([np.zeros((UNKNOWN + 1, matrix.shape[1]), matrix.dtype), matrix])
    if method == "float":
        return table
    if method == "compositional":
        nbytes = compress(table, "uniform", bits=bits).nbytes
        return compress(table, method, M=most_codebooks(nbytes, table.shape, ENTRIES), K=ENTRIES)
    return compress(table, method, bits=bits)


def train(data, codes, seed) -> float:
    """Accuracy on the test set, in percent, of the epoch that is best on the development set."""
    import keras

    keras.utils.set_random_seed(seed)
    classes = int(data["train"][1].max()) + 1
    inputs = keras.Input((None,), dtype="int32")
    read = keras.layers.Bidirectional(keras.layers.LSTM(UNITS))
    hidden = read(frozen_layer(codes)(inputs), mask=keras.ops.not_equal(inputs, PADDING))
    model = keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Dropout(DROPOUT)(hidden)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=False)
    best = accuracy = 0.0
    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        for sentences, labels in batches(*data["train"], rng):
            model.train_on_batch(sentences, labels)
        found = evaluate(model, data["dev"])
        if found > best:
            best, accuracy = found, evaluate(model, data["test"])
    return accuracy


def frozen_layer(codes):
    """The embedding layer that reads these codes; of a float array a Keras one."""
    import keras

    import bcq_tf
    from bcq_tf import layers

    kinds = {
        bcq_tf.BinaryCodes: layers.BCQEmbedding,
        bcq_tf.UniformCodes: layers.UniformEmbedding,
        bcq_tf.CompositionalCodes: layers.CompositionalEmbedding,
    }
    if type(codes) in kinds:
        layer = kinds[type(codes)].from_codes(codes)
    else:
        layer = keras.layers.Embedding(*codes.shape, weights=[codes])
    layer.trainable = False
    return layer


def evaluate(model, data) -> float:
    """Accuracy in percent."""
    right = [
        np.argmax(model.predict_on_batch(sentences), -1) == labels
        for sentences, labels in batches(*data)
    ]
    return 100 * float(np.concatenate(right).mean())


def make_table(done):
    """A line a method: mean accuracy and the range of the seeds, for each task."""
    tasks = [task for task in TASKS if any(line["task"] == task for line in done)]
    table = Table("vectors", "bits", "bytes", *tasks, title="Test accuracy, %: mean (range)")
    for method, bits in METHODS:
        lines = [line for line in done if (line["method"], line["bits"]) == (method, bits)]
        if not lines:
            continue
        cells = [
            describe([line["accuracy"] for line in lines if line["task"] == task]) for task in tasks
        ]
        table.add_row(method, str(bits or 32), f"{lines[0]['nbytes']:,}", *cells)
    return table


def describe(values):
    """Mean and range as text."""
    if not values:
        return ""
    return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
