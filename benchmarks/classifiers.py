"""Small text classifiers, quantized by latent training: an LSTM and convolutions on SST-2 and TREC.

    python -m benchmarks.classifiers glove.6B.50d.txt.gz --data FOLDER --results classifiers.json

FOLDER: see benchmarks/sentences.py. A model trains as floats, its word vectors too, which begin as
those of the file. From there it trains on, as long again, as floats and with every weight quantized
to 3, 2 and 1 bits; all with one learning rate, which falls to 0. The epoch of the best accuracy on
the development set (for TREC a tenth of the training set) is tested. Runs that the results file
already has are not done again.
"""

import json
import os
import statistics
from pathlib import Path

import numpy as np
from rich.console import Console

from bcq_tf.embeddings import read_vectors
from bcq_tf.files.atomic import replacing
from benchmarks.result_table import result_table
from benchmarks.sentences import BATCH, PADDING, UNKNOWN, batches, make_parser, read_task

MODELS = ("LSTM", "convolutions")
WAYS = {"float": None, "float on": None, "3 bits": 3, "2 bits": 2, "1 bit": 1}
FIRST = "float"  # what all others begin from
EPOCHS, LEARNING_RATE, DROPOUT = 10, 2e-3, 0.5
FIELDS = ("task", "model", "way", "bits", "accuracy", "lowest", "highest")
HEADINGS = {"bits": "bits a weight", "accuracy": "accuracy, %"}


def main():
    options = parse_arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    vectors = read_vectors(options.vectors)
    results = Path(options.results)
    done = json.loads(results.read_text()) if results.exists() else []
    for task in options.tasks:
        data = read_task(task, Path(options.data), vectors)
        for model in options.models:
            for seed in options.seeds:
                run = {"task": task, "model": model, "seed": seed}
                if any(run.items() <= line.items() for line in done):
                    continue
                found = measure(model, vectors.matrix, data, seed)
                done += [run | {"way": way} | values for way, values in found.items()]
                with replacing(results) as path:
                    Path(path).write_text(json.dumps(done, indent=1))
    title = f"Accuracy on the test set, seeds {' '.join(map(str, options.seeds))}"
    Console(width=120).print(result_table(title, FIELDS, HEADINGS, summaries(done)))


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, help="(both)")
    return parser.parse_args()


def measure(name, vectors, data, seed):
    """{way: {"bits", "accuracy"}}, bits a weight and percent, of one model."""
    import keras

    keras.utils.set_random_seed(seed)
    model = make_model(name, vectors, classes=int(data["train"][1].max()) + 1)
    found, floats = {}, None
    for way, bits in WAYS.items():
        keras.utils.set_random_seed(seed)
        if floats is not None:
            model.set_weights(floats)
        size = train(model, data, bits, seed)
        floats = model.get_weights() if way == FIRST else floats
        found[way] = {"bits": size, "accuracy": accuracy(model, data["test"])}
        print(f"{name}, seed {seed}, {way}: {found[way]['accuracy']:.2f}", flush=True)
    return found


def make_model(name, vectors, classes):
    """A classifier of sentences, given as rows of its table: those of `vectors` and two more."""
    import keras
    from keras import layers

    table = np.concatenate([np.zeros((UNKNOWN + 1, vectors.shape[1]), "float32"), vectors])
    inputs = keras.Input((None,), dtype="int32")
    words = layers.Embedding(*table.shape, weights=[table])(inputs)
    if name == "LSTM":
        mask = keras.ops.not_equal(inputs, PADDING)
        read = layers.Bidirectional(layers.LSTM(64))(layers.Dropout(DROPOUT)(words), mask=mask)
    else:  # Kim 2014
        pooled = [
            layers.GlobalMaxPooling1D()(
                layers.Conv1D(64, width, padding="same", activation="relu")(words)
            )
            for width in (3, 4, 5)
        ]
        read = layers.Concatenate()(pooled)
    return keras.Model(inputs, layers.Dense(classes)(layers.Dropout(DROPOUT)(read)))


def train(model, data, bits, seed) -> float:
    """Trains on, and leaves the best epoch's weights; returns bits a weight."""
    import keras

    import bcq_tf

    steps = EPOCHS * -(-len(data["train"][1]) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    if bits:
        best = bcq_tf.BCQCallback(
            bits=bits, latent=True, every_n_steps=100, monitor="val_accuracy", mode="max"
        )
    else:
        best = keras.callbacks.EarlyStopping(
            monitor="val_accuracy", mode="max", patience=EPOCHS, restore_best_weights=True
        )
    validation = dataset(*data["dev"])
    model.fit(
        dataset(*data["train"], np.random.default_rng(seed)),
        epochs=EPOCHS, validation_data=validation, callbacks=[best], verbose=0,
    )  # fmt: skip
    return best.report.bits_per_weight if bits else 32.0


def dataset(sentences, labels, rng=None):
    """A `tf.data.Dataset` of batches, others in each epoch where `rng` is given."""
    import tensorflow as tf

    signature = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int64)
    made = tf.data.Dataset.from_generator(
        lambda: batches(sentences, labels, rng), output_signature=signature
    )
    return made.apply(tf.data.experimental.assert_cardinality(-(-len(labels) // BATCH)))


def accuracy(model, data) -> float:
    """In percent."""
    return 100 * model.evaluate(dataset(*data), verbose=0, return_dict=True)["accuracy"]


def summaries(done):
    """A line for each task, model and way, over the seeds."""
    found = {}
    for line in done:
        found.setdefault((line["task"], line["model"], line["way"]), []).append(line)
    return [
        {
            "task": task, "model": model, "way": way,
            "bits": statistics.mean(line["bits"] for line in lines),
            "accuracy": statistics.mean(line["accuracy"] for line in lines),
            "lowest": min(line["accuracy"] for line in lines),
            "highest": max(line["accuracy"] for line in lines),
        }
        for (task, model, way), lines in found.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main()
