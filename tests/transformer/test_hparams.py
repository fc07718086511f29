"""Hyperparameter files: what is read, and what is refused by name."""

import json
from pathlib import Path

import pytest

from tests.transformer.conftest import make_hparams
from transformer import hparams
from transformer.errors import UserError

FILES = sorted((Path(__file__).parents[2] / "hparams").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_of_the_project_is_valid(path):
    assert hparams.load(path).to_dict() == json.loads(path.read_text())


def test_small_is_the_published_model():
    small = hparams.load(next(path for path in FILES if path.stem == "small"))
    assert (small.num_layers, small.d_model, small.dff) == (4, 128, 512)
    assert (small.num_heads, small.key_dim, small.dropout_rate) == (8, 128, 0.1)
    assert not small.tie_embeddings


def test_a_file_round_trips(tmp_path):
    path = tmp_path / "h.json"
    path.write_text(json.dumps(make_hparams().to_dict()))
    assert hparams.load(path) == make_hparams()


@pytest.mark.parametrize("change", ["unknown", "missing"])
def test_an_unknown_or_missing_key_is_named(tmp_path, change):
    values = make_hparams().to_dict()
    if change == "unknown":
        values["d_modle"] = 16
    else:
        del values["dff"]
    path = tmp_path / "h.json"
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="d_modle" if change == "unknown" else "dff"):
        hparams.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_layers", 0),
        ("num_layers", 2.0),
        ("num_layers", True),
        ("num_layers", "2"),
        ("d_model", 15),
        ("dropout_rate", 1.0),
        ("dropout_rate", -0.1),
        ("label_smoothing", None),
        ("tie_embeddings", 1),
        ("batch_tokens", 10),
        ("decay", "linear"),
        ("decay", None),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(UserError, match=f"`{name}`.*Received: {name}={value!r}"):
        make_hparams(**{name: value})


@pytest.mark.parametrize("text", ["{", "[]", "3", b"\xff\xfe"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, text):
    path = tmp_path / "h.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=r"h\.json"):
        hparams.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.json"):
        hparams.load(tmp_path / "absent.json")
