"""Sentences and hyperparameters that the scripts train on, in few and small steps."""

import json

import pytest

from tests.transformer.conftest import make_hparams, make_pairs
from transformer import decoding

SPLITS = {"train": (24, 0), "val": (6, 24), "test": (6, 30)}
HPARAMS = make_hparams(num_layers=1, d_model=32, key_dim=16, batch_tokens=96)


@pytest.fixture(scope="module", autouse=True)
def _short_translations():
    """Models that have learned next to nothing translate until the limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "capacity", lambda source_length: source_length + 2)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with hparams.json and the six files of sentences."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "hparams.json").write_text(json.dumps(HPARAMS.to_dict()))
    for split, (count, start) in SPLITS.items():
        pairs = make_pairs(count, start)
        for language, lines in (("pt", pairs.source), ("en", pairs.target)):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder
