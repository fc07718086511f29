"""Sentences to token ids and back, exactly."""

import keras
import numpy as np
import pytest

from tests.transformer.conftest import make_hparams, make_pairs
from transformer import corpus
from transformer.errors import UserError
from transformer.vocabulary import END, PAD, START, Vocabularies, Vocabulary

AWKWARD = [
    "",
    " ",
    "  two  spaces ",
    "tab\tand\rreturn",
    "e\u0301 is not é",
    "日本語 😀",
    "\u00a0\u3000ﬁ\ufeff\ufffd",
    "<s></s><pad><unk><0x41>",
    "null \x00 byte",
]


def round_trip(vocabulary, sentences):
    return vocabulary.decode(vocabulary.encode(sentences).to_tensor(PAD))


@pytest.fixture(scope="module")
def demo():
    return corpus.load_corpus("demo")


@pytest.mark.parametrize("language", ["source", "target"])
def test_every_sentence_of_the_demo_comes_back_exactly(demo, language):
    vocabulary = Vocabulary.train(getattr(demo.train, language), 4000)
    assert vocabulary.size == 4000
    for split in (demo.train, demo.val, demo.test):
        sentences = getattr(split, language)
        assert round_trip(vocabulary, sentences) == sentences


@pytest.mark.parametrize("sentence", AWKWARD, ids=repr)
def test_a_sentence_unlike_the_training_text_comes_back_exactly(vocabularies, sentence):
    assert round_trip(vocabularies.source, [sentence]) == [sentence]


def test_ordinary_text_gives_none_of_the_special_tokens(vocabularies):
    ids = vocabularies.source.encode(AWKWARD).flat_values.numpy()
    assert not set(ids) & {PAD, START, END}


def test_decoding_stops_at_end_and_at_padding(vocabularies):
    casa, gato = vocabularies.source.encode(["casa", "gato"]).to_list()
    rows = [[*casa, END, *gato], [*casa, PAD, *gato], [END, *casa], [*casa, *gato]]
    width = max(map(len, rows))
    ids = np.array([row + [PAD] * (width - len(row)) for row in rows], "int32")
    assert vocabularies.source.decode(ids) == ["casa", "casa", "", "casagato"]


def test_size_is_an_upper_bound():
    assert Vocabulary.train(["a b", "a c"], 5000).size < 300


def test_training_is_deterministic():
    first, second = (Vocabulary.train(make_pairs(40).source, 290) for _ in range(2))
    assert first.model_bytes == second.model_bytes


def test_a_size_without_room_for_bytes_is_refused():
    with pytest.raises(UserError, match="vocabulary of 100 tokens"):
        Vocabulary.train(["a b c"], 100)


def test_setting_a_seed_does_not_break_a_vocabulary(vocabularies):
    keras.utils.set_random_seed(1)
    assert round_trip(vocabularies.target, ["green cat."]) == ["green cat."]


def test_both_vocabularies_are_saved_and_loaded(tmp_path, corpus):
    saved = Vocabularies.train(corpus.train, make_hparams())
    saved.save(tmp_path)
    loaded = Vocabularies.load(tmp_path)
    assert loaded.source.model_bytes == saved.source.model_bytes
    assert loaded.target.model_bytes == saved.target.model_bytes
    assert {path.name for path in tmp_path.iterdir()} == {"source.spm", "target.spm"}


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text"])
def test_a_missing_or_damaged_file_is_named(tmp_path, vocabularies, damage):
    vocabularies.save(tmp_path)
    path = tmp_path / "source.spm"
    if damage == "missing":
        path.unlink()
    else:
        half = path.read_bytes()[: path.stat().st_size // 2]
        path.write_bytes({"empty": b"", "truncated": half, "text": b"hello"}[damage])
    with pytest.raises(UserError, match=r"source\.spm"):
        Vocabularies.load(tmp_path)
