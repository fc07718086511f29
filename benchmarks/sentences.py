"""The sentences of SST-2 and TREC as rows of a table of word vectors.

Folder: `sst2` (stsa.binary.train, .dev, .test) and `trec` (TREC.train.all, TREC.test.all), a label
and a sentence a line.
"""

import argparse

import numpy as np

TASKS = ("sst2", "trec")
BATCH = 50
PADDING, UNKNOWN = 0, 1  # rows of the table before those of the words


def make_parser(description):
    """A parser with what all of these benchmarks ask for."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("vectors", help="file of word vectors")
    add("--data", required=True, help="folder with sst2 and trec")
    add("--results", required=True, help="JSON file of the runs, also read")
    add("--tasks", nargs="+", default=TASKS, choices=TASKS, help="(both)")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(0 1 2)")
    return parser


def read_task(name, folder, vectors):
    """{"train", "dev", "test": (rows of the table for each sentence, labels)}."""
    if name == "sst2":
        parts = {
            part: read_sentences(folder / "sst2" / f"stsa.binary.{part}", vectors, "utf-8")
            for part in ("train", "dev", "test")
        }
    else:
        sentences, labels = read_sentences(folder / "trec" / "TREC.train.all", vectors, "latin-1")
        order = np.random.default_rng(0).permutation(len(labels))
        dev, train = order[: len(order) // 10], order[len(order) // 10 :]
        parts = {
            part: ([sentences[i] for i in chosen], labels[chosen])
            for part, chosen in (("train", train), ("dev", dev))
        }
        parts["test"] = read_sentences(folder / "trec" / "TREC.test.all", vectors, "latin-1")
    return parts


def read_sentences(path, vectors, encoding):
    """Rows of the table for each sentence, and the labels."""
    lines = [line.split() for line in path.read_text(encoding).splitlines() if line.strip()]
    row = {word: i + UNKNOWN + 1 for i, word in enumerate(vectors.words)}
    sentences = [[row.get(word.lower(), UNKNOWN) for word in line[1:]] for line in lines]
    return sentences, np.array([int(line[0]) for line in lines])


def batches(sentences, labels, rng=None):
    """Padded batches of sentences of like length; in random order where `rng` is given."""
    order = np.argsort([len(s) + (rng.random() if rng else 0) for s in sentences], kind="stable")
    parts = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    for part in rng.permutation(len(parts)) if rng else range(len(parts)):
        chosen = parts[part]
        width = -(-max(len(sentences[i]) for i in chosen) // 4) * 4  # few shapes, few traces
        padded = np.full((len(chosen), width), PADDING, np.int32)
        for line, i in zip(padded, chosen, strict=True):
            line[: len(sentences[i])] = sentences[i]
        yield padded, labels[chosen]
