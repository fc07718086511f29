"""Rules of weights as a user of a command line writes them."""

from __future__ import annotations

import os
from pathlib import Path

from bcq_tf.cli.errors import UserError, one_line
from bcq_tf.files import strict_json


def read_rules(text: str | None) -> dict | None:
    """The rules of a JSON object, given as text or as the path of a file; None for None.

    Raises:
        UserError: it is not a JSON object.
    """
    if text is None:
        return None
    try:
        rules = strict_json.loads(Path(text).read_text("utf-8") if os.path.isfile(text) else text)
    except (OSError, ValueError) as error:
        raise UserError(
            f"`--rules` must be a JSON object or a file of one: {one_line(error)}"
        ) from None
    if not isinstance(rules, dict):
        raise UserError(f"`--rules` must be a JSON object. Received: {text}")
    return rules
