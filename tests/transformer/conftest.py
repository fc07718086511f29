"""A few invented sentences and the smallest model that shows everything."""

import keras
import pytest

from transformer.corpus import Corpus, Pairs
from transformer.hparams import Hparams
from transformer.model import build_model
from transformer.vocabulary import Vocabularies

WORDS = [
    ("casa", "house"),
    ("gato", "cat"),
    ("verde", "green"),
    ("água", "water"),
    ("rio", "river"),
]


def make_hparams(**changes):
    values = {
        "num_layers": 2,
        "d_model": 16,
        "dff": 32,
        "num_heads": 2,
        "key_dim": 8,
        "dropout_rate": 0.1,
        "tie_embeddings": True,
        "source_vocabulary_size": 300,
        "target_vocabulary_size": 300,
        "label_smoothing": 0.1,
        "batch_tokens": 64,
        "max_tokens": 24,
        "epochs": 2,
        "warmup_steps": 20,
        "decay": "noam",
    }
    return Hparams(**{**values, **changes})


def make_pairs(count, start=0):
    """Sentences of one to four words, from the digits of a running number."""
    source, target = [], []
    for number in range(start, start + count):
        digits = [(number // 5**place) % 5 for place in range(1 + number % 4)]
        source.append(" ".join(WORDS[digit][0] for digit in digits) + ".")
        target.append(" ".join(WORDS[digit][1] for digit in digits) + ".")
    return Pairs(source, target)


@pytest.fixture(scope="session")
def corpus():
    return Corpus(make_pairs(60), make_pairs(10, start=60), make_pairs(10, start=70))


@pytest.fixture(scope="session")
def vocabularies(corpus):
    return Vocabularies.train(corpus.train, make_hparams())


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def model(request, vocabularies):
    """An untrained model whose weights are large enough for definite preferences, to stay so."""
    keras.utils.set_random_seed(0)
    return make_model(vocabularies, tie_embeddings=request.param)


def make_model(vocabularies, **changes):
    model = build_model(make_hparams(**changes), vocabularies)
    model.set_weights([weight * 2 if weight.ndim > 1 else weight for weight in model.get_weights()])
    return model
