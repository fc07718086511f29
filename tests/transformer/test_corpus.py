"""Where sentences come from, and which input is refused."""

import sys
import types

import pytest
import tensorflow as tf

from transformer import corpus
from transformer.errors import UserError

FILES = [f"{split}.{language}" for split in ("train", "val", "test") for language in ("pt", "en")]


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).write_text(f"{name} 1\n{name} 2 é\n", encoding="utf-8")
    return tmp_path


def test_a_folder_gives_its_lines_in_order(folder):
    loaded = corpus.load_corpus(str(folder))
    assert loaded.train == corpus.Pairs(
        ["train.pt 1", "train.pt 2 é"], ["train.en 1", "train.en 2 é"]
    )
    assert loaded.val.source[0] == "val.pt 1"
    assert loaded.test.target[1] == "test.en 2 é"


def test_line_ends_may_be_crlf_and_the_last_may_be_absent(folder):
    (folder / "val.pt").write_bytes(b"a\r\nb")
    assert corpus.load_corpus(str(folder)).val.source == ["a", "b"]


def test_other_line_separators_do_not_end_a_line(folder):
    (folder / "val.pt").write_text("a\u2028b\x0cc\n\x85d\n", encoding="utf-8")
    assert corpus.load_corpus(str(folder)).val.source == ["a\u2028b\x0cc", "\x85d"]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        corpus.load_corpus(str(folder))


def test_an_empty_file_is_named(folder):
    (folder / "test.en").write_bytes(b"")
    with pytest.raises(UserError, match=r"test\.en is empty"):
        corpus.load_corpus(str(folder))


def test_unequal_line_counts_are_named_with_both_files(folder):
    (folder / "val.en").write_text("one\n")
    with pytest.raises(UserError, match=r"val\.pt has 2 lines but .*val\.en has 1"):
        corpus.load_corpus(str(folder))


def test_invalid_utf8_is_named_with_file_and_line(folder):
    (folder / "train.en").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(UserError, match=r"train\.en, line 2: not valid UTF-8"):
        corpus.load_corpus(str(folder))


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        corpus.load_corpus(str(tmp_path / "nowhere"))


def test_the_demo_has_all_pairs_in_three_splits():
    demo = corpus.load_corpus("demo")
    assert (len(demo.train), len(demo.val), len(demo.test)) == (11722, 500, 1000)
    assert ("Sou eu.", "It's me.") in set(zip(demo.train.source, demo.train.target, strict=True))


def test_no_sentence_of_the_demo_is_in_two_splits():
    demo = corpus.load_corpus("demo")
    for side in ("source", "target"):
        train, val, test = (
            set(getattr(split, side)) for split in (demo.train, demo.val, demo.test)
        )
        assert not train & val
        assert not train & test
        assert not val & test


def test_tfds_gives_train_validation_and_test_in_order(monkeypatch):
    def load(name, split, as_supervised):
        assert (name, as_supervised) == ("some/pt_to_en", True)
        return [
            tf.data.Dataset.range(3000).map(
                lambda i, part=part: tuple(part + side + tf.strings.as_string(i) for side in "éx")
            )
            for part in split
        ]

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", types.SimpleNamespace(load=load))
    loaded = corpus.load_corpus("tfds:some/pt_to_en")
    assert loaded.train.source == [f"trainé{i}" for i in range(3000)]
    assert loaded.val.target == [f"validationx{i}" for i in range(3000)]
    assert len(loaded.test) == 3000


@pytest.mark.filterwarnings("ignore")
def test_the_published_dataset_is_known_to_the_real_loader():
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=3):
        loaded = corpus.load_corpus("tfds:ted_hrlr_translate/pt_to_en")
    assert len(loaded.train) == len(loaded.val) == len(loaded.test) == 3


def test_a_tfds_failure_is_one_line_with_the_name(monkeypatch):
    def load(*args, **kwargs):
        raise RuntimeError("no such builder\nand a long story")

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", types.SimpleNamespace(load=load))
    with pytest.raises(UserError, match="nothing: no such builder$"):
        corpus.load_corpus("tfds:nothing")
