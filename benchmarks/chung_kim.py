"""The bits of Chung and Kim (2020) for a translation model of `pretrain.py`.

Rows of both tables by how often the words occur in the training text, in four clusters of equal
size (their r = 1); the encoder's self-attention 3 bits and feed-forward 4, the decoder's
self-attention 2, cross-attention 3 and feed-forward 1. Prints the bits a weight, scales included.

    python -m benchmarks.chung_kim runs/demo --output rules.json
    python quantize.py --from runs/demo --rules rules.json
"""

import argparse
import json
from pathlib import Path

import numpy as np

import bcq_tf
from transformer import checkpoint, corpus, pipeline

SUBLAYERS = {
    "*encoder_*/self_attention/*": 3,
    "*encoder_*/expand/*": 4,
    "*encoder_*/contract/*": 4,
    "*decoder_*/self_attention/*": 2,
    "*decoder_*/cross_attention/*": 3,
    "*decoder_*/expand/*": 1,
    "*decoder_*/contract/*": 1,
}
RATIO = 1  # of the sizes of clusters


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of pretrain.py")
    parser.add_argument("--output", type=Path, required=True, help="JSON file for the rules")
    options = parser.parse_args()
    print(f"{write_rules(options.run, options.output):.3f} bits a weight")


def write_rules(folder, path) -> float:
    """Writes the rules for the run in a folder; returns the bits a weight that they give."""
    run = checkpoint.load_run(folder)
    sentences = corpus.load_corpus(run.data, run.languages)
    rules = frequency_rules(run, sentences) | SUBLAYERS
    path.write_text(json.dumps(rules), encoding="utf-8")
    return bcq_tf.quantize_model(run.model, rules=rules, effort="low").bits_per_weight


def frequency_rules(run, sentences):
    """{pattern: settings} of the two tables."""
    pairs = pipeline.tokenize_pairs(sentences.train, run.vocabularies, run.hparams.max_tokens)
    sides = {"source": (pairs.source, run.vocabularies.source)}
    sides["target"] = pairs.target, run.vocabularies.target
    return {
        f"*{side}_embedding/*": {
            "row_bits": bcq_tf.bits_by_frequency(
                np.bincount(ids.ravel(), minlength=vocabulary.size), ratio=RATIO
            )
        }
        for side, (ids, vocabulary) in sides.items()
    }


if __name__ == "__main__":
    main()
