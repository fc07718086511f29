"""docs/runtime.md names every operation and attribute, and the C library has them all."""

import re
from pathlib import Path

from bcq_tf.runtime.graph import CONTROL
from bcq_tf.runtime.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "runtime.md").read_text("utf-8")
WORDS = {
    word
    for quoted in re.findall("`([^`]+)`", TEXT.split("## The graph")[1])
    for word in quoted.split()
}


def test_every_operation_is_named():
    assert {*OPERATIONS, *CONTROL} - WORDS == set()


def test_every_attribute_is_named():
    named = {name for each in OPERATIONS.values() for name in each.attributes}
    named |= {name for names in CONTROL.values() for name in names}
    assert {name for name in named if not name.endswith("_mask")} - WORDS == set()


def test_the_c_library_has_the_same_operations():
    text = "".join(file.read_text() for file in (ROOT / "native/runtime/graph").glob("*.cc"))
    tables = re.findall(r"kOperations\[\] = \{\n(.+?)\n\};", text, re.DOTALL)
    found = re.findall(r'^    (?:\{|[a-z]+\()"(\w+)",', "\n".join(tables), re.MULTILINE)
    assert sorted(found) == sorted(OPERATIONS)
