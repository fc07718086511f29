"""What is printed arrives, whatever standard output can take."""

import io
import sys

import pytest

from bcq_tf.cli.main import show
from bcq_tf.reports.listing import as_text, listing


@pytest.fixture
def printed(monkeypatch):
    """printed(text, encoding) -> what `show` writes to a standard output of this encoding."""

    def call(text: str, encoding: str | None) -> str:
        raw = io.BytesIO()
        stdout = io.TextIOWrapper(raw, encoding=encoding, newline="") if encoding else io.StringIO()
        monkeypatch.setattr(sys, "stdout", stdout)
        show(text)
        return raw.getvalue().decode(encoding) if encoding else stdout.getvalue()

    return call


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "naïve 日本\n"), (None, "naïve 日本\n"), ("cp1252", "naïve \\u65e5\\u672c\n"),
     ("ascii", "na\\xefve \\u65e5\\u672c\n")],
)  # fmt: skip
def test_characters_that_the_encoding_lacks_are_escaped(printed, encoding, expected):
    assert printed("naïve 日本\n", encoding) == expected


@pytest.mark.parametrize(("encoding", "rule"), [("utf-8", "─"), ("ascii", "-"), ("cp1252", "-")])
def test_tables_keep_their_rule(printed, encoding, rule):
    made = listing("Words", "word")
    made.add_row("naïve")
    assert f" {rule * 7}" in printed(as_text(made), encoding).splitlines()[3]
