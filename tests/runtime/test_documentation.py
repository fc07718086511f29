"""docs/runtime.md names every operation and attribute."""

import re
from pathlib import Path

from bcq_tf.runtime.graph import CONTROL
from bcq_tf.runtime.operations import OPERATIONS

TEXT = (Path(__file__).parents[2] / "docs" / "runtime.md").read_text("utf-8")
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
