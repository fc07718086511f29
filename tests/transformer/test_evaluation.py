"""Translating lists of sentences, and scoring them."""

import keras
import numpy as np
import pytest

from tests.transformer.conftest import make_model
from transformer import evaluation
from transformer.corpus import Pairs
from transformer.errors import UserError


@pytest.fixture(scope="module")
def model(vocabularies):
    keras.utils.set_random_seed(0)
    return make_model(vocabularies)


@pytest.fixture(scope="module")
def translator(model, vocabularies):
    return evaluation.Translator(model, vocabularies)


def test_translations_keep_the_order_of_the_sentences(translator, corpus, monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH_TOKENS", 40)
    together = translator(corpus.test.source)
    assert together == [translator([sentence])[0] for sentence in corpus.test.source]
    assert len(set(together)) > 1


def test_xla_gives_the_same_translations_in_shapes_of_which_there_are_few(
    model, vocabularies, translator, corpus
):
    sentences = corpus.test.source[:5]
    under_xla = evaluation.Translator(model, vocabularies, jit_compile=True)
    expected = translator(sentences)
    assert under_xla(sentences) == expected
    assert under_xla(sentences[:1]) == expected[:1]


@pytest.mark.parametrize(("rows", "padded"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8)])
def test_rows_of_padding_follow_the_batch(rows, padded):
    source = np.random.default_rng(0).integers(4, 99, (rows, 5))
    batch = evaluation.pad_rows(source)
    assert batch.shape == (padded, 5)
    np.testing.assert_array_equal(batch[:rows], source)
    assert not batch[rows:].any()


def test_no_sentence_and_an_empty_sentence_are_translated(translator):
    assert translator([]) == []
    assert len(translator(["", "gato."])) == 2


def test_length_batches_have_every_index_once_longest_first():
    lengths = np.random.default_rng(0).integers(1, 100, 500)
    batches = evaluation.length_batches(lengths)
    order = np.concatenate(batches)
    assert sorted(order) == list(range(500))
    assert np.all(np.diff(lengths[order]) <= 0)
    assert all(len(b) * lengths[b].max() <= evaluation.BATCH_TOKENS for b in batches)


def test_a_sentence_longer_than_the_budget_is_a_batch_of_its_own():
    batches = evaluation.length_batches(np.array([3, 9000, 5]))
    assert [batch.tolist() for batch in batches] == [[1], [2, 0]]


def test_a_perfect_translation_scores_100(model, vocabularies, translator, corpus):
    target = translator(corpus.train.source)
    result = evaluation.evaluate(model, vocabularies, Pairs(corpus.train.source, target))
    assert result.bleu == pytest.approx(100)
    assert result.translations == target
    assert result.sentences_per_second > 0
    assert result.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert str(result).startswith("BLEU 100.00 (nrefs:1")


@pytest.mark.parametrize("beam_size", [0, -1, 1.5])
def test_a_wrong_beam_size_is_named(model, vocabularies, beam_size):
    with pytest.raises(UserError, match=f"`beam_size`.*beam_size={beam_size}"):
        evaluation.Translator(model, vocabularies, beam_size)
