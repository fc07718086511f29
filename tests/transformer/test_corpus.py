"""Where sentences come from, and which input is refused."""

import sys
import types

import pytest
import tensorflow as tf

from transformer import corpus, tfds_corpus
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


@pytest.mark.parametrize("direction", [("pt", "en"), ("en", "pt")])
def test_the_demo_goes_in_both_directions(direction):
    demo = corpus.load_corpus("demo", direction)
    pairs = corpus.load_corpus("demo").test
    assert getattr(demo.test, "source" if direction[0] == "pt" else "target") == pairs.source
    assert len(demo.train) == 11722


def test_a_folder_of_other_languages(tmp_path):
    for split in corpus.SPLITS:
        (tmp_path / f"{split}.es").write_text(f"{split} hola\n", encoding="utf-8")
        (tmp_path / f"{split}.zh-Hant").write_text(f"{split} hello\n", encoding="utf-8")
    loaded = corpus.load_corpus(str(tmp_path), ("es", "zh-Hant"))
    assert loaded.val == corpus.Pairs(["val hola"], ["val hello"])
    with pytest.raises(UserError, match=r"cannot read .*train\.pt"):
        corpus.load_corpus(str(tmp_path))


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (("es", "en"), "`data` must have the languages es and en. Received: demo, which has pt"),
        (("pt", "pt"), "`target` must be another language than `source`. Received: pt"),
        (("../x", "en"), "`source` must be a language such as pt. Received: '../x'"),
        (("pt", ""), "`target` must be a language such as pt. Received: ''"),
    ],
)
def test_languages_that_are_not_there(languages, message):
    with pytest.raises(UserError, match=message):
        corpus.load_corpus("demo", languages)


class Builder:
    """A data set of two texts, as tensorflow_datasets builds it."""

    data_dir = "somewhere"

    def __init__(self, name, prepared=True):
        self.info = types.SimpleNamespace(features={"es": 0, "en": 1})
        self.is_prepared = lambda: prepared

    def as_dataset(self, split):
        texts = {"es": "é", "en": "x"}
        return [
            tf.data.Dataset.range(3000).map(
                lambda i, part=part: {
                    k: part + v + tf.strings.as_string(i) for k, v in texts.items()
                }
            )
            for part in split
        ]


def use_builder(monkeypatch, make):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", types.SimpleNamespace(builder=make))


def test_tfds_gives_train_validation_and_test_in_order(monkeypatch):
    use_builder(monkeypatch, Builder)
    monkeypatch.setattr(tfds_corpus, "check_network", None)  # not asked for what is prepared
    loaded = corpus.load_corpus("tfds:some/es_to_en", ("es", "en"))
    assert loaded.train.source == [f"trainé{i}" for i in range(3000)]
    assert loaded.val.target == [f"validationx{i}" for i in range(3000)]
    assert len(loaded.test) == 3000


def test_a_data_set_of_other_languages_is_refused_before_it_is_downloaded(monkeypatch):
    use_builder(monkeypatch, lambda name: Builder(name, prepared=False))
    with pytest.raises(UserError, match="languages pt and en. Received: tfds:some/x, which has es"):
        corpus.load_corpus("tfds:some/x")


def test_without_a_network_a_data_set_that_is_not_there_is_one_line(monkeypatch):
    use_builder(monkeypatch, lambda name: Builder(name, prepared=False))
    monkeypatch.setattr(tfds_corpus, "MIRROR", "http://127.0.0.1:1")
    with pytest.raises(UserError, match="some/x is not in somewhere, and nothing can be") as error:
        corpus.load_corpus("tfds:some/x", ("es", "en"))
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_the_published_dataset_is_known_to_the_real_loader(monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds_corpus, "check_network", lambda *_: None)
    with tfds.testing.mock_data(num_examples=3):
        loaded = corpus.load_corpus("tfds:ted_hrlr_translate/pt_to_en")
    assert len(loaded.train) == len(loaded.val) == len(loaded.test) == 3


def test_a_tfds_failure_is_one_line_with_the_name(monkeypatch):
    def builder(name):
        raise RuntimeError("no such builder\nand a long story")

    use_builder(monkeypatch, builder)
    with pytest.raises(UserError, match="nothing: no such builder$"):
        corpus.load_corpus("tfds:nothing")
