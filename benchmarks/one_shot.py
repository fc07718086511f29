"""Models quantized after training, without training on: equal bits, calibrated, and a budget.

A convolutional network on scikit-learn's digits (8 x 8, enlarged to 16 x 16; a third is the test
set), and, where --data names a folder with stsa.binary.train and stsa.binary.test, an LSTM
classifier of the sentences of SST-2. Samples to calibrate with are of the training sets.

    python -m benchmarks.one_shot --data FOLDER --json one_shot.json

`pip install scikit-learn` for the digits.
"""

import argparse
import functools
import json
import os
import statistics
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks import models
from benchmarks.result_table import result_table

SAMPLES = 512  # to calibrate with
WAYS = {
    "float": None,
    "3 bits": {"bits": 3},
    "3 bits, calibrated": {"bits": 3, "calibrated": True},
    "2 bits": {"bits": 2},
    "2 bits, calibrated": {"bits": 2, "calibrated": True},
    "1 bit": {"bits": 1},
    "1 bit, calibrated": {"bits": 1, "calibrated": True},
    "budget of 3 bits": {"budget": 3.0, "calibrated": True},
    "budget of 2 bits": {"budget": 2.0, "calibrated": True},
}
FIELDS = ("model", "way", "bits", "accuracy", "lowest", "highest")
HEADINGS = {"bits": "bits a weight", "accuracy": "accuracy, %"}


def main():
    options = parse_arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    cases = {"convolutions, digits": (digits, convolutions, 20)}
    if options.data:
        cases["LSTM, SST-2"] = (functools.partial(models.read_sst2, options.data), models.lstm, 4)
    results = []
    for name, case in cases.items():
        by_seed = [measure(*case, seed) for seed in options.seeds]
        results += [summary(name, way, [found[way] for found in by_seed]) for way in WAYS]
        if options.json:
            options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    title = f"Accuracy on the test set, seeds {' '.join(map(str, options.seeds))}"
    Console(width=120).print(result_table(title, FIELDS, HEADINGS, results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", help="folder of SST-2")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(0 1 2)")
    add("--json", type=Path, help="file that the results are written to")
    return parser.parse_args()


def digits():
    """((images, labels) of training, (images, labels) of test)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = found.images.astype("float32").repeat(2, axis=1).repeat(2, axis=2)[..., None] / 16
    order = np.random.default_rng(0).permutation(len(images))
    test, train = order[: len(order) // 3], order[len(order) // 3 :]
    return [(images[part], found.target[part]) for part in (train, test)]


def convolutions():
    """A small classifier of images of 16 x 16."""
    import keras
    from keras import layers

    x = images = keras.Input((16, 16, 1))
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D()(
            layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
        )
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(images, layers.Dense(10, "softmax")(x))


def measure(read, build, epochs, seed):
    """{way: (bits a weight, accuracy in percent)} of a model that is trained once."""
    import keras

    import bcq_tf

    keras.utils.set_random_seed(seed)
    train, test = read()
    model = build()
    binary = model.output_shape[-1] == 1
    loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
    model.fit(*train, batch_size=64, epochs=epochs, verbose=0)
    floats, samples = model.get_weights(), train[0][:SAMPLES]
    found = {}
    for way, settings in WAYS.items():
        model.set_weights(floats)
        bits = 32.0
        if settings:
            given = {k: v for k, v in settings.items() if k != "calibrated"}
            if settings.get("calibrated"):
                given["calibration"] = samples
            bits = bcq_tf.quantize_model(model, **given).bits_per_weight
        found[way] = bits, 100 * model.evaluate(*test, verbose=0)[1]
        print(f"seed {seed}, {way}: {found[way][1]:.2f}", flush=True)
    return found


def summary(model, way, found):
    bits, accuracy = zip(*found, strict=True)
    return {
        "model": model,
        "way": way,
        "bits": statistics.mean(bits),
        "accuracy": statistics.mean(accuracy),
        "lowest": min(accuracy),
        "highest": max(accuracy),
    }


if __name__ == "__main__":
    main()
