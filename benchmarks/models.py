"""Quantizes models of many kinds at 3 bits, saves them, loads them packed, and compares outputs.

    python -m benchmarks.models
    python -m benchmarks.models --only gpt2 lstm --data FOLDER

Each model is quantized in one fresh process and loaded in another. Weights are random but for the
LSTM classifier, which is trained on SST-2 where --data names a folder with stsa.binary.train and
stsa.binary.test (a label and a sentence a line); its accuracy is that of the float, the quantized
and the packed model.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
BITS = 3
SEED = 0
COLUMNS = {
    "model": "",
    "weights": "weights",
    "float_mb": "float MB",
    "file_mb": "file MB",
    "packed_mb": "packed MB",
    "quantize_s": "quantize, s",
    "peak": "peak memory / float",
    "load_s": "load packed, s",
    "process": "process grows by, MB: float, packed",
    "difference": "difference",
    "accuracy": "accuracy: float, quantized, packed",
}


def main():
    options = parse_arguments()
    if options.step:
        print(json.dumps(STEPS[options.step](options)))
        return
    lines = [measure(name, options) for name in options.only or MODELS]
    print(json.dumps(lines, indent=2)) if options.json else Console(width=180).print(
        make_table(lines)
    )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=list(MODELS), help="(all)")
    add("--data", help="folder of SST-2; without it the LSTM is not trained")
    add("--effort", default="full", choices=["full", "low"], help="(%(default)s)")
    add("--json", action="store_true", help="print JSON")
    add("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    add("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(name, options):
    """Both steps of one model, each in a fresh process; a line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        line = {"model": name}
        for step in STEPS:
            command = [sys.executable, "-m", "benchmarks.models", "--step", step, "--only", name]
            command += ["--folder", folder, "--effort", options.effort]
            command += ["--data", options.data] if options.data else []
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            result = json.loads(done.stdout.splitlines()[-1])
            for key in ("accuracy", "process"):
                line[key] = line.get(key, []) + result.pop(key, [])
            line |= result
    print(line, file=sys.stderr)
    return line


def make_table(lines):
    table = Table(title=f"{BITS} bits, alternating solver")
    for title in COLUMNS.values():
        table.add_column(title, justify="right" if title else "left")
    for line in lines:
        table.add_row(*(as_text(line[key]) for key in COLUMNS))
    return table


def as_text(value):
    if isinstance(value, list):
        return ", ".join(f"{part:.3f}" for part in value) or "-"
    if isinstance(value, float):
        return f"{value:.2g}" if value < 1e-2 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value


# Models


def gpt2():
    """GPT-2 base of KerasHub."""
    import keras_hub

    return keras_hub.models.GPT2Backbone(50257, 12, 12, 768, 3072, max_sequence_length=1024)


def bert():
    """BERT base of KerasHub."""
    import keras_hub

    return keras_hub.models.BertBackbone(30522, 12, 12, 768, 3072)


def mobilenet():
    """MobileNetV2 of keras.applications: most weights in convolutions of kernel size 1."""
    import keras

    return keras.applications.MobileNetV2(weights=None, classifier_activation=None)


def resnet():
    """ResNet50 of keras.applications."""
    import keras

    return keras.applications.ResNet50(weights=None, classifier_activation=None)


def lstm():
    """A classifier of sentences, embedding and LSTM."""
    import keras
    from keras import layers

    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 128, mask_zero=True)(ids)
    x = layers.Dropout(0.5)(layers.LSTM(128)(layers.Dropout(0.5)(x)))
    return keras.Model(ids, layers.Dense(1, "sigmoid")(x))


def bidirectional_gru():
    """Bidirectional GRUs over an embedding, a dense layer at each position."""
    import keras
    from keras import layers

    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 256)(ids)
    for _ in range(2):
        x = layers.Bidirectional(layers.GRU(256, return_sequences=True))(x)
    return keras.Model(ids, layers.TimeDistributed(layers.Dense(1000))(x))


def transformer(name):
    """The example's translation model, a subclass of keras.Model, of hparams/<name>.json."""
    from transformer.hparams import load
    from transformer.model import Transformer

    shape = load(ROOT / f"hparams/{name}.json").to_dict()
    names = "source_vocabulary_size target_vocabulary_size num_layers d_model dff num_heads key_dim"
    sizes = [shape[key] for key in names.split()]
    model = Transformer(*sizes, tie_embeddings=shape["tie_embeddings"])
    model.build()
    return model


def random_ids(vocabulary, *shape):
    import numpy as np

    return np.random.default_rng(SEED).integers(1, vocabulary, shape).astype("int32")


def random_images():
    import numpy as np

    return np.random.default_rng(SEED).normal(size=(2, 224, 224, 3)).astype("float32")


# Inputs of a forward pass; those of a custom class import it


def gpt2_inputs():
    import keras_hub  # noqa: F401
    import numpy as np

    return {"token_ids": random_ids(50257, 2, 24), "padding_mask": np.ones((2, 24), "int32")}


def bert_inputs():
    import keras_hub  # noqa: F401

    ids = random_ids(30522, 2, 24)
    return {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}


def sentences():
    return random_ids(VOCABULARY, 4, 20)


def two_languages():
    import transformer.model  # noqa: F401

    return [random_ids(7000, 2, 12), random_ids(7000, 2, 12)]


MODELS = {
    "gpt2": (gpt2, gpt2_inputs),
    "bert": (bert, bert_inputs),
    "mobilenet": (mobilenet, random_images),
    "resnet": (resnet, random_images),
    "lstm": (lstm, sentences),
    "bidirectional_gru": (bidirectional_gru, sentences),
    "base.json": (functools.partial(transformer, "base"), two_languages),
    "small.json": (functools.partial(transformer, "small"), two_languages),
}
VOCABULARY = 15_000


# Steps, each in a process of its own


def quantize_step(options):
    """Builds the model, trains it where there is data, quantizes it into a file."""
    import keras
    import numpy as np

    import bcq_tf

    keras.utils.set_random_seed(SEED)
    keras.layers.Dense(3).build((None, 4))  # so that TensorFlow has started
    make_model, make_inputs = MODELS[options.only[0]]
    model, x = make_model(), make_inputs()
    sst2 = read_sst2(options.data) if options.data and options.only == ["lstm"] else None
    accuracy = [train(model, sst2)] if sst2 else []
    folder = Path(options.folder)
    started = time.perf_counter()
    with PeakMemory() as peak:
        bcq_tf.quantize_model(model, BITS, effort=options.effort, filepath=folder / "model.bcq.npy")
    seconds = time.perf_counter() - started
    if sst2:
        accuracy.append(score(model, sst2))
    np.save(folder / "y.npy", outputs(model, x))
    nbytes = sum(variable.numpy().nbytes for variable in model.weights)
    return {
        "weights": model.count_params(),
        "float_mb": nbytes / 1e6,
        "file_mb": (folder / "model.bcq.npy").stat().st_size / 1e6,
        "quantize_s": seconds,
        "peak": (peak.highest - peak.before + nbytes) / nbytes,
        "accuracy": accuracy,
    }


def load_step(options):
    """Loads the file as a packed model and compares."""
    import numpy as np

    model, x, seconds, process = load(options, packed=True)
    expected = np.load(Path(options.folder) / "y.npy")
    difference = np.abs(outputs(model, x) - expected).max() / np.abs(expected).max()
    result = {
        "packed_mb": sum(variable.numpy().nbytes for variable in model.weights) / 1e6,
        "load_s": seconds,
        "process": [process],
        "difference": float(difference),
    }
    if options.data and options.only == ["lstm"]:
        result["accuracy"] = [score(model, read_sst2(options.data))]
    return result


def load_float_step(options):
    """Loads the file as a float model, for the memory that this takes."""
    return {"process": [load(options, packed=False)[-1]]}


def load(options, packed):
    """The model of the file, its inputs, the seconds and the MB of memory that loading took."""
    import keras

    import bcq_tf

    _, make_inputs = MODELS[options.only[0]]
    x = make_inputs()
    keras.layers.Dense(3).build((None, 4))  # so that TensorFlow has started
    before, started = memory(), time.perf_counter()
    model = bcq_tf.load_model(Path(options.folder) / "model.bcq.npy", packed=packed)
    seconds = time.perf_counter() - started
    return model, x, seconds, (memory() - before) / 1e6


STEPS = {"quantize": quantize_step, "load_float": load_float_step, "load": load_step}


def outputs(model, x):
    """All outputs of a model as one vector."""
    import keras
    import numpy as np

    return np.concatenate([np.ravel(y) for y in keras.tree.flatten(model(x))])


class PeakMemory:
    """Watches the memory of this process: `before`, and the `highest` until the context ends."""

    def __enter__(self):
        self.before = self.highest = memory()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.002):
            self.highest = max(self.highest, memory())


def memory():
    """Bytes of memory that this process has taken, without what is mapped from files."""
    with open("/proc/self/status", encoding="ascii") as status:
        lines = [line.split() for line in status if line.startswith(("RssAnon", "VmSwap"))]
    return 1024 * sum(int(line[1]) for line in lines)


# SST-2


def read_sst2(folder):
    """((ids, labels) of training, (ids, labels) of test); words by frequency, from 2."""
    parts = [read_sentences(Path(folder) / f"stsa.binary.{part}") for part in ("train", "test")]
    counts = {}
    for _, words in parts[0]:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    frequent = sorted(counts, key=counts.get, reverse=True)[: VOCABULARY - 2]
    numbers = {word: i + 2 for i, word in enumerate(frequent)}
    return [as_arrays(part, numbers) for part in parts]


def read_sentences(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(int(line[0]), line[2:].split()) for line in lines]


def as_arrays(sentences, numbers, length=50):
    import numpy as np

    ids = np.zeros((len(sentences), length), "int32")
    for row, (_, words) in zip(ids, sentences, strict=True):
        known = [numbers.get(word, 1) for word in words[:length]]
        row[: len(known)] = known
    return ids, np.array([label for label, _ in sentences])


def train(model, sentences):
    """Trains the classifier; returns its accuracy on the test sentences."""
    import keras

    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy")
    model.fit(*sentences[0], batch_size=64, epochs=4, verbose=0)
    return score(model, sentences)


def score(model, sentences):
    ids, labels = sentences[1]
    return float(((model.predict(ids, verbose=0)[:, 0] > 0.5) == labels).mean())


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
