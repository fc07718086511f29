"""Tables show what a file says as it is, and let none of it control a terminal."""

import pytest

from bcq_tf.reports.listing import as_text, listing, printable


@pytest.mark.parametrize("name", ["a[0]", "[bold]a", "[/nothing]", "a:key:b", "x" * 500])
def test_a_name_stands_in_the_text_as_it_is(name):
    made = listing("Title", "weight")
    made.add_row(name)
    assert name in as_text(made)
    assert as_text(name).strip() == name


@pytest.mark.parametrize("bad", ["\x1b[2J", "a\x07", "\u202e", "\ud800"])
def test_control_characters_are_replaced(bad):
    made = listing("Title", "weight")
    made.add_row(bad)
    text = as_text(made)
    assert all(character.isprintable() or character == "\n" for character in text)
    text.encode()


def test_printable_text_is_unchanged():
    assert printable("naïve — 3 × 4\n") == "naïve — 3 × 4\n"
